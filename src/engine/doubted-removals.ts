import { type Pair, pairKey } from '../access/reference.ts';

/**
 * Memberships of ours that may have ended on one directory server, and are there still on the one which took over. Until each was
 * looked at, a member is not taken for standing: nobody would ever take it out.
 */
export interface DoubtedRemovals {
  doubt(pair: Pair): void;
  /** It was looked at. */
  seen(pair: Pair): void;
  has(pair: Pair): boolean;
}

/** Bounded by what was written within the time that is looked back, each until the look at it, which is tried until it is done. */
export function doubtedRemovals(): DoubtedRemovals {
  const pairs = new Set<string>();
  return {
    doubt: (pair) => void pairs.add(pairKey(pair)),
    seen: (pair) => void pairs.delete(pairKey(pair)),
    has: (pair) => pairs.has(pairKey(pair)),
  };
}
