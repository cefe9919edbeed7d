import type { Clock } from '../access/clock.ts';

/** Work that is done every so often while the process runs. */
export interface Periodic {
  /** From now on, each time so long after the last one is over. `work` must not reject. */
  every(periodMs: number, work: () => Promise<void>): void;
  stop(): void;
}

export function periodic(clock: Clock): Periodic {
  const timers = new Set<() => void>();
  let stopped = false;

  function every(periodMs: number, work: () => Promise<void>): void {
    if (stopped) return;
    const cancel = clock.timer(periodMs, () => {
      timers.delete(cancel);
      void work().then(() => every(periodMs, work));
    });
    timers.add(cancel);
  }

  return {
    every,
    stop() {
      stopped = true;
      for (const cancel of timers) cancel();
    },
  };
}
