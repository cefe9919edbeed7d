import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { likelyAnswer, readSpoilt, spoilt } from '../../../support/reader-fuzz.ts';
import { atScale } from '../../../support/scale.ts';
import { seeded, seedOfRun } from '../../../support/seeded.ts';

const CASES = Number(process.env['TEST_FUZZ_CASES'] ?? atScale({ sample: 20_000, full: 500_000 }));
/** Longest that one answer may hold up everything else. */
const MOST_CPU_MS = 200;
const MOST_GROWTH_MIB = 64;

suite('the reader and answers that no server gives', () => {
  test(`${CASES} spoilt answers are read or refused, in little time and memory`, (context) => {
    const seed = seedOfRun();
    context.diagnostic(`TEST_SEED=${seed}`);
    const random = seeded(seed);
    const counts = { read: 0, refused: 0, cut: 0 };
    let longestMs = 0;
    const heldMiB = () => (process.memoryUsage().heapUsed + process.memoryUsage().external) / 2 ** 20;
    let beforeMiB = 0;
    let mostMiB = 0;
    for (let i = 0; i < CASES; i += 1) {
      const bytes = spoilt(likelyAnswer(random), random);
      const from = process.cpuUsage();
      counts[readSpoilt(bytes, random)] += 1;
      longestMs = Math.max(longestMs, process.cpuUsage(from).user / 1_000);
      // Once what is loaded and compiled by then is there.
      if (i === 2_000) beforeMiB = heldMiB();
      if (i > 2_000 && i % 1_000 === 0) mostMiB = Math.max(mostMiB, heldMiB());
    }
    context.diagnostic(
      `${JSON.stringify(counts)}, longest ${longestMs.toFixed(1)} ms, grew by ${(mostMiB - beforeMiB).toFixed(0)} MiB`,
    );
    assert.ok(counts.read > 0 && counts.refused > 0 && counts.cut > 0);
    assert.ok(longestMs < MOST_CPU_MS, `${longestMs} ms`);
    assert.ok(mostMiB - beforeMiB < MOST_GROWTH_MIB, `${mostMiB - beforeMiB} MiB`);
  });

  test('answers that are not spoilt are all read', () => {
    const random = seeded(1);
    for (let i = 0; i < 500; i += 1) assert.equal(readSpoilt(likelyAnswer(random), random), 'read');
  });
});
