import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { checkHistories, givenOrRandom } from '../support/history-report.ts';
import { atScale } from '../support/scale.ts';

/** What the proof asks for, in parts of which each begins with a seed of its own. */
const RUNS = atScale({ sample: 10_000, full: 1_000_000 });
const PART = 10_000;
/** After so many failing parts there is enough to do. */
const MOST_FAILURES = 10;
/** The sample shares the machine with another test file. */
const THREADS = atScale({ sample: 1, full: availableParallelism() });

test('whatever happens, on every server, nothing leaks, nothing is stolen, everything is told once', {
  timeout: atScale({ sample: 900_000, full: 14_400_000 }),
}, async (t) => {
  const { seed, path } = givenOrRandom();
  if (path !== undefined) {
    const failure = await checkHistories({ runs: 1, seed, path });
    if (failure !== null) throw new Error(failure);
    return;
  }
  const parts = Array.from({ length: RUNS / PART }, (_, part) => seed + part);
  let ran = 0;
  const failures: string[] = [];
  const thread = async (): Promise<void> => {
    for (let next = parts.shift(); next !== undefined; next = parts.shift()) {
      const failure = await inThread({ runs: PART, seed: next });
      if (failure === null) {
        ran += PART;
        continue;
      }
      // A long run tells every fault that it meets, not only its first; told at once, for it may be cut off.
      process.stderr.write(`seed ${next}: ${failure}\n`);
      failures.push(failure);
      if (failures.length === MOST_FAILURES) parts.length = 0;
    }
  };
  await Promise.all(Array.from({ length: THREADS }, thread));
  t.diagnostic(`${ran} histories passed, seeds ${seed} to ${seed + RUNS / PART - 1}`);
  if (failures.length > 0) throw new Error(failures.join('\n\n'));
});

/** A part has a thread to itself, whose memory goes with it. */
async function inThread(part: { runs: number; seed: number }): Promise<string | null> {
  const worker = new Worker(new URL('../support/history-worker.ts', import.meta.url), { workerData: part });
  const [failure] = await once(worker, 'message');
  await worker.terminate();
  return failure as string | null;
}
