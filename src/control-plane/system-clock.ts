import type { Clock } from '../access/clock.ts';
import type { Instant } from '../access/instant.ts';

/** The clock of the machine. The stub keeps its own, since it shares no code with the connector but the protocol. */
export const systemClock: Clock = {
  wall: () => Date.now() as Instant,
  monotonicMs: () => performance.now(),
  timer(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    return () => clearTimeout(timer);
  },
};

/** The clock's time as the wire writes it. */
export function timestamp(clock: Clock): string {
  return new Date(clock.wall()).toISOString();
}
