import type { EntryRef } from '../../src/access/reference.ts';
import { type BenchGroup, personDn } from './bench-server.ts';
import { endTogether } from './due-together.ts';
import type { Effort, Figure, Row } from './figure.ts';
import type { Readings } from './readings.ts';
import { changes, type Site, startSite } from './site.ts';
import { shown, shownSpread, spreadOf } from './statistics.ts';

const GOAL = 20;
/** Values a record when a round puts the members back. */
const PUT_BACK = 500;

/** A thousand endings due at once in one group. */
export const endingsAtOnce: Figure = {
  name: 'endings-at-once',
  async measure(effort) {
    const small = effort.isQuick ? { due: 20, members: 20, records: 20 } : { due: 1_000, members: 1_000, records: 1_000 };
    // One value a record takes ldapmodify some 50 ms in the large group: its rate is known after a hundred.
    const large = { due: 1_000, members: 50_000, records: 100 };
    const measured = [await compare(effort, small), ...(effort.isQuick ? [] : [await compare(effort, large)])];
    return { rows: measured.flatMap(({ rows }) => rows), notes: measured.map(({ note }) => note) };
  },
};

interface Size {
  readonly due: number;
  readonly members: number;
  /** How many of the same modifies `ldapmodify` does. */
  readonly records: number;
}

async function compare({ rounds, isQuick, say }: Effort, size: Size): Promise<{ rows: readonly Row[]; note: string }> {
  const { due, members, records } = size;
  const everybody = Array.from({ length: members }, (_, i) => personDn(i + 1));
  const leaving = everybody.slice(0, due);
  const twin: BenchGroup = { cn: 'twin', members: everybody };
  await using site = await startSite({ people: due, groups: [{ cn: 'large', members: everybody }, twin], serverSyncs: true });
  const entries = await site.entries();
  const gone: number[] = [];
  const told: number[] = [];
  const references: number[] = [];
  const spent: Readings[] = [];
  for (let round = 0; round < rounds; round += 1) {
    say(`${due} endings at once in a group of ${members}, round ${round + 1} of ${rounds}`);
    const steps = [
      async () => {
        const one = await byConnector(site, { due, entries, isQuick });
        gone.push(one.goneRate);
        told.push(one.toldRate);
        spent.push(one.readings);
      },
      async () => {
        const some = { cn: 'twin', members: leaving.slice(0, records) };
        references.push((records * 1000) / (await site.ldapmodify(changes('delete', some, 1))));
        await site.modify(changes('add', some, PUT_BACK));
      },
    ];
    for (const step of round % 2 === 0 ? steps : steps.toReversed()) await step();
  }
  const what = `${due} endings due at once in one group of ${members}: members per second`;
  return {
    rows: [
      rowOf(`${what}, until gone`, { rates: gone, references, goal: GOAL }),
      rowOf(`${what}, until told`, { rates: told, references, goal: null }),
    ],
    note: costs(size, spent),
  };
}

function rowOf(
  measured: string,
  { rates, references, goal }: { rates: readonly number[]; references: readonly number[]; goal: number | null },
): Row {
  const ratio = spreadOf(rates.map((rate, i) => rate / (references[i] ?? NaN))).median;
  return {
    measured,
    connector: shownSpread(rates, '/s'),
    reference: shownSpread(references, '/s'),
    ratio: shown(ratio),
    goal: goal === null ? 'published' : `≥ ${goal} ×`,
    isMet: goal === null ? null : ratio >= goal,
  };
}

/** What the endings of a round cost, the ledger's making and the start left out. */
function costs({ members, due }: Size, spent: readonly Readings[]): string {
  const median = (cost: (one: Readings) => number) => shown(spreadOf(spent.map(cost)).median);
  return (
    `Group of ${members}: the ${due} endings took ${median(({ ldap }) => ldap.modifies)} modifies, ${median(({ ldap }) => ldap.searches)} searches ` +
    `and ${median(({ sqlite }) => sqlite.commits)} transactions of the ledger; ${median(({ cpuMs }) => cpuMs)} ms of the connector's processor, ` +
    `SQLite's ${median(({ sqlite }) => sqlite.ms - sqlite.commitMs)} ms among it, and ${median(({ sqlite }) => sqlite.commitMs)} ms of commits. ` +
    `A request to the directory was unanswered for ${median(({ waits }) => waits.reduce((sum, [from, to]) => sum + to - from, 0))} ms.`
  );
}

async function byConnector(
  site: Site,
  { due, entries, isQuick }: { due: number; entries: ReadonlyMap<string, EntryRef>; isQuick: boolean },
): Promise<{ goneRate: number; toldRate: number; readings: Readings }> {
  const wanted = Array.from({ length: due }, (_, i) => ({ cn: 'large', person: i + 1 }));
  const { ended, readings } = await endTogether(site, { wanted, entries, isQuick });
  const [first] = ended;
  if (first === undefined) throw new Error('nothing ended');
  const probedMs = readings.points.flatMap(([point, atMs]) => (point === 'end.probed-after' ? [atMs] : []));
  if (probedMs.length < due) throw new Error('not every ending was probed');
  const rateUntil = (lastMs: number): number => (due * 1000) / (lastMs - first.expiresAt);
  return {
    goneRate: rateUntil(Math.max(...probedMs)),
    toldRate: rateUntil(Math.max(...ended.map(({ toldMs }) => toldMs))),
    readings,
  };
}
