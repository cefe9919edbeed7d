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
  | 'revoke.remembered';

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
