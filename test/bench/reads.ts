import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Client } from 'ldapts';
import { equality } from '../../src/access/filter.ts';
import { type OpenLdap, startOpenLdap } from '../../src/sandbox/openldap.ts';
import { dn, simpleBind } from '../support/ldap-directory-under-test.ts';
import { hearing, ldapReader } from '../support/read-directory.ts';
import { groupDn, groupsOfNames, personDn } from './bench-server.ts';
import { companyOf, companySize, peopleOf } from './company.ts';
import type { Effort, Figure, Findings, Row } from './figure.ts';
import { asAdmin, ldapsearch } from './ldapsearch.ts';
import { type ReadAnswer, type ReadAsked, USER_ATTRIBUTES } from './read-asked.ts';
import { quantile, shown, shownSpread } from './statistics.ts';
import type { Took } from './timed-program.ts';

const CHILD = fileURLToPath(new URL('read-child.ts', import.meta.url));
/** Goals of the table in the plan for sync: of `ldapsearch`'s time, of its processor's, and of ldapts'. */
const GOALS = { wall: 1.1, cpu: 0.75, cpuOfLdapts: 0.35, wallOverTls: 1.25, group: 0.25, growth: 1.5 };

/**
 * All users, by the connector's reader, `ldapsearch` and ldapts in turn. The reader and ldapts live in a process each, which has read
 * once before, since the connector runs for months: the start of Node.js is not counted, nor the compiling of what is read
 * with. From the connection on everything is, and of `ldapsearch` all.
 */
export const readUsers: Figure = { name: 'read-users', of: 'sync', measure: (effort) => users(effort, 'ldapUrl') };
export const readUsersOverTls: Figure = {
  name: 'read-users-ldaps',
  of: 'sync',
  measure: (effort) => users(effort, 'ldapsUrl'),
};

async function users(effort: Effort, scheme: 'ldapUrl' | 'ldapsUrl'): Promise<Findings> {
  const { rounds, say } = effort;
  const people = peopleOf(effort);
  say(`a directory of ${people} people is filled`);
  const { groups } = companyOf(companySize(people));
  await using server = await startOpenLdap({ people, requireTls: false, ldif: groupsOfNames(groups) });
  const expected = (
    await server.search({ base: server.usersScope, scope: 'sub', filter: '(objectClass=person)', attributes: ['1.1'] })
  ).length;
  await using programs = await readers(server, { url: server[scheme], expected });
  const took: Record<Reader, Took[]> = { reader: [], ldapsearch: [], ldapts: [] };
  const first: Partial<Record<Reader, Took>> = {};
  for (let round = 0; round <= rounds; round += 1) {
    say(round === 0 ? 'one round that does not count' : `round ${round} of ${rounds}`);
    for (const name of READERS) {
      const one = await programs.read[name]();
      if (round === 0) first[name] = one;
      else took[name].push(one);
    }
  }
  const what = `${expected} users, ${USER_ATTRIBUTES.length} attributes, ${scheme === 'ldapUrl' ? 'in clear' : 'over ldaps'}`;
  const isClear = scheme === 'ldapUrl';
  return {
    rows: [
      compared({
        measured: `${what}: time`,
        took,
        against: 'ldapsearch',
        of: 'wallMs',
        goal: isClear ? GOALS.wall : GOALS.wallOverTls,
      }),
      compared({ measured: `${what}: processor`, took, against: 'ldapsearch', of: 'cpuMs', goal: isClear ? GOALS.cpu : null }),
      compared({ measured: `${what}: time`, took, against: 'ldapts', of: 'wallMs', goal: null }),
      compared({
        measured: `${what}: processor`,
        took,
        against: 'ldapts',
        of: 'cpuMs',
        goal: isClear ? GOALS.cpuOfLdapts : null,
      }),
    ],
    notes: [
      `Each program's first read, which does not count: ${READERS.map((name) => `${name} ${shown(first[name]?.wallMs ?? NaN)} ms, ${shown(first[name]?.cpuMs ?? NaN)} ms of processor`).join('; ')}.`,
    ],
  };
}

const READERS = ['reader', 'ldapsearch', 'ldapts'] as const;
type Reader = (typeof READERS)[number];

/** Programs that read all users once, each time that they are called. */
interface Readers extends AsyncDisposable {
  readonly read: Readonly<Record<Reader, () => Promise<Took>>>;
}

async function readers(server: OpenLdap, { url, expected }: { url: string; expected: number }): Promise<Readers> {
  const { caFile, baseDn, usersScope, groupsScope, ldapsUrl, adminDn, adminPassword } = server;
  const account = { connectorDn: adminDn, connectorPassword: adminPassword };
  const asked = { server: { caFile, baseDn, usersScope, groupsScope, ldapsUrl, ...account }, url, base: usersScope };
  // Without what the test runner has its own processes import, by a path that means nothing there.
  const start = () => fork(CHILD, { cwd: server.dir, execArgv: [] });
  const children = { reader: start(), ldapts: start() };
  const byChild = (by: ReadAsked['by']) => async () => {
    const child = children[by];
    const answered = once(child, 'message', { signal: AbortSignal.timeout(600_000) });
    const died = once(child, 'exit').then(([code]: unknown[]) => {
      throw new Error(`reading by ${by} ended with ${String(code)}`);
    });
    child.send({ by, ...asked } satisfies ReadAsked);
    const [answer] = (await Promise.race([answered, died])) as [ReadAnswer];
    died.catch(() => undefined);
    if (answer.count !== expected) throw new Error(`${by} read ${answer.count} entries, and ${expected} are there`);
    return answer;
  };
  const search = await ldapsearch(server, { url, ...asAdmin(server) });
  return {
    read: {
      reader: byChild('reader'),
      ldapts: byChild('ldapts'),
      ldapsearch: () => search({ base: usersScope, filter: '(objectClass=person)', attributes: USER_ATTRIBUTES }),
    },
    async [Symbol.asyncDispose]() {
      for (const child of Object.values(children)) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const ended = once(child, 'exit');
        child.kill();
        await ended;
      }
    },
  };
}

function compared(options: {
  measured: string;
  took: Record<Reader, readonly Took[]>;
  against: Exclude<Reader, 'reader'>;
  of: keyof Took;
  goal: number | null;
}): Row {
  const { measured, took, against, of, goal } = options;
  const [own, other] = [took.reader.map((one) => one[of]), took[against].map((one) => one[of])];
  // Within a round, since the machine is not the same from one to the next.
  const ratio = quantile(
    own.map((value, round) => value / Math.max(1, other[round] ?? 1)),
    0.5,
  );
  return {
    measured,
    connector: shownSpread(own, 'ms'),
    reference: `${against}: ${shownSpread(other, 'ms')}`,
    ratio: shown(ratio),
    goal: goal === null ? 'published' : `≤ ${goal} ×`,
    isMet: goal === null ? null : ratio <= goal,
  };
}

const SIZES = { full: { small: 50_000, large: 500_000 }, quick: { small: 50, large: 500 } };

/** One group, whole, in a process that is warm. */
export const readGroup: Figure = {
  name: 'read-group',
  of: 'sync',
  async measure({ rounds, isQuick, say }) {
    const sizes = isQuick ? SIZES.quick : SIZES.full;
    say(`groups of ${sizes.small} and ${sizes.large} are filled`);
    const group = (cn: keyof typeof sizes) => ({ cn, members: Array.from({ length: sizes[cn] }, (_, i) => personDn(i + 1)) });
    await using server = await startOpenLdap({
      people: 0,
      requireTls: false,
      ldif: groupsOfNames([group('small'), group('large')]),
    });
    const took = {
      small: { reader: [] as number[], ldapts: [] as number[] },
      large: { reader: [] as number[], ldapts: [] as number[] },
    };
    // One more, which is not counted: the first one compiles.
    for (let round = 0; round <= rounds; round += 1) {
      for (const cn of ['small', 'large'] as const) {
        const [reader, ldapts] = [
          await byReader(server, { cn, expected: sizes[cn] + 1 }),
          await byLdapts(server, { cn, expected: sizes[cn] + 1 }),
        ];
        if (round === 0) continue;
        took[cn].reader.push(reader);
        took[cn].ldapts.push(ldapts);
      }
    }
    const large = took.large.reader.map((ms, i) => ms / (took.large.ldapts[i] ?? 1));
    const perMember = took.large.reader.map((ms, i) => ms / sizes.large / ((took.small.reader[i] ?? 1) / sizes.small));
    return {
      rows: [
        {
          measured: `one group of ${sizes.large} members, connection and bind included`,
          connector: shownSpread(took.large.reader, 'ms'),
          reference: `ldapts: ${shownSpread(took.large.ldapts, 'ms')}`,
          ratio: shown(quantile(large, 0.5)),
          goal: `≤ ${GOALS.group} ×`,
          isMet: quantile(large, 0.5) <= GOALS.group,
        },
        {
          measured: `time per member, of ${sizes.large} against of ${sizes.small}`,
          connector: shownSpread(
            took.large.reader.map((ms) => (1_000 * ms) / sizes.large),
            'µs',
          ),
          reference: shownSpread(
            took.small.reader.map((ms) => (1_000 * ms) / sizes.small),
            'µs',
          ),
          ratio: shown(quantile(perMember, 0.5)),
          goal: `≤ ${GOALS.growth} ×`,
          isMet: quantile(perMember, 0.5) <= GOALS.growth,
        },
      ],
      notes: [],
    };
  },
};

async function byReader(server: OpenLdap, { cn, expected }: { cn: string; expected: number }): Promise<number> {
  const reader = await ldapReader(server, {
    url: server.ldapUrl,
    bind: simpleBind(server.adminDn, server.adminPassword),
    usersScope: [dn(`ou=contractors,${server.baseDn}`)],
    groupFilter: equality('cn', cn),
  });
  let count = 0;
  const { sink } = hearing();
  const from = performance.now();
  await reader.readAll({ ...sink, members: (values) => void (count += values.length) }, new AbortController().signal);
  const ms = performance.now() - from;
  if (count !== expected) throw new Error(`${count} members, and ${expected} are there`);
  return ms;
}

async function byLdapts(server: OpenLdap, { cn, expected }: { cn: string; expected: number }): Promise<number> {
  const client = new Client({ url: server.ldapUrl });
  const from = performance.now();
  await client.bind(server.adminDn, server.adminPassword);
  const { searchEntries } = await client.search(groupDn(cn), {
    scope: 'base',
    attributes: ['cn', 'member', 'entryUUID'],
    timeLimit: 0,
  });
  const ms = performance.now() - from;
  await client.unbind();
  const count = [searchEntries[0]?.['member'] ?? []].flat().length;
  if (count !== expected) throw new Error(`${count} members, and ${expected} are there`);
  return ms;
}
