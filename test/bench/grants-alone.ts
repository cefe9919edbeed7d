import type { Child } from '../support/child.ts';
import type { Effort, Figure, Findings } from './figure.ts';
import { type Answered, grantAll, groupNames, groupsOfTen, records, spreadOver, type Wanted } from './grants.ts';
import { type Readings, readings } from './readings.ts';
import { type Site, startSite } from './site.ts';
import { quantile, shown, shownSpread, spreadOf } from './statistics.ts';

const GROUPS = 20;

/** The way of one grant by the fail points it passes, and what is done between each and the one before. */
const STAGES: readonly (readonly [point: string, what: string])[] = [
  ['job.stored', 'the job is stored (1 commit)'],
  ['grant.resolved', 'decided, user and group found, the pair stored (3 commits, 2 searches)'],
  ['grant.probed-before', 'both found again by id, first probe (4 searches)'],
  ['grant.intent-stored', 'the intent is stored (1 commit)'],
  ['grant.modify-answered', 'the modify'],
  ['grant.probed-after', 'second probe: the membership is proved (2 searches)'],
  ['grant.claimed', 'the claim, with audit and outcome (1 commit)'],
  ['event.sent', 'the event is read and sent'],
];

/** One grant at a time. */
export const grantsAlone: Figure = {
  name: 'grants-alone',
  async measure(effort) {
    const { rounds, isQuick } = effort;
    const count = isQuick ? 10 : 200;
    const sets = Array.from({ length: rounds + 2 }, (_, round) => groupNames(`alone${round}`, GROUPS));
    const twins = sets.map((cns) => cns.map((cn) => `${cn}-twin`));
    await using site = await startSite({ people: count, groups: groupsOfTen([...sets, ...twins].flat()), serverSyncs: true });
    const connector = await site.startConnector({ stateDir: await site.newStateDir() });
    const [warmUp = [], ...others] = sets;
    await grantAll(site, { wanted: spreadOver(warmUp, Math.min(count, 50)), inFlight: 1 });
    const measured: Round[] = [];
    for (const [round, cns] of others.slice(0, rounds).entries()) {
      effort.say(`grants one at a time, round ${round + 1} of ${rounds}`);
      const twin = spreadOver(twins[round + 1] ?? [], count);
      measured.push(await oneRound({ site, connector, wanted: spreadOver(cns, count), twin, isReversed: round % 2 === 1 }));
    }
    const last = spreadOver(sets.at(-1) ?? [], count);
    await site.stopConnector();
    return findings(measured, await profiled(site, last, effort));
  },
};

interface Round {
  readonly answers: readonly Answered[];
  readonly readings: Readings;
  readonly ldapmodifyMs: number;
}

async function oneRound(options: {
  site: Site;
  connector: Child;
  wanted: readonly Wanted[];
  twin: readonly Wanted[];
  isReversed: boolean;
}): Promise<Round> {
  const { site, connector, wanted, twin, isReversed } = options;
  const byLdapmodify = () => site.ldapmodify(records('add', twin));
  const early = isReversed ? await byLdapmodify() : 0;
  await readings(connector);
  const answers = await grantAll(site, { wanted, inFlight: 1 });
  const read = await readings(connector);
  return { answers, readings: read, ldapmodifyMs: isReversed ? early : await byLdapmodify() };
}

/** One more round, not counted, with the processor's profile. */
async function profiled(site: Site, wanted: readonly Wanted[], { say }: Effort): Promise<Readings> {
  say('grants one at a time, with a profile');
  const connector = await site.startConnector({ stateDir: await site.newStateDir(), env: { BENCH_PROFILE: '1' } });
  await readings(connector);
  await grantAll(site, { wanted, inFlight: 1 });
  return await readings(connector);
}

function findings(rounds: readonly Round[], profile: Readings): Findings {
  const inside = rounds.map(({ readings: { points } }) => spans(points, 'job.received', 'event.sent'));
  const visible = rounds.map(({ readings: { points } }) => spans(points, 'job.received', 'grant.probed-after'));
  const outside = rounds.map(({ answers }) => answers.map(({ sentMs, toldMs }) => toldMs - sentMs));
  const rate = rounds.map(({ answers }) => (answers.length * 1000) / ((answers.at(-1)?.toldMs ?? 0) - (answers[0]?.sentMs ?? 0)));
  const reference = rounds.map(({ answers, ldapmodifyMs }) => (answers.length * 1000) / ldapmodifyMs);
  const perRecord = rounds.map(({ answers, ldapmodifyMs }) => ldapmodifyMs / answers.length);
  const p = (sets: readonly (readonly number[])[], share: number) => sets.map((set) => quantile(set, share));
  const line = (measured: string, sets: readonly (readonly number[])[], share: number) => ({
    measured,
    connector: shownSpread(p(sets, share), 'ms'),
    reference: share === 0.5 ? `${shownSpread(perRecord, 'ms')} a record` : '–',
    ratio: share === 0.5 ? shown(spreadOf(p(sets, share).map((ms, i) => ms / (perRecord[i] ?? NaN))).median) : '–',
    goal: 'published',
    isMet: null,
  });
  return {
    rows: [
      line('frame received → membership proved, p50', visible, 0.5),
      line('frame received → membership proved, p99', visible, 0.99),
      line('frame received → event sent, p50', inside, 0.5),
      line('frame received → event sent, p99', inside, 0.99),
      line('job sent → event arrived at the control plane, p50', outside, 0.5),
      {
        measured: 'grants per second, one at a time',
        connector: shownSpread(rate, '/s'),
        reference: shownSpread(reference, '/s'),
        ratio: shown(spreadOf(rate.map((one, i) => one / (reference[i] ?? NaN))).median),
        goal: 'published',
        isMet: null,
      },
    ],
    notes: [stageTable(rounds), sharesOf(rounds), profileTable(profile)],
  };
}

/** From each passing of one point to the next passing of the other. */
function spans(points: Readings['points'], from: string, to: string): readonly number[] {
  const found: number[] = [];
  let began: number | null = null;
  for (const [point, atMs] of points) {
    if (point === from) began = atMs;
    if (point !== to || began === null) continue;
    found.push(atMs - began);
    began = null;
  }
  return found;
}

function stageTable(rounds: readonly Round[]): string {
  const points = rounds.flatMap(({ readings: read }) => read.points);
  const lines = STAGES.map(([point, what], i) => {
    const from = i === 0 ? 'job.received' : (STAGES[i - 1]?.[0] ?? '');
    const found = spans(points, from, point);
    return `| \`${point}\` | ${what} | ${shown(quantile(found, 0.5))} | ${shown(quantile(found, 0.99))} |`;
  });
  return [
    'Where the time of one grant goes, between the places it passes:',
    '',
    '| until | what | p50 ms | p99 ms |',
    '|---|---|---|---|',
    ...lines,
  ].join('\n');
}

function sharesOf(rounds: readonly Round[]): string {
  const each = rounds.map(({ readings: { ldap, sqlite, waits, cpuMs, wallMs }, answers: { length } }) => {
    const ldapMs = waits.reduce((sum, [from, to]) => sum + to - from, 0);
    return {
      wall: wallMs / length,
      ldap: ldapMs / length,
      sqlite: sqlite.ms / length,
      commit: sqlite.commitMs / length,
      commits: sqlite.commits / length,
      cpu: cpuMs / length,
      requests: (ldap.searches + ldap.modifies) / length,
    };
  });
  const median = (name: keyof (typeof each)[number]) => shown(spreadOf(each.map((one) => one[name])).median);
  return (
    `Of ${median('wall')} ms a grant, a request to the directory was unanswered for ${median('ldap')} ms (${median('requests')} requests); ` +
    `SQLite worked for ${median('sqlite')} ms, of which ${median('commit')} ms in ${median('commits')} transactions, of which those that wrote were synced to disk. ` +
    `The connector's processor time was ${median('cpu')} ms a grant, SQLite's included.`
  );
}

function profileTable({ profile, points }: Readings): string {
  const grants = points.filter(([point]) => point === 'grant.claimed').length;
  const places = Object.entries(profile ?? {})
    .filter(([place]) => place !== '(idle)' && place !== 'bench')
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, 8)
    .map(([place, ms]) => `${place} ${shown(ms / grants)} ms`);
  return `By the sampling profiler, own time a grant (in a round of its own; "(program)" is native code, SQLite's syncs among it): ${places.join(', ')}.`;
}
