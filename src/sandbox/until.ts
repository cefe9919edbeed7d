import { setTimeout as sleep } from 'node:timers/promises';

// Between two questions; each already costs a request or a process.
const pauseMs = 25;

/**
 * Asks until there is an answer (neither null nor undefined) and resolves with it. A question that throws is asked again, since what
 * is waited for may not be up yet. Rejects after `withinMs` with the last error, when `unlessEnded` aborts, and when the signal does.
 */
export async function until<T>(options: {
  what: string;
  holds: () => Promise<T | null | undefined>;
  withinMs: number;
  unlessEnded?: AbortSignal;
  signal: AbortSignal;
}): Promise<T> {
  const { what, holds, withinMs, unlessEnded, signal } = options;
  const deadline = performance.now() + withinMs;
  let cause: unknown;
  for (;;) {
    signal.throwIfAborted();
    // Read before the question: what a program said last is still an answer after its end.
    const hasEnded = unlessEnded?.aborted === true;
    try {
      const answer = await holds();
      if (answer !== null && answer !== undefined) return answer;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (hasEnded) throw new Error(`waited for ${what}, but the process ended`, { cause });
    if (performance.now() > deadline) throw new Error(`waited ${withinMs / 1000} s in vain for ${what}`, { cause });
    await sleep(pauseMs, undefined, { signal });
  }
}
