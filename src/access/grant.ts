import type { GrantId } from './ids.ts';
import { type Instant, later } from './instant.ts';
import type { RequestedEnd } from './job.ts';
import type { JobErrorCode } from './outcome.ts';
import type { Pair } from './reference.ts';

/** Whether the membership was there before us, for one period of membership; `unknown` only after a restore. */
export type Standing = boolean | 'unknown';

/** What asked for an ending. */
export type EndCause = 'revoked' | 'expired' | 'operator' | 'policy' | 'user_gone' | 'group_gone';

/** What became of the membership when a grant ended. */
export type EndedMembership = 'removed' | 'kept_standing' | 'kept_by_grant' | 'already_absent';

/** Accepted, not yet a membership. The pair is unknown until the directory has resolved the references. */
export interface PendingGrant {
  readonly state: 'pending';
  readonly grantId: GrantId;
  readonly pair: Pair | null;
  readonly end: RequestedEnd;
  /** If nothing was written by then, it ends as `job_expired`. */
  readonly deadline: Instant;
  /** A person on the machine has ended it before it was one: nothing is written for it any more. */
  readonly cancelledAt?: Instant;
}

/** A probe has shown the membership. */
export interface ActiveGrant {
  readonly state: 'active';
  readonly grantId: GrantId;
  readonly pair: Pair;
  readonly standing: Standing;
  readonly activatedAt: Instant;
  readonly expiresAt: Instant;
}

/** Being taken away; never given up. */
export interface EndingGrant {
  readonly state: 'ending';
  readonly grantId: GrantId;
  readonly pair: Pair;
  readonly standing: Standing;
  readonly activatedAt: Instant;
  readonly expiresAt: Instant;
  readonly cause: EndCause;
  /** When the ending fell due. */
  readonly since: Instant;
  /** When it had ended before, and that was told: a directory server that took over has the membership still. */
  readonly endedBefore?: Instant;
}

/** Over; a probe has shown it, or another grant holds the membership. */
export interface EndedGrant {
  readonly state: 'ended';
  readonly grantId: GrantId;
  readonly pair: Pair;
  readonly standing: Standing;
  readonly activatedAt: Instant;
  readonly expiresAt: Instant;
  readonly cause: EndCause;
  readonly membership: EndedMembership;
  readonly endedAt: Instant;
}

/** Never became a membership. */
export interface FailedGrant {
  readonly state: 'failed';
  readonly grantId: GrantId;
  readonly pair: Pair | null;
  readonly code: JobErrorCode;
  readonly failedAt: Instant;
}

/** A grant in one of its states; each carries the facts of that state. */
export type Grant = PendingGrant | ActiveGrant | EndingGrant | EndedGrant | FailedGrant;

/** Grants that a directory membership may hang on. */
export type LiveGrant = ActiveGrant | EndingGrant;

/** True while the grant holds, or may hold, a membership. */
export function isLive(grant: Grant): grant is LiveGrant {
  return grant.state === 'active' || grant.state === 'ending';
}

/** The instant at which a grant activated at `activatedAt` ends. `durationSeconds` counts from the activation. */
export function expiryOf(end: RequestedEnd, activatedAt: Instant): Instant {
  return end.kind === 'at' ? end.expiresAt : later(activatedAt, end.durationMs);
}

/** The state that follows when an ending is asked for: nothing is changed but the state, its cause and its date. */
export function endGrant(grant: ActiveGrant, cause: EndCause, since: Instant): EndingGrant {
  const { grantId, pair, standing, activatedAt, expiresAt } = grant;
  return { state: 'ending', grantId, pair, standing, activatedAt, expiresAt, cause, since };
}

/** The final state of an ending. */
export function closeGrant(
  grant: EndingGrant,
  facts: { membership: EndedMembership; standing: Standing; endedAt: Instant; cause?: EndCause },
): EndedGrant {
  const { grantId, pair, activatedAt, expiresAt } = grant;
  return {
    state: 'ended',
    grantId,
    pair,
    activatedAt,
    expiresAt,
    standing: facts.standing,
    cause: facts.cause ?? grant.cause,
    membership: facts.membership,
    endedAt: facts.endedAt,
  };
}

/**
 * What a job meets when it names a grant (PROTOCOL, table of known grants). For a grant job: `new`, `join` the
 * pending one, `update` the active one, or a refusal; for a revoke: `remember`, `cancel`, `end`, `join` or `already_ended`.
 */
export type GrantJobMeets = 'new' | 'join' | 'update' | 'grant_conflict' | 'grant_revoked';
export type RevokeJobMeets = 'remember' | 'cancel' | 'end' | 'join' | 'already_ended';

/** What the ledger knows under a grant id: a grant, a revoke that came before its grant, or nothing. */
export type Known = { readonly grant: Grant | null; readonly revokedBefore: boolean };

/** The row of the table for a `grant` job; whether user and group are the same is found out later. */
export function meetGrantJob({ grant, revokedBefore }: Known): GrantJobMeets {
  if (grant === null) return revokedBefore ? 'grant_revoked' : 'new';
  switch (grant.state) {
    case 'pending':
      return grant.cancelledAt === undefined ? 'join' : 'grant_revoked';
    case 'active':
      return 'update';
    case 'ending':
      return 'grant_conflict';
    case 'ended':
      return grant.cause === 'revoked' ? 'grant_revoked' : 'grant_conflict';
    case 'failed':
      return grant.code === 'grant_revoked' ? 'grant_revoked' : 'grant_conflict';
    default:
      return grant satisfies never;
  }
}

/** The row of the table for a `revoke` job. */
export function meetRevokeJob({ grant }: Known): RevokeJobMeets {
  if (grant === null) return 'remember';
  switch (grant.state) {
    case 'pending':
      return 'cancel';
    case 'active':
      return 'end';
    case 'ending':
      return 'join';
    case 'ended':
    case 'failed':
      return 'already_ended';
    default:
      return grant satisfies never;
  }
}
