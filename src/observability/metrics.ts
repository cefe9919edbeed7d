import type { Event, Observed } from '../access/event.ts';
import type { EndCause, EndedMembership } from '../access/grant.ts';
import type { Instant } from '../access/instant.ts';
import type { Job } from '../access/job.ts';
import type { Presence } from '../access/membership.ts';
import type { JobErrorCode, Outcome } from '../access/outcome.ts';
import type { PolicyRule } from '../access/policy.ts';
import type { SignatureFault } from '../access/signature-fault.ts';
import type { SyncMode } from '../access/sync.ts';
import type { HealthParts } from './health.ts';

/** `unreadable` is a job whose content was none. */
export type JobKind = Job['kind'] | 'unreadable';

/** What is said on an LDAP connection (RFC 4511 §4); `read` is a page of a whole directory. */
export type LdapOperation = 'bind' | 'who_am_i' | 'search' | 'compare' | 'modify' | 'read';

/** Where work waits that somebody has asked for. */
export type WorkQueue = 'ledger' | 'directory';

export type DriftAction = Extract<Event, { kind: 'grant.drifted' }>['action'];

/** PORT: what is counted and timed as it happens. No method throws, none waits. States are read when somebody asks for them. */
export interface Metrics {
  jobReceived(kind: JobKind): void;
  /** `latencyMs` is from its receipt; null where that is not known. */
  jobSettled(job: { readonly kind: JobKind; readonly result: Outcome | JobErrorCode; readonly latencyMs: number | null }): void;
  /** `latenessMs` is from the end that the grant had; null where something else than its end asked. */
  grantEnded(grant: { readonly cause: EndCause; readonly membership: EndedMembership; readonly latenessMs: number | null }): void;
  grantDrifted(drift: { readonly observed: Observed; readonly action: DriftAction }): void;
  /** A local limit stopped work, and that was told. */
  policyTripped(rule: PolicyRule): void;
  syncEnded(run: {
    readonly mode: SyncMode;
    readonly result: 'completed' | 'held' | 'failed';
    readonly durationMs: number | null;
  }): void;

  /** `result` as RFC 4511 spells it, or `no_answer`, or `cancelled`. */
  ldapAnswered(answer: { readonly operation: LdapOperation; readonly result: string; readonly tookMs: number }): void;
  ldapSession(change: 'opened' | 'ended'): void;
  directoryChanged(state: 'up' | 'down'): void;
  directoryFailedOver(): void;
  probed(presences: readonly Presence[]): void;

  ledgerCommitted(commit: { readonly works: number; readonly tookMs: number }): void;
  linkChanged(change: 'welcomed' | 'lost'): void;
  jobUnverified(fault: SignatureFault): void;
  certificateSeen(peer: 'directory' | 'control_plane', notAfter: Instant): void;
  /** One more waits; the returned function says that it no longer does. */
  waits(queue: WorkQueue): () => void;
}

/** What the ledger says when it is asked. */
export interface LedgerStates {
  readonly grants: { readonly pending: number; readonly active: number; readonly ending: number };
  /** How long ago the membership should have been gone whose end is late the longest; 0 where none is. */
  readonly overdueMs: number;
  readonly ownershipUnknown: number;
  readonly openJobs: number;
  /** Events that the control plane has not acknowledged, at most: what was superseded meanwhile is counted. */
  readonly outbox: number;
  /** Of the oldest of them; 0 where there is none. */
  readonly outboxAgeMs: number;
  readonly space: 'ok' | 'low' | 'endings_only';
}

/** What syncs have come to, this process's and earlier ones'. */
export interface SyncStates {
  readonly lastSuccessAt: Instant | null;
  /** When the last run that the schedule asked for became due; null where none did in this process. */
  readonly lastDueAt: Instant | null;
  readonly nextRunAt: Instant | null;
  readonly counts: { readonly users: number; readonly groups: number; readonly memberships: number } | null;
  readonly held: { readonly users: number; readonly groups: number; readonly memberships: number } | null;
}

/** For how long a folder has not held a backup of what the ledger holds, in milliseconds; null where there is no such folder. */
export interface BackupStates {
  readonly stateMs: number | null;
  readonly elsewhereMs: number | null;
}

/** Everything that is read when somebody asks, so that nothing is told of a time that has passed. */
export interface States {
  readonly ready: Readonly<Record<keyof HealthParts, boolean>>;
  /** Null while it does not answer: then nothing is said of what it holds. */
  readonly ledger: LedgerStates | null;
  readonly isDirectoryUp: boolean;
  readonly link: 'idle' | 'connecting' | 'connected' | 'waiting' | 'stopped';
  /** Null while there is no connection. */
  readonly linkSkewMs: number | null;
  readonly pursued: number;
  readonly failing: number;
  readonly isPaused: boolean;
  readonly clock: { readonly now: Instant; readonly aheadMs: number; readonly trusted: boolean };
  readonly sync: SyncStates;
  readonly backups: BackupStates;
}
