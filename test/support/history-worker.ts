import { parentPort, workerData } from 'node:worker_threads';
import { checkHistories } from './history-report.ts';

/** A thread of its own that runs histories, and answers with the failure, or null. */
const { runs, seed } = workerData as { runs: number; seed: number };
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
parentPort?.postMessage(await checkHistories({ runs, seed }));
