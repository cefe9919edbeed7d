import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { FUZZ_TIMEOUT_MS, fuzzed } from '../../../support/fuzz/fuzzed.ts';
import { likelyAnswer, readSpoilt, spoilt } from '../../../support/reader-fuzz.ts';
import { seeded, seedOfRun } from '../../../support/seeded.ts';

/** Enough to see what is kept of each. */
const CASES = 20_000;
const MOST_GROWTH_MIB = 64;

suite('the reader and answers that no server gives', () => {
  test('spoilt answers are read as they stand there, or refused, in little time', { timeout: FUZZ_TIMEOUT_MS }, async (t) => {
    await fuzzed(t, { target: 'ldap-reader', sample: 300_000 });
  });

  test('nothing is kept of spoilt answers', (context) => {
    const seed = seedOfRun();
    const random = seeded(seed);
    const heldMiB = () => (process.memoryUsage().heapUsed + process.memoryUsage().external) / 2 ** 20;
    let beforeMiB = 0;
    let mostMiB = 0;
    for (let i = 0; i < CASES; i += 1) {
      readSpoilt(spoilt(likelyAnswer(random), random), random);
      // Once what is loaded and compiled by then is there.
      if (i === 2_000) beforeMiB = heldMiB();
      if (i > 2_000 && i % 1_000 === 0) mostMiB = Math.max(mostMiB, heldMiB());
    }
    context.diagnostic(`TEST_SEED=${seed}: grew by ${(mostMiB - beforeMiB).toFixed(0)} MiB`);
    assert.ok(mostMiB - beforeMiB < MOST_GROWTH_MIB, `${mostMiB - beforeMiB} MiB`);
  });

  test('answers that are not spoilt are all read', () => {
    const random = seeded(1);
    for (let i = 0; i < 500; i += 1) assert.equal(readSpoilt(likelyAnswer(random), random).outcome, 'read');
  });
});
