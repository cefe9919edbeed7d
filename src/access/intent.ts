import type { GrantId } from './ids.ts';
import type { Instant } from './instant.ts';
import type { MemberAttribute } from './membership.ts';
import type { Pair } from './reference.ts';

/**
 * What is about to be done to one membership, written before the directory is touched (ARCHITECTURE, invariant 5).
 * At most one intent of a pair is open.
 */
export interface Intent {
  readonly intentId: number;
  readonly kind: 'add' | 'remove';
  /** The grant that the write is for. */
  readonly grantId: GrantId;
  readonly pair: Pair;
  readonly memberAttribute: MemberAttribute;
  readonly values: readonly string[];
  /** What the probe before the write saw; an add is only ever written over `absent`, a removal over `member`. */
  readonly preImage: 'member' | 'absent';
  /** The placeholder that goes in with a removal, or out with an addition, in the same modify. */
  readonly placeholder: string | null;
  readonly at: Instant;
  /** Fences writers that share one ledger; always 1 where a ledger has one owner. */
  readonly epoch: number;
}

/** An intent that the ledger has not yet numbered. */
export type NewIntent = Omit<Intent, 'intentId' | 'epoch'>;
