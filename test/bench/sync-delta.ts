import type { ReadSink } from '../../src/directory/directory-reader.ts';
import { type OpenLdap, startOpenLdap } from '../../src/sandbox/openldap.ts';
import { simpleBind } from '../support/ldap-directory-under-test.ts';
import { hearing, ldapReader } from '../support/read-directory.ts';
import { groupsOfNames, personDn } from './bench-server.ts';
import { companyOf, companySize, peopleOf } from './company.ts';
import type { Figure, Row } from './figure.ts';
import { asAdmin, ldapsearch } from './ldapsearch.ts';
import { USER_ATTRIBUTES } from './read-asked.ts';
import { quantile, shownSpread } from './statistics.ts';

/** Of the time of `ldapsearch` for all users, by how many of them have changed. */
const GOALS = [
  { changes: 10, goal: 0.005 },
  { changes: 1_000, goal: 0.05 },
] as const;
const SCHEMES = ['ldapUrl', 'ldapsUrl'] as const;
/** What a daemon runs for months has been compiled: so many deltas come first, and do not count. */
const WARM_UP = 20;

/**
 * What has changed since the last time, by content synchronisation with a session log (RFC 4533): from the connection, the bind
 * and the proof of who we are to the last proof after it, in a process that has done it before.
 */
export const syncDelta: Figure = {
  name: 'sync-delta',
  of: 'sync',
  async measure(effort) {
    const { rounds, isQuick, say } = effort;
    const people = peopleOf(effort);
    say(`a directory of ${people} people is filled`);
    const ldif = groupsOfNames(companyOf(companySize(people)).groups);
    await using server = await startOpenLdap({ people, requireTls: false, replicated: true, sessionLog: true, ldif });
    const sizes = GOALS.map(({ changes, goal }) => ({ changes: Math.min(changes, people), goal }));
    const deltas = await Promise.all(
      SCHEMES.map(async (scheme) => ({
        scheme,
        one: await deltasOf(server, server[scheme]),
        tookMs: sizes.map((): number[] => []),
      })),
    );
    const search = await ldapsearch(server, { url: server.ldapUrl, ...asAdmin(server) });
    const fullMs: number[] = [];
    for (let i = 0; i < (isQuick ? 1 : WARM_UP); i += 1)
      for (const { one } of deltas) for (const { changes } of sizes.slice(0, 1 + (i % 2))) await one(changes);
    for (let round = 1; round <= rounds; round += 1) {
      say(`round ${round} of ${rounds}`);
      for (const { one, tookMs } of deltas) for (const [i, { changes }] of sizes.entries()) tookMs[i]?.push(await one(changes));
      const all = { base: server.usersScope, filter: '(objectClass=person)', attributes: USER_ATTRIBUTES };
      fullMs.push((await search(all)).wallMs);
    }
    const rows = deltas.flatMap(({ scheme, tookMs }) =>
      sizes.map(({ changes, goal }, i) =>
        row({
          measured: `delta with ${changes} changed users of ${people}, ${scheme === 'ldapUrl' ? 'in clear' : 'over ldaps'}`,
          ownMs: tookMs[i] ?? [],
          fullMs,
          // `ldapsearch` reads in clear: over TLS it is compared with nothing.
          goal: scheme === 'ldapUrl' ? goal : null,
        }),
      ),
    );
    return { rows, notes: [] };
  },
};

function row(options: { measured: string; ownMs: readonly number[]; fullMs: readonly number[]; goal: number | null }): Row {
  const { measured, ownMs, fullMs, goal } = options;
  const ratio = quantile(
    ownMs.map((ms, i) => ms / (fullMs[i] ?? Number.NaN)),
    0.5,
  );
  return {
    measured,
    connector: shownSpread(ownMs, 'ms'),
    reference: `ldapsearch of all users, in clear: ${shownSpread(fullMs, 'ms')}`,
    ratio: ratio.toFixed(4),
    goal: goal === null ? 'published' : `≤ ${goal} ×`,
    isMet: goal === null ? null : ratio <= goal,
  };
}

/** Changes so many users and reads what has changed; resolves with how long the read took, in milliseconds. */
async function deltasOf(server: OpenLdap, url: string): Promise<(changes: number) => Promise<number>> {
  const signal = new AbortController().signal;
  const reader = await ldapReader(server, { url, bind: simpleBind(server.adminDn, server.adminPassword) });
  let told = 0;
  const sink: ReadSink = { ...hearing().sink, user: () => void (told += 1), members: () => undefined, group: () => undefined };
  let { cursor } = await reader.readAll(sink, signal);
  const delta = async (): Promise<number> => {
    if (cursor === null) throw new Error('the server offers no delta');
    told = 0;
    const from = performance.now();
    const end = await reader.readChanges(cursor, sink, signal);
    const ms = performance.now() - from;
    if (end.told === 'full_needed') throw new Error(`there was no delta: ${end.reason}`);
    cursor = end.cursor;
    return ms;
  };
  let times = 0;
  return async (changes) => {
    times += 1;
    // What has changed for others since then.
    await delta();
    await server.modify(changed(changes, `${url} ${times}`));
    const ms = await delta();
    if (told !== changes) throw new Error(`${told} changes were told, and ${changes} were made`);
    return ms;
  };
}

function changed(people: number, to: string): string {
  return Array.from(
    { length: people },
    (_, i) => `dn: ${personDn(i + 1)}\nchangetype: modify\nreplace: description\ndescription: ${to}\n`,
  ).join('\n');
}
