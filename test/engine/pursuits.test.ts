import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Attempted, pursuits } from '../../src/engine/pursuits.ts';
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

test('what comes back during an attempt has it tried again soon, however long it would have waited', async () => {
  const clock = fakeClock();
  const pursued = pursuits({ clock, random: () => 1, log: capturedLog().logger });
  const first = Promise.withResolvers<Attempted>();
  let attempts = 0;
  pursued.pursue({
    key: 'a',
    urgency: 'ending',
    attempt() {
      attempts += 1;
      return attempts === 1 ? first.promise : Promise.resolve({ done: true });
    },
  });
  await turn();
  pursued.kick('directory');
  first.resolve({ done: false, afterMs: 60_000 });
  await turn();
  assert.equal(attempts, 1);
  clock.advance(250);
  await turn();
  assert.equal(attempts, 2);
  assert.equal(pursued.size(), 0);
});

test('only what waits for that is kicked, endings before grants', async () => {
  const clock = fakeClock();
  const pursued = pursuits({ clock, random: () => 1, log: capturedLog().logger });
  const begun: string[] = [];
  for (const [key, urgency, waitsFor] of [
    ['list', 'grant', 'link'],
    ['grant', 'grant', 'directory'],
    ['late ending', 'ending', 'directory'],
    ['later ending', 'ending', 'directory'],
  ] as const)
    pursued.pursue({
      key,
      urgency,
      waitsFor,
      attempt() {
        begun.push(key);
        return Promise.resolve({ done: false, afterMs: 60_000 });
      },
    });
  await turn();
  begun.length = 0;
  pursued.kick('directory');
  await turn();
  assert.deepEqual(begun, ['late ending', 'later ending', 'grant']);
  pursued.kick('link');
  await turn();
  assert.deepEqual(begun.slice(3), ['list']);
  await pursued.stop();
});
