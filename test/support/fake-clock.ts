import type { Clock } from '../../src/access/clock.ts';
import { type Instant, instant } from '../../src/access/instant.ts';

/** A clock that moves when told to. */
export interface FakeClock extends Clock {
  /** Lets time pass; timers fire in order, each at its instant. */
  advance(ms: number): void;
  /** Moves the wall clock only, as a person or NTP does. */
  step(ms: number): void;
  /** Resolves when a timer of exactly that delay is armed; at once if one is. */
  armed(delayMs: number): Promise<void>;
  /** The delays of the timers that wait. */
  pending(): readonly number[];
  /** How long until the next timer fires, in milliseconds; null where none waits. */
  untilNextMs(): number | null;
}

export function fakeClock(start: Instant = instant(Date.UTC(2026, 0, 1))): FakeClock {
  const timers = new Set<{ readonly delayMs: number; readonly dueMs: number; readonly fire: () => void }>();
  const waiting = new Set<{ readonly delayMs: number; readonly resolve: () => void }>();
  let nowMs = 0;
  let wallMs: number = start;

  return {
    wall: () => instant(wallMs),
    monotonicMs: () => nowMs,
    timer(delayMs, fire) {
      const timer = { delayMs, dueMs: nowMs + delayMs, fire };
      timers.add(timer);
      for (const wait of waiting) {
        if (wait.delayMs !== delayMs) continue;
        waiting.delete(wait);
        wait.resolve();
      }
      return () => timers.delete(timer);
    },
    advance(ms) {
      const until = nowMs + ms;
      for (;;) {
        const [next] = [...timers].filter(({ dueMs }) => dueMs <= until).toSorted((one, other) => one.dueMs - other.dueMs);
        const to = next?.dueMs ?? until;
        wallMs += to - nowMs;
        nowMs = to;
        if (next === undefined) return;
        timers.delete(next);
        next.fire();
      }
    },
    step(ms) {
      wallMs += ms;
    },
    armed(delayMs) {
      if ([...timers].some((timer) => timer.delayMs === delayMs)) return Promise.resolve();
      return new Promise((resolve) => waiting.add({ delayMs, resolve }));
    },
    pending: () => [...timers].map(({ delayMs }) => delayMs),
    untilNextMs: () => (timers.size === 0 ? null : Math.max(0, Math.min(...[...timers].map(({ dueMs }) => dueMs)) - nowMs)),
  };
}
