import type { Clock } from '../access/clock.ts';
import { isClockTrusted, trustedNow } from '../access/expiry.ts';
import type { Instant } from '../access/instant.ts';

/** Time that never runs backwards (ARCHITECTURE, Time), and whether it may be believed for new grants. */
export interface TrustedClock {
  now(): Instant;
  /** False while `now` is more than 5 minutes ahead of the wall clock. */
  trusted(): boolean;
  /** Believes the wall clock again, however far `now` was ahead of it: the only step back there is. Returns the instant of now. */
  accept(): Instant;
  /** When that was done last; null where it was not. */
  acceptedAt(): Instant | null;
  /** How far `now` is ahead of the wall clock, in milliseconds. */
  aheadMs(): number;
}

/** Starts from the high-water mark of the ledger; the mark advances with the monotonic clock and with every forward step of the wall. */
export function trustedClock({ clock, mark }: { clock: Clock; mark: Instant }): TrustedClock {
  let marked = mark;
  let markedAtMs = clock.monotonicMs();
  let accepted: Instant | null = null;

  function now(): Instant {
    const monotonicMs = clock.monotonicMs();
    const current = trustedNow({ wall: clock.wall(), mark: marked, elapsedMs: monotonicMs - markedAtMs });
    // Only a wall that leads moves the mark. An instant is a whole millisecond: marked anew at each question, this clock
    // would lose the fraction each time, and run slow where it is asked often.
    if (current - marked > monotonicMs - markedAtMs) {
      marked = current;
      markedAtMs = monotonicMs;
    }
    return current;
  }

  return {
    now,
    trusted: () => isClockTrusted({ now: now(), wall: clock.wall() }),
    accept() {
      marked = clock.wall();
      markedAtMs = clock.monotonicMs();
      accepted = marked;
      return marked;
    },
    acceptedAt: () => accepted,
    aheadMs: () => now() - clock.wall(),
  };
}
