import { groupDn, personDn } from './bench-server.ts';
import { endTogether } from './due-together.ts';
import type { Figure } from './figure.ts';
import { groupNames, type Wanted } from './grants.ts';
import { type Site, type SlapdSite, startSite } from './site.ts';
import { quantile, shown, shownSpread, spreadOf } from './statistics.ts';

const GOAL = 1.1;

/** One ending that the directory refuses for ever, among many that are due at the same time. */
export const refusedPair: Figure = {
  name: 'refused-pair',
  async measure({ rounds, isQuick, say }) {
    const [groupCount, perGroup] = isQuick ? [4, 5] : [20, 50];
    const cns = groupNames('among', groupCount);
    // One more in the first group: the refused one takes the place of another.
    const groups = cns.map((cn, i) => ({ cn, members: everybody(perGroup + (i === 0 ? 1 : 0)) }));
    const refused: Wanted = { cn: cns[0] ?? '', person: perGroup + 1 };
    const others = cns.flatMap((cn) => Array.from({ length: perGroup }, (_, i) => ({ cn, person: i + 1 })));
    const withRefused = [refused, ...others.slice(1)];
    await using site = await startSite({ people: perGroup + 1, groups, serverSyncs: true });
    await refuse(site, refused);
    const entries = await site.entries();
    const without: number[] = [];
    const withIt: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      say(`one refused pair among ${others.length}, round ${round + 1} of ${rounds}`);
      const runs = [
        async () => without.push(await p99(site, { wanted: others, entries, isQuick })),
        async () => withIt.push(await p99(site, { wanted: withRefused, entries, isQuick, hopeless: [refused] })),
      ];
      for (const run of round % 2 === 0 ? runs : runs.toReversed()) await run();
    }
    const ratio = spreadOf(withIt.map((ms, i) => ms / (without[i] ?? NaN))).median;
    return {
      rows: [
        {
          measured: `one ending that is refused for ever (result 50) among ${others.length} due at once: lateness of the others, p99`,
          connector: shownSpread(withIt, 'ms'),
          reference: `${shownSpread(without, 'ms')} without it`,
          ratio: shown(ratio),
          goal: `≤ ${GOAL} ×`,
          isMet: ratio <= GOAL,
        },
      ],
      notes: [],
    };
  },
};

function everybody(count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => personDn(i + 1));
}

/** Only this value of this group may be read and not written. */
async function refuse({ ldap }: SlapdSite, { cn, person }: Wanted): Promise<void> {
  const rule = `{0}to dn.exact="${groupDn(cn)}" attrs=member val/distinguishedNameMatch.exact="${personDn(person)}" by dn.exact="${ldap.connectorDn}" read by * none`;
  await ldap.configModify(`dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\nadd: olcAccess\nolcAccess: ${rule}\n`);
}

/** Lateness in milliseconds. */
async function p99(site: Site, run: Parameters<typeof endTogether>[1]): Promise<number> {
  const { ended } = await endTogether(site, run);
  return quantile(
    ended.map(({ endedAtMs, expiresAt }) => endedAtMs - expiresAt),
    0.99,
  );
}
