import type { Clock } from '../access/clock.ts';
import { instant } from '../access/instant.ts';

/** The clocks of this machine. */
export const systemClock: Clock = {
  wall: () => instant(Date.now()),
  monotonicMs: () => performance.now(),
  timer(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    return () => clearTimeout(timer);
  },
};
