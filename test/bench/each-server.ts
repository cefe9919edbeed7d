import { dn } from '../support/ldap-directory-under-test.ts';
import { adapterSession } from './adapter-session.ts';
import { type BenchServer, DS389_SERVER, groupDn, OPENLDAP_SERVER, personDn, SAMBA_SERVER } from './bench-server.ts';
import { endTogether } from './due-together.ts';
import type { Effort, Figure, Findings, Row } from './figure.ts';
import { type Answered, grantAll, groupNames, records, revokeAll, spreadOver, type Wanted } from './grants.ts';
import type { Readings } from './readings.ts';
import { changes, type Site, startSiteOn } from './site.ts';
import { quantile, shown, shownSpread, spreadOf } from './statistics.ts';

const GROUPS = 20;
/** Who is in each of these groups from the start. */
const STANDING = 10;
const ENDINGS_GOAL = 20;
const MODIFY_GOAL = 0.8;
/** Values a record when a round puts members back. */
const PUT_BACK = 500;

interface Sizes {
  /** Grants, and then revokes, one at a time. */
  readonly alone: number;
  /** How often the adapter alone, and `ldapmodify`, add and delete the same: the more, the less a start counts. */
  readonly times: number;
  /** Endings that are due at once, in a group of so many. */
  readonly due: number;
  readonly members: number;
  /** How many of the same modifies `ldapmodify` does in that group, where each takes it as long as any other. */
  readonly records: number;
}

const QUICK: Sizes = { alone: 3, times: 1, due: 10, members: 20, records: 10 };
const FULL: Sizes = { alone: 200, times: 5, due: 1_000, members: 50_000, records: 100 };

/** The same on each kind of server: one at a time, the adapter's own modify, and many endings due at once in a large group. */
export const eachServer: readonly Figure[] = [
  figureOf('on-openldap', OPENLDAP_SERVER, FULL),
  figureOf('on-389ds', DS389_SERVER, FULL),
  // Samba takes minutes to be given a few thousand members, and as long to be asked whether they are still there.
  figureOf('on-samba-ad', SAMBA_SERVER, { ...FULL, alone: 100, times: 1, due: 200, members: 1_000, records: 50 }),
];

function figureOf(name: string, server: BenchServer, full: Sizes): Figure {
  return { name, measure: async (effort) => await onServer(effort, server, effort.isQuick ? QUICK : full) };
}

async function onServer(effort: Effort, server: BenchServer, sizes: Sizes): Promise<Findings> {
  const { alone, due, members } = sizes;
  const people = Math.max(alone + STANDING, due);
  const standing = everybody(alone + STANDING).slice(alone);
  const cns = groupNames('alone', GROUPS);
  effort.say(`${server.name} is filled`);
  await using site = await startSiteOn(server, {
    people,
    groups: [...cns.map((cn) => ({ cn, members: standing })), { cn: 'large', members: everybody(members) }],
  });
  const one = await oneAtATime(effort, { site, server, wanted: spreadOver(cns, alone), times: sizes.times });
  const many = await atOnce(effort, { site, server, sizes });
  return { rows: [...one, ...many.rows], notes: [many.note] };
}

function everybody(count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => personDn(i + 1));
}

interface Alone {
  readonly grants: number[];
  readonly revokes: number[];
  readonly additions: number[];
  readonly deletions: number[];
  readonly adapter: number[];
  readonly ldapmodify: number[];
}

/** Milliseconds each: by the whole connector, by `ldapmodify`, and by the adapter's session alone, in turn. All is undone each time. */
async function oneAtATime(
  { rounds, say }: Effort,
  { site, server, wanted, times }: { site: Site; server: BenchServer; wanted: readonly Wanted[]; times: number },
): Promise<readonly Row[]> {
  await site.startConnector({ stateDir: await site.newStateDir() });
  const warmUp = wanted.slice(0, 20);
  await revokeAll(site, await grantAll(site, { wanted: warmUp, inFlight: 1 }));
  const took: Alone = { grants: [], revokes: [], additions: [], deletions: [], adapter: [], ldapmodify: [] };
  const perRecord = async (verb: 'add' | 'delete') => (await site.ldapmodify(records(verb, wanted))) / wanted.length;
  const ldif = `${records('add', wanted)}${records('delete', wanted)}`.repeat(times);
  const steps = [
    async () => {
      const granted = await grantAll(site, { wanted, inFlight: 1 });
      took.grants.push(medianMs(granted));
      took.revokes.push(medianMs(await revokeAll(site, granted)));
    },
    async () => {
      took.additions.push(await perRecord('add'));
      took.deletions.push(await perRecord('delete'));
    },
    async () => {
      took.ldapmodify.push((await site.ldapmodify(ldif)) / (2 * times * wanted.length));
    },
    async () => {
      took.adapter.push(await byAdapter(site, { wanted, times }));
    },
  ];
  for (let round = 0; round < rounds; round += 1) {
    say(`${server.name}: one at a time, round ${round + 1} of ${rounds}`);
    const turned = [...steps.slice(round % steps.length), ...steps.slice(0, round % steps.length)];
    for (const step of turned) await step();
  }
  await site.stopConnector();
  return [
    timeRow(`${server.name}: one grant at a time, job sent → outcome arrived, p50`, took.grants, took.additions),
    timeRow(`${server.name}: one revoke at a time, job sent → outcome arrived, p50`, took.revokes, took.deletions),
    speedRow(
      `${server.name}: the adapter's own modify, ${2 * times * wanted.length} one at a time: per second`,
      took.adapter,
      took.ldapmodify,
    ),
  ];
}

function medianMs(answers: readonly Answered[]): number {
  return quantile(
    answers.map(({ sentMs, toldMs }) => toldMs - sentMs),
    0.5,
  );
}

/** Milliseconds a modify, the opening and closing of the session among it, as they are of `ldapmodify`. */
async function byAdapter(
  { ldap, spelt }: Site,
  { wanted, times }: { wanted: readonly Wanted[]; times: number },
): Promise<number> {
  const began = performance.now();
  const session = await adapterSession(ldap);
  for (let time = 0; time < times; time += 1) {
    for (const verb of ['add', 'remove'] as const) {
      for (const { cn, person } of wanted) {
        const values = { add: [], remove: [], [verb]: [spelt(personDn(person))] };
        const { resultCode } = await session.modify({ dn: dn(groupDn(cn)), attribute: 'member', ...values });
        if (resultCode !== 0) throw new Error(`the adapter's modify came to ${resultCode}`);
      }
    }
  }
  await session.close();
  return (performance.now() - began) / (2 * times * wanted.length);
}

function timeRow(measured: string, ms: readonly number[], references: readonly number[]): Row {
  return {
    measured,
    connector: shownSpread(ms, 'ms'),
    reference: `${shownSpread(references, 'ms')} a record`,
    ratio: shown(spreadOf(ms.map((one, i) => one / (references[i] ?? NaN))).median),
    goal: 'published',
    isMet: null,
  };
}

function speedRow(measured: string, ms: readonly number[], references: readonly number[]): Row {
  const rates = (each: readonly number[]) => each.map((one) => 1000 / one);
  return rateRow(measured, { rates: rates(ms), references: rates(references), goal: MODIFY_GOAL });
}

function rateRow(
  measured: string,
  { rates, references, goal }: { rates: readonly number[]; references: readonly number[]; goal: number },
): Row {
  const ratio = spreadOf(rates.map((rate, i) => rate / (references[i] ?? NaN))).median;
  return {
    measured,
    connector: shownSpread(rates, '/s'),
    reference: shownSpread(references, '/s'),
    ratio: shown(ratio),
    goal: `≥ ${goal} ×`,
    isMet: ratio >= goal,
  };
}

/** The connector and `ldapmodify` take turns in the same group, other members each, who are put back. */
async function atOnce(
  { rounds, isQuick, say }: Effort,
  { site, server, sizes }: { site: Site; server: BenchServer; sizes: Sizes },
): Promise<{ readonly rows: readonly Row[]; readonly note: string }> {
  const { due, members } = sizes;
  const entries = await site.entries();
  const wanted = Array.from({ length: due }, (_, i) => ({ cn: 'large', person: i + 1 }));
  const others = { cn: 'large', members: everybody(members).slice(-sizes.records) };
  const rates: number[] = [];
  const references: number[] = [];
  const spent: Readings[] = [];
  const steps = [
    async () => {
      const { ended, readings: read } = await endTogether(site, { wanted, entries, isQuick });
      const lastMs = Math.max(...ended.map(({ toldMs }) => toldMs));
      rates.push((due * 1000) / (lastMs - (ended[0]?.expiresAt ?? NaN)));
      spent.push(read);
    },
    async () => {
      references.push((sizes.records * 1000) / (await site.ldapmodify(changes('delete', others, 1))));
      await site.modify(changes('add', others, PUT_BACK));
    },
  ];
  for (let round = 0; round < rounds; round += 1) {
    say(`${server.name}: ${due} endings at once in a group of ${members}, round ${round + 1} of ${rounds}`);
    for (const step of round % 2 === 0 ? steps : steps.toReversed()) await step();
  }
  const measured = `${server.name}: ${due} endings due at once in one group of ${members}: members per second, until told`;
  const median = (cost: (one: Readings) => number) => shown(spreadOf(spent.map(cost)).median);
  return {
    rows: [rateRow(measured, { rates, references, goal: ENDINGS_GOAL })],
    note:
      `${server.name}, group of ${members}: ${due} endings took ${median(({ ldap }) => ldap.modifies)} modifies and ` +
      `${median(({ ldap }) => ldap.searches)} searches and compares; ${median(({ cpuMs }) => cpuMs)} ms of the connector's processor; a request to the ` +
      `directory was unanswered for ${median(({ waits }) => waits.reduce((sum, [from, to]) => sum + to - from, 0))} ms. ` +
      `ldapmodify did ${sizes.records} of the modifies.`,
  };
}
