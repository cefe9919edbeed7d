import type { Clock } from '../access/clock.ts';

/** Counts what a peer does wrong within a sliding window; keeps at most `limit` times. */
export interface FrameMeter {
  /** Counts one. True where the limit is reached within the window. */
  count(): boolean;
}

/** A meter that is full when `limit` frames were counted within `windowMs`. */
export function openFrameMeter({ limit, windowMs, clock }: { limit: number; windowMs: number; clock: Clock }): FrameMeter {
  const countedAtMs: number[] = [];
  return {
    count() {
      const now = clock.monotonicMs();
      countedAtMs.push(now);
      if (countedAtMs.length > limit) countedAtMs.shift();
      const [oldest = now] = countedAtMs;
      return countedAtMs.length === limit && now - oldest < windowMs;
    },
  };
}
