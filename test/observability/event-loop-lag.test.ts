import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { eventLoopLag } from '../../src/observability/event-loop-lag.ts';

test('a turn that was late is told however often it is asked for, and no longer after two windows', async () => {
  let nowMs = 0;
  const lag = eventLoopLag(() => nowMs);
  try {
    const until = performance.now() + 300;
    // The monitor has to have begun, and then has to wait.
    while (lag.quantiles()['1'] < 0.2) {
      await nextTurn();
      const blockedUntil = performance.now() + 250;
      while (performance.now() < blockedUntil);
      await new Promise((resolve) => setTimeout(resolve, 30));
      assert.ok(performance.now() < until + 10_000, 'the lag was never seen');
    }
    for (const asked of [1, 2, 3]) assert.ok(lag.quantiles()['1'] >= 0.2, `asked ${asked} times`);
    nowMs = 60_000;
    assert.ok(lag.quantiles()['1'] >= 0.2, 'at the end of the window');
    nowMs = 90_000;
    assert.ok(lag.quantiles()['1'] >= 0.2, 'within the next');
    nowMs = 120_000;
    lag.quantiles();
    nowMs = 180_000;
    lag.quantiles();
    assert.ok(lag.quantiles()['1'] < 0.2, 'after it');
  } finally {
    lag.close();
  }
});
