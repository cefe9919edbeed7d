import { readFile, writeFile } from 'node:fs/promises';
import { startOpenLdap } from '../../src/sandbox/openldap.ts';
import type { Child } from '../support/child.ts';
import { type System, startSystemOn } from '../support/system.ts';
import { groupDn, groupsOfNames, personDn } from './bench-server.ts';
import { companyOf, companySize, peopleOf } from './company.ts';
import type { Effort, Figure, Findings, Row } from './figure.ts';
import { ldapsearch, type Searched } from './ldapsearch.ts';
import { quantile, shown, shownSpread } from './statistics.ts';

const GOALS = { wall: 2, idleMiB: 120, bytesAUser: 400, latenessMs: 1_000 };
const MIB = 1024 * 1024;
/** Times the users whose memory is compared with theirs, and how often. */
const MORE = { times: 2, rounds: 3 };

/** Endings that fall due one after the other while a sync goes on. */
const ENDINGS = { count: 50, firstAfterMs: 2_500, everyMs: 20 };
const LEAVING = 'leaving';

/** The whole connector syncs a whole directory to the stub; each of the three is a process of its own. */
export const syncFull: Figure = {
  name: 'sync-full',
  of: 'sync',
  async measure(effort) {
    const people = peopleOf(effort);
    const measured = await onSystem(effort, people, (system) => rounds(effort, system));
    const more = await onSystem(effort, people * MORE.times, (system) => peaks(effort, system));
    return findings({ people, ...measured, more });
  },
};

async function onSystem<T>({ say }: Effort, people: number, work: (system: System) => Promise<T>): Promise<T> {
  say(`a directory of ${people} people is filled`);
  const { groups } = companyOf(companySize(people));
  const ldap = await startOpenLdap({ people, ldif: groupsOfNames([...groups, { cn: LEAVING, members: [] }]) });
  // Pages of as many as `ldapsearch` is to ask for.
  await ldap.configModify(
    `dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\nreplace: olcLimits\nolcLimits: {0}dn.exact="${ldap.connectorDn}" size.soft=500 size.hard=500 size.pr=unlimited size.prtotal=unlimited\n`,
  );
  await using system = await startSystemOn(ldap, { env: { LATCHKEY_LOG_LEVEL: 'info' } });
  await system.startStub();
  return await work(system);
}

interface Synced {
  readonly durationMs: number;
  /** Most that the process had in memory meanwhile, by the kernel's count. */
  readonly peakBytes: number;
  readonly what: string;
  /** When it was asked for, and when it was told to be complete. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** One full sync, asked for by a job, from the connector's own word that it has begun to the stub's that it has all. */
async function synced(system: System, { pid }: Child): Promise<Synced> {
  // Begins the count of the most anew (proc(5)).
  await writeFile(`/proc/${pid}/clear_refs`, '5');
  const before = (await system.events()).at(-1)?.index ?? 0;
  const fromMs = Date.now();
  await system.api('/syncs', { method: 'POST', body: { mode: 'full' } });
  const { event } = await system.event(({ kind }) => kind === 'sync.completed' || kind === 'sync.failed', before);
  const toMs = Date.now();
  if (event.kind !== 'sync.completed') throw new Error(`the sync failed: ${JSON.stringify(event)}`);
  const { durationMs, users, groups, memberships } = event;
  const what = `${users} users, ${groups} groups, ${memberships} memberships`;
  return { durationMs, peakBytes: await memory(pid, 'VmHWM'), what, fromMs, toMs };
}

async function memory(pid: number, field: 'VmHWM' | 'VmRSS'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1]) * 1024;
}

async function idleConnector(system: System): Promise<{ connector: Child; idleBytes: number }> {
  const connector = await system.startConnector();
  await system.event((event) => event.kind === 'directory.changed' && event.state === 'up');
  return { connector, idleBytes: await memory(connector.pid, 'VmRSS') };
}

interface Measured {
  readonly what: string;
  readonly firstMs: number;
  readonly syncMs: readonly number[];
  readonly searchMs: readonly number[];
  readonly idleBytes: number;
  readonly peakBytes: readonly number[];
  /** Of each round, of the endings that fell due in the middle. */
  readonly lateMs: readonly (readonly number[])[];
}

async function rounds({ rounds: count, isQuick, say }: Effort, system: System): Promise<Measured> {
  const { ldap } = system;
  const { connector, idleBytes } = await idleConnector(system);
  const account = { bindDn: ldap.connectorDn, passwordFile: ldap.connectorPasswordFile };
  const search = await ldapsearch(ldap, { url: ldap.ldapsUrl, ...account });
  const syncMs: number[] = [];
  const searchMs: number[] = [];
  say('one sync that does not count');
  const first = await synced(system, connector);
  const peakBytes = [first.peakBytes];
  const lateMs: (readonly number[])[] = [];
  for (let round = 1; round <= count; round += 1) {
    say(`round ${round} of ${count}`);
    let tookMs = 0;
    for (const one of sameEntries(system)) tookMs += (await search(one)).wallMs;
    searchMs.push(tookMs);
    const sync = await synced(system, connector);
    syncMs.push(sync.durationMs);
    peakBytes.push(sync.peakBytes);
    lateMs.push(await lateness(system, connector, { isQuick }));
  }
  return { what: first.what, firstMs: first.durationMs, syncMs, searchMs, idleBytes, peakBytes, lateMs };
}

async function peaks(
  { isQuick, say }: Effort,
  system: System,
): Promise<{ readonly idleBytes: number; readonly peakBytes: readonly number[] }> {
  const { connector, idleBytes } = await idleConnector(system);
  const peakBytes: number[] = [];
  for (let round = 1; round <= (isQuick ? 1 : MORE.rounds); round += 1) {
    say(`memory with more users, ${round} of ${MORE.rounds}`);
    peakBytes.push((await synced(system, connector)).peakBytes);
  }
  return { idleBytes, peakBytes };
}

/** What the connector's reader asks for. */
function sameEntries({ ldap: { usersScope, groupsScope } }: System): readonly Searched[] {
  const anyOf = (...names: readonly string[]) => `(|${names.map((name) => `(objectClass=${name})`).join('')})`;
  return [
    {
      base: usersScope,
      filter: anyOf('person', 'posixAccount', 'account'),
      attributes: ['entryUUID', 'pwdAccountLockedTime', 'uid', 'cn', 'mail', 'manager'],
    },
    {
      base: groupsScope,
      filter: anyOf('groupOfNames', 'groupOfUniqueNames', 'posixGroup', 'groupOfMembers', 'groupOfEntries', 'groupOfURLs'),
      attributes: ['member', 'uniqueMember', 'memberUid', 'entryUUID', 'cn', 'description', 'owner', 'objectClass'],
    },
  ];
}

/** Grants that end while a sync goes on: how late each was of those that were due between its beginning and its end. */
async function lateness(system: System, connector: Child, { isQuick }: { isQuick: boolean }): Promise<readonly number[]> {
  const count = isQuick ? 5 : ENDINGS.count;
  const firstAt = Date.now() + ENDINGS.firstAfterMs;
  const before = (await system.events()).at(-1)?.index ?? 0;
  const asked = Array.from({ length: count }, (_, i) => ({
    user: { dn: personDn(i + 1) },
    group: { dn: groupDn(LEAVING) },
    expiresAt: new Date(firstAt + i * ENDINGS.everyMs).toISOString(),
  }));
  const grants = await Promise.all(asked.map((grant) => system.grant(grant)));
  for (const { jobId } of grants) {
    const told = (event: { kind: string; jobId?: string }) =>
      (event.kind === 'job.succeeded' || event.kind === 'job.failed') && event.jobId === jobId;
    const { event } = await system.event(told, before);
    if (event.kind !== 'job.succeeded') throw new Error(`a grant failed: ${JSON.stringify(event)}`);
  }
  const { fromMs, toMs } = await synced(system, connector);
  const late: number[] = [];
  for (const { grantId } of grants) {
    const { event } = await system.event((one) => one.kind === 'grant.ended' && one.grant.grantId === grantId, before);
    if (event.kind !== 'grant.ended' || event.membership !== 'removed')
      throw new Error(`an ending failed: ${JSON.stringify(event)}`);
    const dueMs = Date.parse(event.grant.expiresAt ?? '');
    // A quick sync is over before any ending is due.
    if (isQuick || (dueMs > fromMs && dueMs < toMs)) late.push(Date.parse(event.grant.endedAt ?? '') - dueMs);
  }
  if (late.length < count / 2) throw new Error(`only ${late.length} of ${count} endings were due in the middle of the sync`);
  return late;
}

function findings(
  options: Measured & { people: number; more: { readonly idleBytes: number; readonly peakBytes: readonly number[] } },
): Findings {
  const { people, what, firstMs, syncMs, searchMs, idleBytes, peakBytes, lateMs, more } = options;
  const ratio = quantile(
    syncMs.map((ms, i) => ms / (searchMs[i] ?? Number.NaN)),
    0.5,
  );
  const overIdle = peakBytes.map((bytes) => (bytes - idleBytes) / MIB);
  const most = Math.max(...overIdle);
  const mostOfMore = Math.max(...more.peakBytes.map((bytes) => (bytes - more.idleBytes) / MIB));
  const bytesAUser = ((mostOfMore - most) * MIB) / (people * (MORE.times - 1));
  const p99 = lateMs.map((late) => quantile(late, 0.99));
  const judged = (row: Omit<Row, 'isMet' | 'goal'>, goal: string, isMet: boolean): Row => ({ ...row, goal, isMet });
  return {
    rows: [
      judged(
        {
          measured: `whole full sync to the stub over ldaps (${what})`,
          connector: shownSpread(syncMs, 'ms'),
          reference: `ldapsearch of the same entries, over ldaps: ${shownSpread(searchMs, 'ms')}`,
          ratio: shown(ratio),
        },
        `≤ ${GOALS.wall} ×`,
        ratio <= GOALS.wall,
      ),
      judged(
        {
          measured: 'peak memory of the connector meanwhile, over idle; the most of all rounds counts',
          connector: shownSpread(overIdle, 'MiB'),
          reference: `idle: ${shown(idleBytes / MIB)} MiB`,
          ratio: '–',
        },
        `≤ ${GOALS.idleMiB} MiB`,
        most <= GOALS.idleMiB,
      ),
      judged(
        {
          measured: `what each user beyond ${people} adds to it, with ${people * MORE.times} users`,
          connector: `${shown(bytesAUser)} bytes`,
          reference: `${shown(mostOfMore)} MiB over idle`,
          ratio: '–',
        },
        `≤ ${GOALS.bytesAUser} bytes`,
        bytesAUser <= GOALS.bytesAUser,
      ),
      judged(
        {
          measured: `lateness of an ending that falls due in the middle of such a sync (\`expiresAt\` → negative probe), p99 of ${ENDINGS.count}`,
          connector: shownSpread(p99, 'ms'),
          reference: '–',
          ratio: '–',
        },
        `≤ ${GOALS.latenessMs} ms`,
        quantile(p99, 0.5) <= GOALS.latenessMs,
      ),
    ],
    notes: [
      `The first sync of the process, which does not count: ${shown(firstMs)} ms. The latest of all ${lateMs.flat().length} endings was ${shown(Math.max(...lateMs.flat()))} ms late. Each sync is full and compared with the one before; of each, pages of 1,000 entries.`,
    ],
  };
}
