import assert from 'node:assert/strict';
import { after, before, suite, type TestContext, test } from 'node:test';
import { PROMPT_MS } from '../support/clock-moves.ts';
import { NO_FAKETIME, type SteppedClock, steppedClock } from '../support/faketime.ts';
import { atScale, FULL_SCALE } from '../support/scale.ts';
import { assertToldOnce, lastIndex, memberships, past, startReady } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

const HOUR_MS = 3_600_000;
const GROUPS = ['engineering', 'on-call', 'vpn-users', 'release-approvers', 'billing-readers'];
const PEOPLE = atScale({ sample: 10, full: 100 });
const COUNT = GROUPS.length * PEOPLE;

suite(`a suspend over ${COUNT} ends`, { concurrency: false, skip: NO_FAKETIME }, () => {
  let s: System;
  let clock: SteppedClock;
  let initial: Awaited<ReturnType<typeof memberships>>;

  before(async () => {
    const env: NodeJS.ProcessEnv = { LATCHKEY_LOG_LEVEL: 'info' };
    s = await startSystem({ ldap: { people: PEOPLE, requireTls: false }, env });
    clock = await steppedClock({ folder: s.folder });
    Object.assign(env, { ...clock.env, LDAP_URL: s.ldap.ldapUrl });
    initial = await memberships(s);
    await s.startStub();
    await startReady(s);
  });
  after(() => s[Symbol.asyncDispose]());

  async function grantAll(end: { durationSeconds: number } | { expiresAt: string }): Promise<string[]> {
    const from = await lastIndex(s);
    const asked = await Promise.all(
      GROUPS.flatMap((cn) =>
        Array.from({ length: PEOPLE }, (_, index) =>
          s.grant({ user: { username: `u${String(index + 1).padStart(4, '0')}` }, group: { name: cn }, ...end }),
        ),
      ),
    );
    const open = new Set(asked.map(({ jobId }) => jobId));
    await s.event((told) => {
      if (told.kind !== 'job.succeeded' && told.kind !== 'job.failed') return false;
      assert.equal(told.kind === 'job.succeeded' ? told.outcome : told.error.code, 'granted');
      return open.delete(told.jobId) && open.size === 0;
    }, from);
    return asked.map(({ grantId }) => grantId);
  }

  /** All are ended after the process goes on, the first of them at once. */
  async function allEnd(t: TestContext, grantIds: readonly string[]): Promise<void> {
    assert.deepEqual(await sizes(), await sizes(), 'a stopped process changes nothing');
    const from = await lastIndex(s);
    const continuedAtMs = performance.now();
    s.connector()?.signal('SIGCONT');
    const open = new Set(grantIds);
    let firstMs = 0;
    // In one pass over what is told, so that what is measured is not the reading.
    await s.event((told) => {
      if (told.kind !== 'grant.ended' || !open.delete(told.grant.grantId)) return false;
      assert.equal(told.cause, 'expired');
      firstMs ||= performance.now() - continuedAtMs;
      return open.size === 0;
    }, from);
    const allMs = performance.now() - continuedAtMs;
    t.diagnostic(
      `${grantIds.length} ends: the first told ${Math.round(firstMs)} ms after the process went on, all ${Math.round(allMs)} ms`,
    );
    assert.ok(firstMs < PROMPT_MS, `the first was told ${firstMs} ms after the process went on`);
    assert.deepEqual(await memberships(s), initial);
    await assertToldOnce(s);
  }

  async function sizes(): Promise<number[]> {
    return Object.values(await memberships(s)).map(({ length }) => length);
  }

  // The sample has it with a single grant, among the tests of expiry.
  test('ends all that came due, when the process was stopped and the clocks ran on', { skip: !FULL_SCALE }, async (t) => {
    const expiresAtMs = Date.now() + 30_000;
    const grantIds = await grantAll({ expiresAt: new Date(expiresAtMs).toISOString() });
    assert.ok(Date.now() < expiresAtMs, 'granted before the end');
    s.connector()?.signal('SIGSTOP');
    await past(expiresAtMs + 500);
    await allEnd(t, grantIds);
  });

  test('ends all that came due in 8 hours which only the wall clock has counted', async (t) => {
    const grantIds = await grantAll({ durationSeconds: 4 * 3600 });
    s.connector()?.signal('SIGSTOP');
    await clock.set(8 * HOUR_MS);
    await allEnd(t, grantIds);
  });
});
