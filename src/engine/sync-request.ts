import type { Instant } from '../access/instant.ts';
import type { JobError } from '../access/outcome.ts';
import type { SyncCounts, SyncWish, ToldSync } from '../access/sync.ts';

/** What a job, the schedule or an operator asks for. */
export interface SyncRequest extends SyncWish {
  /** The latest instant at which a run for it may begin; null where there is none. */
  readonly notAfter: Instant | null;
}

/** What came of a run. `unlinked`: without a connection to the control plane, or with one that was lost, nothing is published. */
export type SyncOutcome =
  | { readonly kind: 'done'; readonly sync: ToldSync }
  | { readonly kind: 'failed'; readonly error: JobError }
  | { readonly kind: 'unlinked' };

/** Asks for a run; the signal ends the waiting, and the run too where nobody else waits for it. Rejects then. */
export type RequestSync = (request: SyncRequest, signal: AbortSignal) => Promise<SyncOutcome>;

/** PORT: what the engine knows of sync. */
export interface EngineSync {
  readonly request: RequestSync;
  /** Of `sync` and `sync-delta`, what this connector can do with this directory. */
  capabilities(): readonly string[];
  /** Of the last run that was published; null before it. */
  counts(): Pick<SyncCounts, 'users' | 'groups'> | null;
}
