import { type JobError, jobError } from '../access/outcome.ts';
import type { SyncCounts, SyncFindings, SyncMode, SyncWish } from '../access/sync.ts';
import { LedgerError } from '../ledger/ledger.ts';
import type { HeldRun } from '../ledger/snapshots.ts';
import type { Failure } from './failures.ts';
import type { SyncRunOptions } from './run.ts';
import type { Built } from './run-parts.ts';

/** What a run came to. `unlinked`: without a connection to the control plane, or with one that was lost, nothing is published. */
export type SyncResult =
  | {
      readonly kind: 'published';
      readonly syncId: string;
      readonly mode: SyncMode;
      readonly counts: SyncCounts;
      /** Entries and memberships that were told anew or otherwise than before. */
      readonly changed: number;
      readonly removed: number;
      readonly durationMs: number;
      /** What was found in the directory; null where it was not read whole. */
      readonly findings: SyncFindings | null;
    }
  | {
      readonly kind: 'failed';
      readonly syncId: string;
      readonly mode: SyncMode;
      readonly error: JobError;
      /** Where it would have removed so much that a person has to look. */
      readonly held: HeldRun | null;
    }
  | { readonly kind: 'unlinked'; readonly syncId: string; readonly reason: string };

/** A run, as it is told and logged. */
interface Named {
  readonly syncId: string;
  readonly mode: SyncMode;
}

/** Nobody can accept what is not held. */
export function notHeld(syncId: string, { mode, acceptRemovals }: SyncWish): SyncResult {
  const message = `no removals of a sync ${acceptRemovals} are held: it is not known, was published since, or is older than 24 h; run a sync to see what would be removed now`;
  return { kind: 'failed', syncId, mode, error: jobError('removals_held', message), held: null };
}

/** The control plane has taken the run, or it was to tell nobody. */
export function published(
  { isTold, log }: Pick<SyncRunOptions, 'isTold' | 'log'>,
  { attempt, built, found, durationMs }: { attempt: Named; built: Built; found: SyncFindings | null; durationMs: number },
): SyncResult {
  const { syncId, mode } = attempt;
  const { counts, changed } = built;
  const removed = built.removed.users + built.removed.groups + built.removed.memberships;
  const figures = { ...counts, changed, removed, durationMs };
  if (isTold)
    log.info({ event: 'sync.completed', syncId, mode, ...figures }, 'the control plane has the picture of the directory');
  else log.info({ event: 'sync.read', syncId, mode, ...figures }, 'the directory was read; nobody was told');
  return { kind: 'published', syncId, mode, counts, changed, removed, durationMs, findings: found };
}

/** Nothing was published; that is kept, for whoever looks while this process does not run. */
export function failed(
  { snapshots, clock, log }: Pick<SyncRunOptions, 'snapshots' | 'clock' | 'log'>,
  attempt: Named,
  { error, removed }: Failure & { kind: 'error' },
): SyncResult {
  const { syncId, mode } = attempt;
  const at = clock.wall();
  const held = removed === null ? null : { syncId, at, ...removed };
  try {
    snapshots.fail({ at, code: error.code, message: error.message }, held);
  } catch (cause) {
    if (!(cause instanceof LedgerError)) throw cause;
    log.warn({ event: 'sync.failure-not-kept', syncId, error: cause }, 'that the sync failed could not be kept');
  }
  return { kind: 'failed', syncId, mode, error, held };
}
