import assert from 'node:assert/strict';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import type { TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { atScale } from '../scale.ts';
import { seedOfRun } from '../seeded.ts';
import type { FuzzCounts } from './target.ts';
import { type FuzzName, TARGETS } from './targets.ts';

/** What a thread runs before its memory is given back. */
const PART = 500_000;
const FULL = 20_000_000;
/** The sample shares the machine with other test files. */
const THREADS = atScale({ sample: 1, full: availableParallelism() });

/** Long enough for a machine that is busy; a case that never ends is told of by this. */
export const FUZZ_TIMEOUT_MS = atScale({ sample: 280_000, full: 14_400_000 });

/**
 * Runs a target: `sample` cases, at full scale 20,000,000, or as many as TEST_FUZZ_CASES says. The seed is TEST_SEED, or one by
 * chance. Fails at the first case that breaks a rule, and tells its seed.
 */
export async function fuzzed(t: TestContext, { target, sample }: { target: FuzzName; sample: number }): Promise<void> {
  const cases = Number(process.env['TEST_FUZZ_CASES'] ?? atScale({ sample, full: FULL }));
  const seed = seedOfRun();
  const parts = Array.from({ length: Math.ceil(cases / PART) }, (_, i) => ({
    target,
    seed: seed + i * PART,
    cases: Math.min(PART, cases - i * PART),
  }));
  const outcomes: Record<string, number> = {};
  let longestMs = 0;
  let cpuMs = 0;
  const failed = new AbortController();
  const signal = AbortSignal.any([t.signal, failed.signal]);
  const thread = async (): Promise<void> => {
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      // oxlint-disable-next-line no-await-in-loop -- one at a time in each thread
      const counts = await inThread(part, signal);
      for (const [outcome, count] of Object.entries(counts.outcomes)) outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
      longestMs = Math.max(longestMs, counts.longestMs);
      cpuMs += counts.cpuMs;
    }
  };
  t.diagnostic(`${target}: TEST_SEED=${seed}`);
  const threads = Array.from({ length: THREADS }, thread);
  try {
    await Promise.all(threads);
  } finally {
    // The others would go on for minutes, and what failed is told only at the end.
    failed.abort();
    await Promise.allSettled(threads);
  }
  const perSecond = Math.round((cases / cpuMs) * 1000);
  t.diagnostic(
    `${target}: ${cases} cases, ${JSON.stringify(outcomes)}, longest ${longestMs.toFixed(1)} ms, ${perSecond} a second of processor time`,
  );
  // Few cases are for seeing one again.
  if (cases < 1000) return;
  for (const outcome of (await TARGETS[target]()).outcomes) assert.ok((outcomes[outcome] ?? 0) > 0, outcome);
}

/** Rejects with what a case or a rejection that nobody heeded ended the thread with. */
async function inThread(part: { target: FuzzName; seed: number; cases: number }, signal: AbortSignal): Promise<FuzzCounts> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: part,
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });
  try {
    const [counts] = await once(worker, 'message', { signal });
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
    worker.postMessage('end');
    await once(worker, 'exit', { signal });
    return counts as FuzzCounts;
  } finally {
    await worker.terminate();
  }
}
