import type { EndCause, EndedMembership, Standing } from './grant.ts';
import type { GrantId, JobId } from './ids.ts';
import type { Instant } from './instant.ts';
import type { JobError, Outcome } from './outcome.ts';
import type { PolicyRule } from './policy.ts';
import type { EntryRef } from './reference.ts';
import type { SyncCounts, SyncMode } from './sync.ts';

/** A grant as the control plane is told of it. `user` and `group` are null until resolved, the dates while unknown. */
export interface GrantView {
  readonly grantId: GrantId;
  readonly user: EntryRef | null;
  readonly group: EntryRef | null;
  readonly state: 'pending' | 'active' | 'ending' | 'ended' | 'failed';
  readonly standing: Standing;
  readonly activatedAt: Instant | null;
  readonly expiresAt: Instant | null;
  readonly endedAt?: Instant;
}

/** One line of a check report. */
export interface CheckStep {
  readonly step: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly detail: string;
}

/** What a `check` job reports: every step in order, `ok` where none failed. */
export interface CheckReport {
  readonly ok: boolean;
  readonly steps: readonly CheckStep[];
}

/** The directory as `hello` and `directory.changed` tell it. */
export interface DirectoryView {
  readonly vendor: string;
  readonly version?: string;
  readonly flavour: string;
  readonly baseDn: string;
  readonly usersScope: readonly string[];
  readonly groupsScope: readonly string[];
  /** What the last sync that was published found; absent before it. */
  readonly counts?: Pick<SyncCounts, 'users' | 'groups'>;
}

export type Observed = 'absent' | 'renamed' | 'moved' | 'recreated' | 'user_gone' | 'group_gone' | 'ownership_unknown';

interface JobEventBase {
  readonly jobId: JobId;
  readonly traceparent?: string;
  readonly grant?: GrantView;
}

/** What the control plane is told (PROTOCOL, Events), before it has a sequence number. */
export type Event =
  | (JobEventBase & {
      readonly kind: 'job.succeeded';
      readonly outcome: Outcome;
      readonly report?: CheckReport;
      readonly count?: number;
      readonly repeat?: true;
    })
  | (JobEventBase & { readonly kind: 'job.failed'; readonly error: JobError; readonly repeat?: true })
  | (JobEventBase & {
      readonly kind: 'job.delayed';
      readonly attempts: number;
      readonly nextAttemptAt: Instant;
      readonly error: JobError;
    })
  | { readonly kind: 'grant.ended'; readonly grant: GrantView; readonly cause: EndCause; readonly membership: EndedMembership }
  | { readonly kind: 'grant.overdue'; readonly grant: GrantView; readonly since: Instant; readonly error: JobError }
  | {
      readonly kind: 'grant.drifted';
      readonly grant: GrantView;
      readonly observed: Observed;
      readonly action: 'reported' | 'restored' | 'followed' | 'ended';
    }
  | { readonly kind: 'directory.changed'; readonly state: 'up'; readonly directory: DirectoryView }
  | { readonly kind: 'directory.changed'; readonly state: 'down'; readonly error: JobError }
  | (Pick<SyncCounts, 'users' | 'groups' | 'memberships'> & {
      readonly kind: 'sync.completed';
      readonly syncId: string;
      readonly mode: SyncMode;
      /** Entries and memberships that were told anew or otherwise than before. */
      readonly changed: number;
      readonly removed: number;
      readonly durationMs: number;
    })
  | {
      readonly kind: 'sync.failed';
      readonly syncId: string;
      readonly mode: SyncMode;
      readonly error: JobError;
      /** The run whose removals are held, where that is why. */
      readonly heldSyncId?: string;
    }
  | {
      readonly kind: 'policy.tripped';
      readonly rule: PolicyRule;
      /** What was stopped, by what, and why: never a secret. */
      readonly detail: string;
    }
  | { readonly kind: 'ledger.replaced'; readonly previousLedgerId: string }
  | {
      readonly kind: 'audit.checkpoint';
      /** How many records the audit trail has had, and the hash of the last. */
      readonly count: number;
      readonly hash: string;
      readonly time: Instant;
    };

/** An event as it waits in the ledger until the control plane has acknowledged it. */
export interface SequencedEvent {
  readonly seq: number;
  readonly at: Instant;
  readonly event: Event;
}

/** The subject of an event of which only the newest unsent one is kept (PROTOCOL, Sequence); null for all others. */
export function supersededSubject(event: Event): string | null {
  switch (event.kind) {
    case 'job.delayed':
      return `job.delayed/${event.jobId}`;
    case 'grant.overdue':
      return `grant.overdue/${event.grant.grantId}`;
    case 'directory.changed':
    case 'audit.checkpoint':
      return event.kind;
    case 'job.succeeded':
    case 'job.failed':
    case 'grant.ended':
    case 'grant.drifted':
    case 'sync.completed':
    case 'sync.failed':
    case 'policy.tripped':
    case 'ledger.replaced':
      return null;
    default:
      return event satisfies never;
  }
}
