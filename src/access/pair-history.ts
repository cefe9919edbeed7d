import type { Instant } from './instant.ts';
import type { MemberAttribute } from './membership.ts';

/** An addition that was written for one user in one group, or may have been. The probe before it saw the value absent. */
export interface Addition {
  readonly intentId: number;
  readonly memberAttribute: MemberAttribute;
  /** The value that it was to add: the first of its intent, whose others are of earlier ones. */
  readonly value: string;
  /** When it was opened, which was after that probe. */
  readonly at: Instant;
  /** Null while its outcome is unknown. */
  readonly closedAt: Instant | null;
  /** Another took its place while its outcome was unknown. */
  readonly isReplaced: boolean;
}

/** Values that were each seen absent when a grant ended, at some moment that is not before `at`. */
export interface Absence {
  readonly memberAttribute: MemberAttribute;
  readonly values: readonly string[];
  readonly at: Instant;
}

/** What is remembered of one user in one group, by which a value is told from that of another who goes by it as well. */
export interface PairHistory {
  /** In the order in which they were opened. */
  readonly additions: readonly Addition[];
  /** Of the grants that have ended, in the order in which they did. */
  readonly absences: readonly Absence[];
  /** When the values that the period has met last became others; null where there is no period. */
  readonly metAt: Instant | null;
  /** Some of it was held in doubt when the directory server in use took over. */
  readonly isDoubted: boolean;
  /** Since when that server is in use. */
  readonly serverSince: Instant;
}
