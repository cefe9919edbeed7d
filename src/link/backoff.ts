import type { Random } from '../access/clock.ts';

/** Waiting times that double, each drawn anew from the whole span ("full jitter"), so that many connectors spread out. */
export interface Backoff {
  /** Milliseconds until the next attempt. */
  next(): number;
  /** The next waiting time is drawn from the base again. */
  reset(): void;
}

/** Full-jitter exponential backoff: the n-th time is random in [0, min(capMs, baseMs · 2^n)). */
export function openBackoff({ baseMs, capMs, random }: { baseMs: number; capMs: number; random: Random }): Backoff {
  let ceilingMs = baseMs;
  return {
    next() {
      const delayMs = random() * ceilingMs;
      ceilingMs = Math.min(capMs, ceilingMs * 2);
      return delayMs;
    },
    reset() {
      ceilingMs = baseMs;
    },
  };
}
