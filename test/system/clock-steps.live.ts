import assert from 'node:assert/strict';
import { after, before, suite, type TestContext, test } from 'node:test';
import { type Move, moveWhileAway, moveWhileRunning, stopFileOf } from '../support/clock-moves.ts';
import { NO_FAKETIME, type SteppedClock, steppedClock } from '../support/faketime.ts';
import { FULL_SCALE } from '../support/scale.ts';
import { assertToldOnce, memberships, startReady } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;
const SAWTOOTH = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? 700 : -700));

/** How far it is to an instant from where the clock stands. */
const to = (isoTime: string) => (clock: SteppedClock) => [Date.parse(isoTime) - clock.wallMs()];
const by =
  (...stepsMs: number[]) =>
  (): number[] =>
    stepsMs;

/** In the sample too. */
const SAMPLED = new Set(['-10 years', '+1 min']);

const BACK: readonly (readonly [title: string, stepsMs: (clock: SteppedClock) => number[]])[] = [
  ['-1 s', by(-SECOND)],
  ['-1 min', by(-MINUTE)],
  ['-4 min', by(-4 * MINUTE)],
  ['-1 h', by(-HOUR)],
  ['-1 day', by(-DAY)],
  ['-1 year', by(-YEAR)],
  ['-10 years', by(-10 * YEAR)],
  ['to 1970', to('1970-01-01T00:00:01.000Z')],
  ['a saw of 0.7 s', by(...SAWTOOTH)],
];

const FORWARD: typeof BACK = [
  ['+1 s', by(SECOND)],
  ['+1 min', by(MINUTE)],
  ['+4 min', by(4 * MINUTE)],
  ['+1 h', by(HOUR)],
  ['+1 day', by(DAY)],
  ['to a change to summer time', to('2027-03-28T00:59:58.000Z')],
  ['to a change from summer time', to('2027-10-31T00:59:58.000Z')],
  ['+1 year', by(YEAR)],
  ['+10 years', by(10 * YEAR)],
  ['past 32 bits of seconds', to('2106-02-07T06:28:14.000Z')],
];

suite('a wall clock that is stepped', { concurrency: false, skip: NO_FAKETIME }, () => {
  let s: System;
  let clock: SteppedClock;
  let initial: Awaited<ReturnType<typeof memberships>>;
  let ran = 0;

  before(async () => {
    const env: NodeJS.ProcessEnv = { LATCHKEY_RETENTION: '36500d', TZ: 'Europe/Berlin' };
    s = await startSystem({ ldap: { requireTls: false }, env });
    clock = await steppedClock({ folder: s.folder });
    // In clear on loopback, so that what expires is the grant and never a certificate.
    Object.assign(env, { ...clock.env, LDAP_URL: s.ldap.ldapUrl, TEST_STOP_FILE: stopFileOf(s) });
    initial = await memberships(s);
    await s.startStub();
    await startReady(s);
  });
  after(() => s[Symbol.asyncDispose]());

  async function nothingLeft(t: TestContext, cases: readonly string[]): Promise<void> {
    ran += cases.length;
    t.diagnostic(`${cases.length} cases, ${ran} in all`);
    assert.deepEqual(await memberships(s), initial);
    await assertToldOnce(s);
  }

  for (const [title, stepsMs] of BACK) {
    if (!FULL_SCALE && !SAMPLED.has(title)) continue;
    test(`prolongs nothing, and ends nothing early: ${title}`, async (t) => {
      const home = clock.offsetMs();
      t.after(() => clock.set(home));
      const move: Move = { title, stepsMs: stepsMs(clock) };
      await nothingLeft(t, await moveWhileRunning(s, { clock, move }));
      for (const end of FULL_SCALE ? (['SIGTERM', 'SIGKILL'] as const) : (['SIGKILL'] as const)) {
        await clock.set(home);
        await nothingLeft(t, await moveWhileAway(s, { clock, move: { title, stepsMs: stepsMs(clock) }, end }));
      }
    });
  }

  for (const [title, stepsMs] of FORWARD) {
    if (!FULL_SCALE && !SAMPLED.has(title)) continue;
    test(`ends what it passes at once, and goes on from there: ${title}`, async (t) => {
      await nothingLeft(t, await moveWhileRunning(s, { clock, move: { title, stepsMs: stepsMs(clock) } }));
    });
  }

  for (const [title, stepsMs] of FULL_SCALE ? FORWARD.filter(([, steps]) => steps.length === 0) : []) {
    test(`ends at the next start what it passed while no process ran: ${title}`, async (t) => {
      for (const end of ['SIGTERM', 'SIGKILL'] as const)
        await nothingLeft(t, await moveWhileAway(s, { clock, move: { title, stepsMs: stepsMs(clock) }, end }));
    });
  }
});
