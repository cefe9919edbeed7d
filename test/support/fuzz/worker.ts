import { parentPort, workerData } from 'node:worker_threads';
import { runCases } from './target.ts';
import { type FuzzName, TARGETS } from './targets.ts';

/** A thread of its own that runs cases; a rejection that nobody heeds ends it with an error, as it would end the connector. */
const { target, seed, cases } = workerData as { target: FuzzName; seed: number; cases: number };
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
parentPort?.postMessage(await runCases(await TARGETS[target](), { seed, cases }));
