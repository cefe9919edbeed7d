import { type Pair, pairKey } from '../access/reference.ts';

/**
 * Memberships of ours that may have ended on one directory server, and are there still on the one which took over. Until each was
 * looked at, a member is not taken for standing: nobody would ever take it out.
 */
export interface DoubtedRemovals {
  doubt(pair: Pair, change: number): void;
  /** It was looked at after that change of servers. */
  seen(pair: Pair, change: number): void;
  has(pair: Pair): boolean;
}

/** Bounded by what was written within the time that is looked back, each until the look at it, which is tried until it is done. */
export function doubtedRemovals(): DoubtedRemovals {
  const changes = new Map<string, number>();
  return {
    doubt: (pair, change) => void changes.set(pairKey(pair), change),
    seen(pair, change) {
      if (changes.get(pairKey(pair)) === change) changes.delete(pairKey(pair));
    },
    has: (pair) => changes.has(pairKey(pair)),
  };
}
