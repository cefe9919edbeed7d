import { instant } from '../../src/access/instant.ts';
import type { EntryRef } from '../../src/access/reference.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { nowMs } from './bench-control-plane.ts';
import { type BenchGroup, personDn } from './bench-server.ts';
import { pairOf } from './due-together.ts';
import type { Figure, Row } from './figure.ts';
import { fillLedger } from './filled-ledger.ts';
import { groupNames, type Wanted } from './grants.ts';
import { changes, type Site, startSite } from './site.ts';
import { shown, shownSpread, spreadOf } from './statistics.ts';

const FIRST_GOAL_MS = 3_000;
const ALL_GOAL_MS = 30_000;
const CONNECTIONS_GOAL = 4;
const HOURS_MS = 3 * 3_600_000;

/** The directory comes back after hours, and all that fell due meanwhile is ended. */
export const directoryReturns: Figure = {
  name: 'directory-returns',
  async measure(effort) {
    const { rounds, isQuick, say } = effort;
    const [groupCount, personCount] = isQuick ? [4, 5] : [100, 50];
    const members = Array.from({ length: personCount }, (_, i) => personDn(i + 1));
    const cns = groupNames('gone', groupCount);
    const groups = cns.map((cn) => ({ cn, members }));
    const twins = groups.map(({ cn }) => ({ cn: `${cn}-twin`, members }));
    // A server that was started again is the sandbox's as it is: the change of its configuration does not outlive it.
    await using site = await startSite({ people: personCount, groups: [...groups, ...twins], serverSyncs: false });
    const entries = await site.entries();
    const wanted = cns.flatMap((cn) => members.map((_, i) => ({ cn, person: i + 1 })));
    const measured: Return[] = [];
    const references: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      say(`the directory returns to ${wanted.length} endings, round ${round + 1} of ${rounds}`);
      if (round > 0) await putBack(site, groups);
      measured.push(await returned(site, { wanted, entries }));
      if (round > 0) await putBack(site, twins);
      references.push(await site.ldapmodify(twins.map((twin) => changes('delete', twin, 1)).join('')));
    }
    return { rows: rows(measured, { references, due: wanted.length }), notes: [note(measured)] };
  },
};

interface Return {
  readonly firstMs: number;
  readonly allMs: number;
  readonly connections: number;
}

async function putBack({ ldap }: Site, groups: readonly BenchGroup[]): Promise<void> {
  await ldap.modify(groups.map((group) => changes('add', group, group.members.length)).join(''));
}

async function returned(
  site: Site,
  { wanted, entries }: { wanted: readonly Wanted[]; entries: ReadonlyMap<string, EntryRef> },
): Promise<Return> {
  const { ldap, controlPlane } = site;
  controlPlane.clear();
  const stateDir = await site.newStateDir();
  const expiresAt = instant(Date.now() - HOURS_MS);
  const ids = await fillLedger(
    stateDir,
    wanted.map((one) => ({ pair: pairOf(entries, one), expiresAt })),
  );
  await using proxy = await startTcpProxy(Number(new URL(ldap.ldapsUrl).port));
  await ldap.kill('SIGTERM');
  await site.startConnector({ stateDir, env: { LDAP_URL: `ldaps://127.0.0.1:${proxy.port}` }, awaitsDirectory: false });
  await controlPlane.until('each ending was tried and is overdue', () => controlPlane.overdue.size >= ids.length);
  const before = proxy.accepted();
  await ldap.start();
  const backMs = nowMs();
  await controlPlane.until('every ending is done', () => controlPlane.ended.size >= ids.length);
  const toldMs = ids.map((id) => (controlPlane.ended.get(id)?.atMs ?? NaN) - backMs);
  const connections = proxy.accepted() - before;
  await site.stopConnector();
  return { firstMs: Math.min(...toldMs), allMs: Math.max(...toldMs), connections };
}

function rows(measured: readonly Return[], { references, due }: { references: readonly number[]; due: number }): readonly Row[] {
  const all = measured.map(({ allMs }) => allMs);
  const first = measured.map(({ firstMs }) => firstMs);
  const connections = measured.map(({ connections: count }) => count);
  const row = { reference: '–', ratio: '–' };
  const when = `the directory returns to ${due} endings that are hours overdue`;
  return [
    {
      ...row,
      measured: `${when}: first done`,
      connector: shownSpread(first, 'ms'),
      goal: `≤ ${FIRST_GOAL_MS} ms`,
      isMet: spreadOf(first).median <= FIRST_GOAL_MS,
    },
    {
      measured: `${when}: all done`,
      connector: shownSpread(all, 'ms'),
      reference: shownSpread(references, 'ms'),
      ratio: shown(spreadOf(all.map((ms, i) => ms / (references[i] ?? NaN))).median),
      goal: `≤ ${ALL_GOAL_MS} ms`,
      isMet: spreadOf(all).median <= ALL_GOAL_MS,
    },
    {
      ...row,
      measured: `${when}: connections made`,
      connector: shownSpread(connections, ''),
      goal: `≤ ${CONNECTIONS_GOAL} at most`,
      isMet: spreadOf(connections).max <= CONNECTIONS_GOAL,
    },
  ];
}

function note(measured: readonly Return[]): string {
  return `The time is counted from the moment at which the server completes a TLS handshake, to the event at the control plane; the connector tries again within 2 s. Slowest first ending of the ${measured.length} rounds: ${shown(Math.max(...measured.map(({ firstMs }) => firstMs)))} ms. Connections are counted at a proxy from that moment on, so the figure is a bound of those open at a time.`;
}
