import { type Instant, instant } from '../../src/access/instant.ts';
import type { EntryRef } from '../../src/access/reference.ts';
import { grantJob } from '../support/told.ts';
import { nowMs } from './bench-control-plane.ts';
import { groupDn, personDn } from './bench-server.ts';
import { type Ended, endedOf, pairOf } from './due-together.ts';
import type { Figure, Findings } from './figure.ts';
import { fillLedger } from './filled-ledger.ts';
import { groupNames, groupsOfTen, type Wanted } from './grants.ts';
import { type Readings, readings, waitedMs } from './readings.ts';
import { changes, type Site, startSite } from './site.ts';
import { quantile, shown, shownSpread, spreadOf } from './statistics.ts';

const GOAL_MS = 1_000;
const OWN_GOAL_MS = 250;
const ENDINGS_A_SECOND = 20;
const JOBS_A_SECOND = 5;
const PERSONS_A_GROUP = 100;

/** How late endings are, with many active grants, while endings and jobs go on. */
export const lateness: Figure = {
  name: 'lateness',
  async measure(effort) {
    const { rounds, isQuick, say } = effort;
    const roundMs = isQuick ? 1_000 : 10_000;
    const idle = isQuick ? { groups: 2, persons: 50 } : { groups: 100, persons: 1_000 };
    const leaving = spread('ending', (rounds * roundMs * ENDINGS_A_SECOND) / 1000);
    const twins = leaving.map(({ cn, person }) => ({ cn: `${cn}-twin`, person }));
    const coming = spread('coming', (rounds * roundMs * JOBS_A_SECOND) / 1000);
    const kept = groupNames('kept', idle.groups).flatMap((cn) =>
      Array.from({ length: idle.persons }, (_, i) => ({ cn, person: i + 1 })),
    );
    await using site = await startSite({
      people: Math.max(idle.persons, PERSONS_A_GROUP),
      groups: [...grouped([...leaving, ...twins, ...kept]), ...groupsOfTen([...new Set(coming.map(({ cn }) => cn))])],
      serverSyncs: true,
    });
    const entries = await site.entries();
    say(`a ledger with ${kept.length} active grants is made`);
    const stateDir = await site.newStateDir();
    const pairs = kept.map((one) => ({ pair: pairOf(entries, one), expiresAt: instant(Date.now() + 6 * 3_600_000) }));
    await fillLedger(stateDir, pairs);
    const started = await startedWithEndings(site, { stateDir, entries, leaving, isQuick });
    const asking = ask(site, coming, started.firstAt);
    const measured: Round[] = [];
    for (let round = 0; round < rounds; round += 1) {
      say(`lateness with ${kept.length} active grants, round ${round + 1} of ${rounds}`);
      const perRound = (roundMs * ENDINGS_A_SECOND) / 1000;
      const mine = [round * perRound, (round + 1) * perRound] as const;
      const ids = started.ids.slice(...mine);
      await site.controlPlane.until('the endings of this round', () => ids.every((id) => site.controlPlane.ended.has(id)));
      const read = await readings(started.connector);
      measured.push({ ended: endedFrom(site, ids, leaving.slice(...mine)), readings: read });
    }
    await asking;
    await site.stopConnector();
    const referenceMs: number[] = [];
    for (let round = 0; round < rounds; round += 1) referenceMs.push(await reference(site, twins, { round, rounds }));
    return findings(measured, { referenceMs, active: kept.length });
  },
};

interface Round {
  readonly ended: readonly Ended[];
  readonly readings: Readings;
}

/** A hundred people in each of as many groups as it takes. */
function spread(prefix: string, count: number): readonly Wanted[] {
  const names = groupNames(prefix, Math.ceil(count / PERSONS_A_GROUP));
  return Array.from({ length: count }, (_, i) => ({
    cn: names[i % names.length] ?? '',
    person: 1 + Math.floor(i / names.length),
  }));
}

function grouped(wanted: readonly Wanted[]) {
  const members = Map.groupBy(wanted, ({ cn }) => cn);
  return [...members].map(([cn, those]) => ({ cn, members: those.map(({ person }) => personDn(person)) }));
}

/** How long the last endings of the ledger are written, and the connector started, before the first is due. */
const leadMs = (endings: number): number => 3_000 + 4 * endings;

async function startedWithEndings(
  site: Site,
  {
    stateDir,
    entries,
    leaving,
    isQuick,
  }: { stateDir: string; entries: ReadonlyMap<string, EntryRef>; leaving: readonly Wanted[]; isQuick: boolean },
) {
  const firstAt = Date.now() + leadMs(leaving.length);
  const ids = await fillLedger(
    stateDir,
    leaving.map((one, i) => ({ pair: pairOf(entries, one), expiresAt: instant(firstAt + (i * 1000) / ENDINGS_A_SECOND) })),
  );
  const connector = await site.startConnector({ stateDir });
  if (nowMs() > firstAt && !isQuick) throw new Error('the connector was not ready in time; the machine is too busy to measure');
  await readings(connector);
  return { connector, ids, firstAt };
}

/** Sends the jobs at their pace from an instant on, and waits until all are answered. */
async function ask({ controlPlane }: Site, coming: readonly Wanted[], fromMs: number): Promise<void> {
  const jobs = coming.map(({ cn, person }) => grantJob({ user: { dn: personDn(person) }, group: { dn: groupDn(cn) } }));
  for (const [i, job] of jobs.entries()) {
    const dueMs = fromMs + (i * 1000) / JOBS_A_SECOND;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - nowMs())));
    controlPlane.send(job);
  }
  await controlPlane.until('the jobs are answered', () => jobs.every(({ jobId }) => controlPlane.results.has(jobId)));
}

function endedFrom(
  { controlPlane }: Site,
  ids: Awaited<ReturnType<typeof fillLedger>>,
  leaving: readonly Wanted[],
): readonly Ended[] {
  return ids.flatMap((grantId, i) => {
    const [told, wanted] = [controlPlane.ended.get(grantId), leaving[i]];
    return told === undefined || wanted === undefined ? [] : [endedOf({ grantId, wanted, told })];
  });
}

/** `ldapmodify` does the same modifies of one round, one after the other; milliseconds a record. */
async function reference(
  site: Site,
  twins: readonly Wanted[],
  { round, rounds }: { round: number; rounds: number },
): Promise<number> {
  const perRound = twins.length / rounds;
  const some = twins.slice(round * perRound, (round + 1) * perRound);
  const ldif = some.map(({ cn, person }) => changes('delete', { cn, members: [personDn(person)] }, 1)).join('');
  return (await site.ldapmodify(ldif)) / some.length;
}

function findings(
  rounds: readonly Round[],
  { referenceMs, active }: { referenceMs: readonly number[]; active: number },
): Findings {
  const late = rounds.map(({ ended }) => ended.map(({ endedAtMs, expiresAt }) => endedAtMs - expiresAt));
  const own = rounds.map(({ ended, readings: read }) => ended.map((one) => ownPart(read, one)));
  const p = (sets: readonly (readonly number[])[], share: number) => sets.map((set) => quantile(set, share));
  const row = (measured: string, values: readonly number[], goalMs: number | null) => ({
    measured,
    connector: shownSpread(values, 'ms'),
    reference: `${shownSpread(referenceMs, 'ms')} a record`,
    ratio: '–',
    goal: goalMs === null ? 'published' : `≤ ${goalMs} ms`,
    isMet: goalMs === null ? null : spreadOf(values).median <= goalMs,
  });
  const lates = `lateness of an ending (\`expiresAt\` → negative probe) with ${active} active grants, ${ENDINGS_A_SECOND} endings and ${JOBS_A_SECOND} jobs a second`;
  return {
    rows: [
      row(`${lates}, p50`, p(late, 0.5), null),
      row(`${lates}, p99`, p(late, 0.99), GOAL_MS),
      row("the connector's own part of it, p99", p(own, 0.99), OWN_GOAL_MS),
    ],
    notes: [
      `The latest of all ${late.flat().length} endings was ${shown(Math.max(...late.flat()))} ms late. The connector's processor was busy ${shown(
        spreadOf(rounds.map(({ readings: { cpuMs, wallMs } }) => (100 * cpuMs) / wallMs)).median,
      )} % of the time.`,
    ],
  };
}

/** What of the lateness passed while no request to the directory was unanswered. */
function ownPart(read: Readings, { expiresAt, endedAtMs }: { expiresAt: Instant; endedAtMs: number }): number {
  return endedAtMs - expiresAt - waitedMs(read, expiresAt, endedAtMs);
}
