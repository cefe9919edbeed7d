import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import {
  CELLS,
  type Cell,
  endsConnection,
  isUnspecific,
  isWhileConnecting,
  LATE_WRITE_MS,
  OPERATIONS,
  type Operation,
  strikeOf,
  TIMEOUT_MS,
} from '../support/ldap-fault-cells.ts';
import { type LdapProxy, startLdapProxy } from '../support/ldap-proxy.ts';
import { FULL_SCALE } from '../support/scale.ts';
import { seeded, seedOf, shuffled } from '../support/seeded.ts';
import { assertToldOnce, granted, lastIndex, memberships, past, startReady, succeeded } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

const GROUPS = [
  { cn: 'engineering', isUid: false },
  { cn: 'payroll-readers', isUid: false },
  { cn: 'db-operators', isUid: true },
  { cn: 'on-call', isUid: false },
  { cn: 'deploy', isUid: true },
];
const PEOPLE = 30;
/** Systems side by side for each operation, since most of a cell is waiting. */
const LANES = 2;
/** What a connector may take to let go of a connection that is silent: its timeout, and the two seconds of the promise. */
const LONGEST_HOLD_MS = TIMEOUT_MS + 2_000;

const seed = seedOf(20_261_122);
const chosen = FULL_SCALE ? CELLS : shuffled(CELLS, seeded(seed)).slice(0, Math.ceil(CELLS.length / 4));

// Each of the systems that run side by side ends its processes when this one ends.
process.setMaxListeners(50);

interface Rig {
  readonly s: System;
  readonly proxy: LdapProxy;
  /** What must be in the directory now. */
  readonly expected: Map<string, readonly string[]>;
  worstHoldMs: number;
  worstRecoveryMs: number;
}

interface Pair {
  readonly uid: string;
  readonly cn: string;
  readonly groupDn: string;
  readonly value: string;
}

async function startRig(opened: AsyncDisposableStack): Promise<Rig> {
  const s = await startSystem({ ldap: { people: PEOPLE } });
  const proxy = opened.use(await startLdapProxy(s.ldap));
  opened.use(s);
  await s.startStub();
  const timeout = `${TIMEOUT_MS}ms`;
  await startReady(s, {
    env: {
      LDAP_URL: proxy.url,
      LDAP_READ_TIMEOUT: timeout,
      LDAP_CONNECT_TIMEOUT: timeout,
      TEST_LATE_WRITE_MS: String(LATE_WRITE_MS),
    },
  });
  return { s, proxy, expected: new Map(Object.entries(await memberships(s))), worstHoldMs: 0, worstRecoveryMs: 0 };
}

function pairAt({ s }: Rig, at: number): Pair {
  const uid = `u${String((Math.floor(at / GROUPS.length) % PEOPLE) + 1).padStart(4, '0')}`;
  const { cn, isUid } = GROUPS[at % GROUPS.length] ?? { cn: '', isUid: false };
  return { uid, cn, groupDn: s.group(cn), value: isUid ? uid : s.person(uid) };
}

function put({ expected }: Rig, { groupDn, value }: Pair): void {
  expected.set(
    groupDn,
    [...(expected.get(groupDn) ?? []), value].toSorted((a, b) => a.localeCompare(b)),
  );
}

function took({ expected }: Rig, { groupDn, value }: Pair): void {
  expected.set(
    groupDn,
    (expected.get(groupDn) ?? []).filter((one) => one !== value),
  );
}

async function directoryIsAsTold({ s, expected }: Rig): Promise<void> {
  assert.deepEqual(await memberships(s), Object.fromEntries(expected));
}

/** The job or the end that the cell spoils; resolves with what it takes to learn, and check, what came of it. */
async function begin(rig: Rig, cell: Cell, pair: Pair, strike: () => void): Promise<() => Promise<void>> {
  const { s } = rig;
  const request = { user: { username: pair.uid }, group: { name: pair.cn } };
  switch (cell.operation) {
    case 'grant': {
      strike();
      const { jobId } = await s.grant({ ...request, durationSeconds: 3_000 });
      return async () => {
        const result = await s.outcome(jobId);
        assert.ok(result.kind === 'job.succeeded', JSON.stringify(result));
        assert.deepEqual([result.outcome, result.grant?.standing], ['granted', false]);
        const { activatedAt, expiresAt } = result.grant ?? {};
        assert.equal(Date.parse(expiresAt ?? '') - Date.parse(activatedAt ?? ''), 3_000_000);
        put(rig, pair);
      };
    }
    case 'revoke': {
      const { grantId } = await granted(s, { ...request, durationSeconds: 3_000 });
      put(rig, pair);
      strike();
      const { jobId } = await s.revoke(grantId);
      return async () => {
        assert.equal(await succeeded(s, jobId), 'revoked');
        const { cause, membership } = await s.endOf(grantId);
        assert.deepEqual([cause, membership], ['revoked', 'removed']);
        took(rig, pair);
      };
    }
    case 'expiry': {
      const { grantId, expiresAt } = await granted(s, { ...request, durationSeconds: 1 });
      // Whatever comes next is spoilt, so that must be the end.
      if (isUnspecific(cell)) await past(Date.parse(expiresAt) - 20);
      strike();
      return async () => {
        const { cause, membership } = await s.endOf(grantId);
        assert.deepEqual([cause, membership], ['expired', 'removed']);
      };
    }
    default:
      return cell.operation satisfies never;
  }
}

async function play(rig: Rig, cell: Cell, pair: Pair): Promise<void> {
  const { proxy } = rig;
  const struck = Promise.withResolvers<ReturnType<LdapProxy['strike']>>();
  const strike = (): void => {
    struck.resolve(proxy.strike(strikeOf(cell, pair)));
    if (isWhileConnecting(cell) && cell.fault !== 'refuse') proxy.cut();
  };
  const judge = await begin(rig, cell, pair, strike);
  const { met, heldMs, arrived } = await struck.promise;
  const metAtMs = met.then(() => performance.now());
  await judge();
  assert.notEqual(await Promise.race([metAtMs, Promise.resolve('not met')]), 'not met');
  rig.worstRecoveryMs = Math.max(rig.worstRecoveryMs, performance.now() - (await metAtMs));
  await directoryIsAsTold(rig);
  if (endsConnection(cell)) {
    const ms = await heldMs;
    assert.ok(ms <= LONGEST_HOLD_MS, `the connection was held for ${Math.round(ms)} ms`);
    rig.worstHoldMs = Math.max(rig.worstHoldMs, ms);
  }
  if (cell.phase === 'modify request') {
    await arrived;
    await directoryIsAsTold(rig);
  }
  // What is between the client and the server is not seen, and so cannot be spoilt.
  if (cell.phase === 'tls') proxy.cut();
}

async function playAll(t: TestContext, { operation, cells }: { operation: Operation; cells: readonly Cell[] }): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const rig = await startRig(opened);
  const initial = new Map(rig.expected);
  for (const [at, cell] of cells.entries())
    await t.test(`${cell.operation}, ${cell.phase}: ${cell.fault}`, () => play(rig, cell, pairAt(rig, at)));
  if (operation === 'grant') await revokeAll(rig);
  assert.deepEqual(await memberships(rig.s), Object.fromEntries(initial));
  await assertToldOnce(rig.s);
  assert.ok(rig.proxy.mostOpen() <= 4, `${rig.proxy.mostOpen()} connections at the same time`);
  t.diagnostic(
    `${cells.length} cells of ${operation} (seed ${seed}): held at most ${Math.round(rig.worstHoldMs)} ms, told at most ${Math.round(rig.worstRecoveryMs)} ms after the fault, at most ${rig.proxy.mostOpen()} connections`,
  );
}

async function revokeAll({ s }: Rig): Promise<void> {
  const active = (await s.events()).flatMap(({ event }) =>
    event.kind === 'job.succeeded' && event.outcome === 'granted' && event.grant !== undefined ? [event.grant.grantId] : [],
  );
  const revokes = await Promise.all(active.map((grantId) => s.revoke(grantId)));
  for (const { jobId } of revokes) assert.equal(await succeeded(s, jobId), 'revoked');
}

test('a directory from which nothing comes back is told as down within its timeouts, and used again when it answers', async (t) => {
  await using opened = new AsyncDisposableStack();
  const { s, proxy } = await startRig(opened);
  const from = await lastIndex(s);
  const silent = proxy.strike({ place: { at: 'idle' }, fault: 'drop' });
  await silent.met;
  for (let attempt = 0; attempt < 100; attempt += 1) proxy.strike({ place: { at: 'connect' }, fault: 'drop' });
  const askedAt = Date.now();
  const { jobId } = await s.grant({ user: { username: 'grace' }, group: { name: 'on-call' }, durationSeconds: 300 });
  const down = await s.event((told) => told.kind === 'directory.changed' && told.state === 'down', from);
  const noticedMs = Date.now() - askedAt;
  // The silent session costs the timeout of an operation, and the attempt after it that of a connection.
  assert.ok(noticedMs <= 2 * TIMEOUT_MS + 2_000, `noticed after ${noticedMs} ms`);
  proxy.calm();
  await s.event((told) => told.kind === 'directory.changed' && told.state === 'up', down.index);
  assert.equal(await succeeded(s, jobId), 'granted');
  assert.ok(proxy.mostOpen() <= 4, `${proxy.mostOpen()} connections at the same time`);
  t.diagnostic(`noticed after ${noticedMs} ms, at most ${proxy.mostOpen()} connections`);
});

suite('whatever is lost on the way to the directory, nothing is claimed that is not so', { concurrency: true }, () => {
  for (const operation of OPERATIONS) {
    const cells = chosen.filter((cell) => cell.operation === operation);
    for (let lane = 0; lane < LANES; lane += 1)
      test(`${operation}, lane ${lane + 1}`, (t) =>
        playAll(t, { operation, cells: cells.filter((_, at) => at % LANES === lane) }));
  }
});
