import type { Clock } from '../access/clock.ts';

/** Lets requests wait for the next change. */
export interface Changes {
  tell(): void;
  /** Resolves at the next change, after the time, or when the signal aborts. */
  next(withinMs: number, signal: AbortSignal): Promise<void>;
}

export function openChanges(clock: Clock): Changes {
  const waiting = new Set<() => void>();
  return {
    tell() {
      for (const settle of waiting) settle();
    },
    next(withinMs, signal) {
      return new Promise((resolve) => {
        const settle = () => {
          waiting.delete(settle);
          cancel();
          signal.removeEventListener('abort', settle);
          resolve();
        };
        const cancel = clock.timer(withinMs, settle);
        waiting.add(settle);
        signal.addEventListener('abort', settle, { once: true });
        if (signal.aborted) settle();
      });
    },
  };
}
