import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { SyncMode } from '../../src/access/sync.ts';
import { startSchedule } from '../../src/sync/schedule.ts';
import { capturedLog } from '../support/captured-log.ts';
import { settled } from '../support/engine-under-test.ts';
import { fakeClock } from '../support/fake-clock.ts';

/** The last second that a clock of these tests can reach: no such schedule fires while they run. */
const NEVER_NOW = '0 0 29 2 *';

function schedule(t: import('node:test').TestContext, others: Partial<Parameters<typeof startSchedule>[0]>) {
  const log = capturedLog();
  const clock = fakeClock();
  const started = startSchedule({
    expressions: { delta: null, full: null },
    timezone: 'UTC',
    run: async () => undefined,
    clock,
    random: () => 0,
    log: log.logger,
    ...others,
  });
  t.after(() => started.stop());
  return { started, log, clock };
}

suite('the schedule of syncs', { concurrency: true }, () => {
  test('a schedule tells when its next run is due, in its time zone; one that is off tells none', (t) => {
    const { started } = schedule(t, { expressions: { delta: NEVER_NOW, full: null }, timezone: 'Europe/Berlin' });
    const next = started.nextRunAt();
    assert.ok(next !== null);
    assert.equal(new Date(next).toISOString().slice(4), '-02-28T23:00:00.000Z');
    assert.equal(schedule(t, {}).started.nextRunAt(), null);
  });

  test('a run begins by chance after its time, and a stop ends it', async (t) => {
    const ran = Promise.withResolvers<{ mode: SyncMode; signal: AbortSignal }>();
    const { started, clock } = schedule(t, {
      expressions: { delta: '* * * * * *', full: null },
      random: () => 0.5,
      run: (mode, signal) => {
        ran.resolve({ mode, signal });
        return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
      },
    });
    // Half of a twentieth of a second.
    await clock.armed(25);
    clock.advance(25);
    const { mode, signal } = await ran.promise;
    assert.equal(mode, 'delta');
    await started.stop();
    assert.ok(signal.aborted);
  });

  test('a run that fails is logged, and the schedule goes on', async (t) => {
    const { clock, log } = schedule(t, {
      expressions: { delta: null, full: '* * * * * *' },
      run: async () => {
        throw new Error('a fault');
      },
    });
    for (const _ of [1, 2]) {
      await clock.armed(0);
      clock.advance(0);
      assert.equal((await log.next('sync.schedule-failed'))['mode'], 'full');
    }
  });

  test('a run that is due while the one of its kind lasts is left out, and the other kind is not', async (t) => {
    const begun: SyncMode[] = [];
    const { clock, log } = schedule(t, {
      expressions: { delta: '* * * * * *', full: '* * * * * *' },
      run: (mode, signal) => {
        begun.push(mode);
        return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
      },
    });
    while (begun.length < 2) {
      await clock.armed(0);
      clock.advance(0);
      await settled();
    }
    for (const _ of begun) assert.match((await log.next('sync.schedule')).message, /blocked by overlap prevention/);
    assert.deepEqual(clock.pending(), []);
    assert.deepEqual(begun.toSorted(), ['delta', 'full']);
  });

  test('a run is late by a twentieth of its interval at most', async (t) => {
    const cases = [
      ['* * * * * *', 0, 0],
      ['* * * * * *', 1, 50],
      ['*/2 * * * * *', 1, 100],
    ] as const;
    const late = async ([expression, random, lateMs]: (typeof cases)[number]): Promise<void> => {
      const { clock } = schedule(t, { expressions: { delta: expression, full: null }, random: () => random });
      await clock.armed(lateMs);
      assert.deepEqual(clock.pending(), [lateMs]);
    };
    // At once, since each waits for a second of the real clock.
    await Promise.all(cases.map(late));
  });
});
