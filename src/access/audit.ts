import type { GrantId, JobId } from './ids.ts';
import type { Instant } from './instant.ts';
import type { Pair } from './reference.ts';

/** What an audit record tells. Append-only: nothing in the product changes or deletes one before its retention. */
export type AuditKind =
  | 'ledger.created'
  | 'ledger.replaced'
  | 'connector.started'
  | 'job.accepted'
  | 'job.refused'
  /** Jobs that were not believed, as counts. */
  | 'job.unverified'
  | 'job.succeeded'
  | 'job.failed'
  | 'grant.pending'
  | 'grant.activated'
  | 'grant.updated'
  | 'grant.ending'
  | 'grant.ended'
  | 'grant.failed'
  | 'grant.drifted'
  | 'intent.opened'
  | 'intent.closed'
  | 'revoke.remembered'
  /** A person on the machine asked for something: who, by which command, why. */
  | 'operator.command'
  /** A local limit stopped work. */
  | 'policy.tripped'
  /** Records of before there was a chain were laid into it as they were found. */
  | 'audit.chained'
  /** The oldest records were deleted by their retention: up to which, and the hash that the rest begins with. */
  | 'audit.pruned';

/** One record of a decision about access; written in the transaction of the state that it tells. */
export interface AuditRecord {
  readonly kind: AuditKind;
  readonly at: Instant;
  readonly jobId?: JobId;
  readonly grantId?: GrantId;
  readonly pair?: Pair | null;
  /** The facts: evidence of a probe, the reason of a refusal, the cause of an ending. Never a secret. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** A record in its place: records are numbered from 1 without a gap, and each hash covers all before it. */
export interface AuditEntry {
  readonly seq: number;
  /** SHA-256, 64 lower-case hex digits. */
  readonly hash: string;
  readonly record: AuditRecord;
}
