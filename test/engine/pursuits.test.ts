import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pursuits } from '../../src/engine/pursuits.ts';
import { capturedLog } from '../support/captured-log.ts';
import { fakeClock } from '../support/fake-clock.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('an attempt that throws is logged, counted as failing, tried again, and no longer counted once it succeeds', async () => {
  const clock = fakeClock();
  const log = capturedLog();
  const pursued = pursuits({ clock, random: () => 1, log: log.logger });
  let attempts = 0;
  pursued.pursue({
    key: 'a',
    urgency: 'grant',
    async attempt() {
      attempts += 1;
      if (attempts === 1) throw new Error('the ledger cannot write');
      return { done: true };
    },
  });
  await turn();
  assert.equal(pursued.failing(), 1);
  assert.equal(pursued.size(), 1);
  assert.ok(log.lines.some(({ event }) => event === 'engine.attempt-failed'));
  pursued.kick('directory');
  await turn();
  assert.equal(attempts, 2);
  assert.equal(pursued.failing(), 0);
  assert.equal(pursued.size(), 0);
});
