import type { Clock } from '../access/clock.ts';
import { type Pair, pairKey } from '../access/reference.ts';

/** Additions that were proved on one directory server, and that the one which took over may not have yet. */
export interface DoubtedAdditions {
  /** How long a server that took over may lag, in milliseconds. */
  readonly doubtMs: number;
  /** Until the returned function is called it is not known which they are. */
  find(): () => void;
  isFinding(): boolean;
  /** From now on this one is doubted. */
  doubt(pair: Pair): void;
  /** The server in use shows the membership: its absence later is one. */
  seen(pair: Pair): void;
  /** How long an absence of this pair proves nothing, in milliseconds; 0 where it is not doubted. */
  remainingMs(pair: Pair): number;
}

/**
 * Replication is asynchronous, so what was added on one server may come to the next only after
 * an ending has looked there, and nobody would ever take it out. So for `doubtMs` the absence of what was written shortly before
 * a failover ends no grant, unless the server was seen to have had it.
 */
export function doubtedAdditions({ clock, doubtMs }: { clock: Clock; doubtMs: number }): DoubtedAdditions {
  const sinceMs = new Map<string, number>();
  let finding = 0;
  const leftMs = (atMs: number): number => Math.max(0, atMs + doubtMs - clock.monotonicMs());
  return {
    doubtMs,
    find() {
      finding += 1;
      return () => {
        finding -= 1;
      };
    },
    doubt(pair) {
      // Bounded by what was written within the time that is looked back: older ones, which come first, leave as new ones come.
      for (const [key, atMs] of sinceMs) {
        if (leftMs(atMs) > 0) break;
        sinceMs.delete(key);
      }
      sinceMs.delete(pairKey(pair));
      sinceMs.set(pairKey(pair), clock.monotonicMs());
    },
    isFinding: () => finding > 0,
    seen: (pair) => void sinceMs.delete(pairKey(pair)),
    remainingMs(pair) {
      const atMs = sinceMs.get(pairKey(pair));
      return atMs === undefined ? 0 : leftMs(atMs);
    },
  };
}
