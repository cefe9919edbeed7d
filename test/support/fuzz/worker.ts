import { parentPort, workerData } from 'node:worker_threads';
import { runCases } from './target.ts';
import { type FuzzName, TARGETS } from './targets.ts';

/** A thread of its own that runs cases; a rejection that nobody heeds ends it with an error, as it would end the connector. */
const { target, seed, cases } = workerData as { target: FuzzName; seed: number; cases: number };
// Most cases end in an error, and its stack would take longer than the case; one that is run alone has it.
if (cases > 1) Error.stackTraceLimit = 0;
const counts = await runCases(await TARGETS[target](), { seed, cases });
// Ends in order, so that what it made is removed.
parentPort?.once('message', () => process.exit());
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
parentPort?.postMessage(counts);
