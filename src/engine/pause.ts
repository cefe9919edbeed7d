import type { Instant } from '../access/instant.ts';

/** Whether new grants are made, as the ledger has it. */
export interface Pause {
  /** Since when none are made; null where they are. */
  since(): Instant | null;
  set(since: Instant | null): void;
}

export function pauseSince(since: Instant | null): Pause {
  let pausedSince = since;
  return {
    since: () => pausedSince,
    set(now) {
      pausedSince = now;
    },
  };
}
