import type { GrantId, JobId } from './ids.ts';
import type { Instant } from './instant.ts';
import type { GroupRef, UserRef } from './reference.ts';
import type { SyncMode } from './sync.ts';

/** When a grant shall end: at an instant, or so long after its activation (milliseconds). */
export type RequestedEnd =
  | { readonly kind: 'at'; readonly expiresAt: Instant }
  | { readonly kind: 'after'; readonly durationMs: number };

interface JobBase {
  readonly jobId: JobId;
  readonly issuedAt: Instant;
  /** W3C trace context, repeated in every event of this job. */
  readonly traceparent?: string;
}

/** Makes the user a member of the group until the end. */
export interface GrantJob extends JobBase {
  readonly kind: 'grant';
  readonly grantId: GrantId;
  readonly user: UserRef;
  readonly group: GroupRef;
  readonly end: RequestedEnd;
  /** The latest instant at which its first write may begin. */
  readonly notAfter?: Instant;
  readonly justification?: string;
  readonly requestedBy?: string;
}

/** Ends a grant now. */
export interface RevokeJob extends JobBase {
  readonly kind: 'revoke';
  readonly grantId: GrantId;
  readonly reason?: string;
}

/** Runs the preflight checks and reports them. */
export interface CheckJob extends JobBase {
  readonly kind: 'check';
  readonly notAfter?: Instant;
}

/** Reports every grant that has not ended, and those ended since an instant. */
export interface ListJob extends JobBase {
  readonly kind: 'list';
  readonly notAfter?: Instant;
  readonly endedSince?: Instant;
}

/** Reads the directory now and tells what is there, or what has changed. */
export interface SyncJob extends JobBase {
  readonly kind: 'sync';
  readonly mode: SyncMode;
  /** The run whose removals were held, and may now be told. */
  readonly acceptRemovals?: string;
  readonly notAfter?: Instant;
}

/** A request of the control plane. */
export type Job = GrantJob | RevokeJob | CheckJob | ListJob | SyncJob;
