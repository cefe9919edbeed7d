import { type JobError, type JobErrorCode, jobError } from '../access/outcome.ts';
import type { SyncMode } from '../access/sync.ts';
import { DirectoryError, type DirectoryFault } from '../directory/directory.ts';
import { LedgerError } from '../ledger/ledger.ts';
import type { HeldRun } from '../ledger/snapshots.ts';
import { SyncChannelError } from './channel.ts';

/** What a run would have removed, and which attributes nobody has any more. */
export type Refused = Omit<HeldRun, 'syncId' | 'at'>;

/** Thrown by a run that will not publish what it read. */
export class RefusedRemovals extends Error {
  /** Null where nobody can accept it. */
  readonly removed: Refused | null;

  constructor(message: string, removed: Refused | null) {
    super(message);
    this.name = 'RefusedRemovals';
    this.removed = removed;
  }
}

/**
 * What a failure of a run leads to. `unlinked`: it can be made again once there is a connection; `base`: the same is to be told whole,
 * since there is nothing to build on; `error`: it has failed.
 */
export type Failure =
  | { readonly kind: 'unlinked' | 'base'; readonly message: string }
  | { readonly kind: 'error'; readonly message: string; readonly error: JobError; readonly removed: Refused | null };

const CODES: Record<DirectoryFault, JobErrorCode> = {
  already_there: 'directory_refused',
  already_absent: 'directory_refused',
  last_member: 'directory_refused',
  gone: 'directory_refused',
  refused: 'directory_refused',
  busy: 'directory_unavailable',
  unavailable: 'directory_unavailable',
  bind_refused: 'directory_unavailable',
};

export function failureOf(error: unknown, mode: SyncMode): Failure {
  if (error instanceof RefusedRemovals) {
    const code = error.removed === null ? 'directory_refused' : 'removals_held';
    return ended(jobError(code, error.message), error.removed);
  }
  if (error instanceof SyncChannelError) {
    if (error.fault === 'lost') return { kind: 'unlinked', message: error.message };
    // What the control plane has is not what the difference was made from.
    return mode === 'delta' ? { kind: 'base', message: error.message } : ended(jobError('internal', error.message));
  }
  if (error instanceof DirectoryError) return ended(jobError(CODES[error.fault], error.message, error.ldap ?? undefined));
  if (error instanceof LedgerError) {
    if (error.fault === 'damaged') return { kind: 'base', message: 'the file of the last sync is damaged' };
    return ended(jobError(error.fault === 'no_space' ? 'no_space' : 'internal', error.message));
  }
  return ended(jobError('internal', 'the sync failed in a way that nobody expected; the log of the connector says how'));
}

function ended(error: JobError, removed: Refused | null = null): Failure {
  return { kind: 'error', message: error.message, error, removed };
}
