import type { Clock } from '../access/clock.ts';

/** Resolves after the time, or as soon as the signal aborts. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const settle = () => {
      cancel();
      signal.removeEventListener('abort', settle);
      resolve();
    };
    const cancel = clock.timer(delayMs, settle);
    signal.addEventListener('abort', settle, { once: true });
  });
}
