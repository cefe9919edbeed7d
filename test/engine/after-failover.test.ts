import assert from 'node:assert/strict';
import { test } from 'node:test';
import { instant } from '../../src/access/instant.ts';
import { afterFailover } from '../../src/engine/after-failover.ts';
import type { EngineParts } from '../../src/engine/engine-parts.ts';
import type { Pursuit } from '../../src/engine/pursuits.ts';

const NO_DOUBTS = { change: 1, intents: [], additions: [], moot: [] };

/** What follows a failover while every slot is taken: what is pursued is only written down. */
function withoutSlots(doubts: () => Promise<typeof NO_DOUBTS>) {
  const pursued: Pursuit[] = [];
  const found = Promise.withResolvers<void>();
  const parts = {
    ledger: { doubts },
    time: { now: () => instant(0) },
    doubtedAdditions: { find: () => found.resolve },
  } as unknown as EngineParts;
  const steps = {
    pursued: { pursue: (one: Pursuit) => void pursued.push(one) },
    told: (attempt: Promise<never>) => attempt,
    pursueEnding: () => undefined,
  };
  return { after: afterFailover(parts, steps as never), pursued, found: found.promise };
}

test('what a failover leaves in doubt is known before any ending is, however many wait for a slot: each waits for it', async () => {
  const { after, pursued, found } = withoutSlots(async () => NO_DOUBTS);
  after.tookOver();
  await found;
  assert.deepEqual(pursued, []);
});

test('where the ledger cannot say it at once, it is asked until it can', async () => {
  let asked = 0;
  const { after, pursued, found } = withoutSlots(async () => {
    asked += 1;
    if (asked === 1) throw new Error('cannot read');
    return NO_DOUBTS;
  });
  after.tookOver();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    pursued.map(({ key, urgency }) => [key, urgency]),
    [['lost-writes', 'ending']],
  );
  assert.deepEqual(await pursued[0]?.attempt(0), { done: true });
  await found;
});
