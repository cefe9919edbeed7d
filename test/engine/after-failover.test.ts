import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { instant } from '../../src/access/instant.ts';
import { afterFailover } from '../../src/engine/after-failover.ts';
import { doubtedAdditions } from '../../src/engine/doubted-additions.ts';
import type { EngineParts } from '../../src/engine/engine-parts.ts';
import type { Pursuit } from '../../src/engine/pursuits.ts';

const NO_DOUBTS = { change: 1, intents: [], additions: [], moot: [] };

/** What follows a failover while every slot is taken: what is pursued is only written down. */
function withoutSlots(doubts: () => Promise<typeof NO_DOUBTS>) {
  const pursued: Pursuit[] = [];
  const additions = doubtedAdditions({ clock: {} as never, doubtMs: 0 });
  const parts = { ledger: { doubts }, time: { now: () => instant(0) }, doubtedAdditions: additions } as unknown as EngineParts;
  const steps = {
    pursued: { pursue: (one: Pursuit) => void pursued.push(one) },
    told: (attempt: Promise<never>) => attempt,
    pursueEnding: () => undefined,
  };
  return { after: afterFailover(parts, steps as never), pursued, isFinding: additions.isFinding };
}

test('what a failover leaves in doubt is known before any ending is, however many wait for a slot: each waits for it', async () => {
  const { after, pursued, isFinding } = withoutSlots(async () => NO_DOUBTS);
  after.tookOver();
  assert.ok(isFinding());
  await nextTurn();
  assert.ok(!isFinding());
  assert.deepEqual(pursued, []);
});

test('where the ledger cannot say it at once, it is asked until it can', async () => {
  let asked = 0;
  const { after, pursued, isFinding } = withoutSlots(async () => {
    asked += 1;
    if (asked === 1) throw new Error('cannot read');
    return NO_DOUBTS;
  });
  after.tookOver();
  await nextTurn();
  assert.ok(isFinding());
  assert.deepEqual(
    pursued.map(({ key, urgency }) => [key, urgency]),
    [['lost-writes', 'ending']],
  );
  assert.deepEqual(await pursued[0]?.attempt(0), { done: true });
  assert.ok(!isFinding());
});

test('a server that takes over while the ledger is asked about the one before is asked about for itself, and so is the next', async () => {
  const reads: (() => void)[] = [];
  const { after, isFinding } = withoutSlots(() => new Promise((resolve) => reads.push(() => resolve(NO_DOUBTS))));
  after.tookOver();
  after.tookOver();
  reads[0]?.();
  await nextTurn();
  assert.ok(isFinding());
  reads[1]?.();
  await nextTurn();
  assert.ok(!isFinding());
  after.tookOver();
  assert.ok(isFinding());
});
