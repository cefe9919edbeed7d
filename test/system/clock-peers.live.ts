import assert from 'node:assert/strict';
import { after, before, suite, type TestContext, test } from 'node:test';
import { PROMPT_MS, type Timed, timedGrant } from '../support/clock-moves.ts';
import { NO_FAKETIME, type SteppedClock, steppedClock } from '../support/faketime.ts';
import { FULL_SCALE } from '../support/scale.ts';
import { assertToldOnce, memberships, ready, startReady } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';
import { answer } from '../support/told.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;

suite('the clock of the control plane', { concurrency: false, skip: NO_FAKETIME }, () => {
  let s: System;
  let theirs: SteppedClock;
  let initial: Awaited<ReturnType<typeof memberships>>;

  before(async () => {
    s = await startSystem();
    theirs = await steppedClock({ folder: s.folder });
    initial = await memberships(s);
    await s.startStub(theirs.env);
    await startReady(s);
  });
  after(() => s[Symbol.asyncDispose]());

  const offsets = [
    { title: 'ten years ahead', offsetMs: 10 * YEAR_MS },
    { title: 'a year ahead', offsetMs: YEAR_MS },
    { title: 'an hour behind', offsetMs: -HOUR_MS },
  ];
  for (const { title, offsetMs } of FULL_SCALE ? offsets : offsets.slice(0, 1)) {
    test(`decides nothing: a grant lasts its time, and a revoke takes it away, when it is ${title}`, async () => {
      await theirs.set(offsetMs);
      const wish = { user: { username: 'grace' }, group: { name: 'on-call' } };
      const short = await s.grant({ ...wish, durationSeconds: 2 });
      const askedAtMs = performance.now();
      assert.equal(await answer(s, short.jobId), 'granted');
      const toldAtMs = performance.now();
      const [job] = (await s.api<{ jobId: string; job: { issuedAt: string } }[]>('/jobs')).filter(
        ({ jobId }) => jobId === short.jobId,
      );
      assert.ok(Math.abs(Date.parse(job?.job.issuedAt ?? '') - theirs.wallMs()) < DAY_MS / 24, 'issued by the moved clock');
      assert.equal((await s.endOf(short.grantId)).cause, 'expired');
      const endedAtMs = performance.now();
      assert.ok(endedAtMs - askedAtMs > 1_900, `ended after ${endedAtMs - askedAtMs} ms`);
      assert.ok(endedAtMs - toldAtMs - 2_000 < PROMPT_MS, `ended ${endedAtMs - toldAtMs - 2_000} ms late`);

      const long = await s.grant({ ...wish, durationSeconds: 3600 });
      assert.equal(await answer(s, long.jobId), 'granted');
      assert.equal(await answer(s, (await s.revoke(long.grantId)).jobId), 'revoked');
      assert.deepEqual(await memberships(s), initial);
      await assertToldOnce(s);
    });
  }

  test('that is a year behind issues grants too old to be new, and still revokes', async () => {
    await theirs.set(0);
    const wish = { user: { username: 'grace' }, group: { name: 'on-call' }, durationSeconds: 3600 };
    const held = await s.grant(wish);
    assert.equal(await answer(s, held.jobId), 'granted');
    await theirs.set(-YEAR_MS);
    assert.equal(await answer(s, (await s.grant(wish)).jobId), 'job_expired');
    assert.equal(await answer(s, (await s.revoke(held.grantId)).jobId), 'revoked');
    assert.deepEqual(await memberships(s), initial);
    await assertToldOnce(s);
    await theirs.set(0);
  });

  test('is named in the log when it and ours are more than a minute apart', { skip: !FULL_SCALE }, async () => {
    await theirs.set(HOUR_MS);
    await s.stopStub();
    await s.startStub(theirs.env);
    const line = await s.connector()?.line((text) => text.includes('"link.clock-skew"') && /"skewMs":3[56]\d{5}[,}]/.test(text));
    assert.ok(line !== undefined);
  });
});

suite('a certificate that is not valid at the time of the wall clock', { concurrency: false, skip: NO_FAKETIME }, () => {
  let s: System;
  let clock: SteppedClock;
  let initial: Awaited<ReturnType<typeof memberships>>;

  before(async () => {
    const env: NodeJS.ProcessEnv = { LATCHKEY_RETENTION: '36500d', LATCHKEY_MAX_GRANT: '3650d' };
    s = await startSystem({ env });
    clock = await steppedClock({ folder: s.folder });
    Object.assign(env, clock.env);
    initial = await memberships(s);
    await s.startStub();
    await startReady(s);
  });
  after(() => s[Symbol.asyncDispose]());

  /** The directory goes and comes back, and is not let in: health says why. */
  async function refusedBack(t: TestContext): Promise<void> {
    await s.ldap.kill('SIGTERM');
    await s.ldap.start();
    const connector = s.connector();
    assert.ok(connector !== null);
    const { body } = await ready(connector, ({ body: { directory } }) => /certificate/i.test(String(directory?.['message'])));
    t.diagnostic(String(body['directory']?.['message']));
    assert.equal(body['directory']?.['ready'], false);
  }

  /** What is overdue for want of a connection ends as soon as the clock is right. */
  async function endsWhenRight(grant: Timed): Promise<void> {
    await s.event((told) => told.kind === 'grant.overdue' && told.grant.grantId === grant.grantId);
    assert.ok((await s.ldap.members(s.group('vpn-users'))).includes(s.person('sam')));
    await clock.set(0);
    const backAtMs = performance.now();
    const lateMs = (await grant.gone()) - backAtMs;
    assert.ok(lateMs < 3_500, `ended ${lateMs} ms after the clock was right again`);
    assert.deepEqual(await memberships(s), initial);
    await assertToldOnce(s);
  }

  test('hinders no session that is open, and lets no new one in, ten years behind', { skip: !FULL_SCALE }, async (t) => {
    const held = await timedGrant(s, { clock, uid: 'grace', cn: 'on-call', seconds: 3600 });
    const short = await timedGrant(s, { clock, uid: 'sam', cn: 'vpn-users', seconds: 6 });
    await clock.set(-10 * YEAR_MS);
    assert.equal(await answer(s, (await s.revoke(held.grantId)).jobId), 'revoked');
    await refusedBack(t);
    await endsWhenRight(short);
  });

  test('hinders no session that is open, and lets no new one in, two years ahead and then four', async (t) => {
    const passed = await timedGrant(s, { clock, uid: 'grace', cn: 'on-call', seconds: 3600 });
    const threeYears = await timedGrant(s, { clock, uid: 'sam', cn: 'vpn-users', seconds: (3 * YEAR_MS) / 1000 });
    await clock.set(2 * YEAR_MS);
    await passed.gone();
    await refusedBack(t);
    await clock.set(4 * YEAR_MS);
    await endsWhenRight(threeYears);
  });
});
