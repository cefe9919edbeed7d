import { LedgerError } from '../ledger.ts';
import type { Database } from './database.ts';
import { isMetDamage, ledgerErrorOf } from './faults.ts';

/** Works in one commit, at most: enough to make the cost of one fsync small, few enough to keep the event loop turning. */
const MAX_WORKS_PER_COMMIT = 256;
/** Of these kept for what is not urgent: a revoke has to be stored before it is an ending, through a mass of others too. */
const MAX_OTHERS_BESIDE_URGENT = 64;

/** Gathers what is asked at one time into one durable commit. */
export interface CommitQueue {
  /**
   * Runs `work` after everything queued before it; resolves once its commit is on disk. A work that throws is undone
   * alone. A commit that fails rejects all of its works.
   */
  run<T>(work: () => T): Promise<T>;
  /** The same, before what is not urgent, of which each commit takes a share: an ending does not wait behind a thousand new jobs. */
  runUrgently<T>(work: () => T): Promise<T>;
  /** Reads at once what was committed so far, and waits behind nothing. */
  read<T>(work: () => T): Promise<T>;
  /** Commits what is queued, and refuses the rest as `closed`. */
  close(): void;
}

/** What goes with each transaction. */
export interface CommitHooks {
  /** Called last in it. */
  sealing(): void;
  /** It is durable. Must not throw. */
  committed(): void;
  /** The disk is full: makes some room, and returns false where there is none left to make. */
  relieve(): boolean;
}

const NO_HOOKS: CommitHooks = { sealing: () => undefined, committed: () => undefined, relieve: () => false };

/** Told of each commit how many works were in it, and how long it took from its beginning until it was durable. */
export type OnCommit = (commit: { readonly works: number; readonly tookMs: number }) => void;

/** Tells the caller of a work what became of it, once the commit is durable. */
type Settle = () => void;

interface Queued {
  /** Runs inside the transaction; throws only if the whole transaction is lost. */
  attempt(): Settle;
  reject(error: LedgerError): void;
}

/**
 * Opens the queue of a database. One turn of the event loop later, whatever was queued by then is committed together:
 * an idle ledger writes at once, a busy one writes what came up during the last commit.
 */
export function commitQueue({
  database,
  hooks = NO_HOOKS,
  onCommit,
  onDamage = () => undefined,
  monotonicMs = () => performance.now(),
}: {
  database: Database;
  hooks?: CommitHooks | undefined;
  onCommit?: OnCommit | undefined;
  /** SQLite has met damage of the file, in a read or a commit. */
  onDamage?: ((error: LedgerError) => void) | undefined;
  monotonicMs?: () => number;
}): CommitQueue {
  const waiting = { urgent: new Array<Queued>(), others: new Array<Queued>() };
  let scheduled = false;
  let closed = false;

  const schedule = (): void => {
    if (scheduled || isIdle()) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      commitNext();
      schedule();
    });
  };

  const isIdle = (): boolean => waiting.urgent.length + waiting.others.length === 0;

  const commitNext = (): void => {
    const forOthers = Math.min(waiting.others.length, MAX_OTHERS_BESIDE_URGENT);
    const batch = waiting.urgent.splice(0, MAX_WORKS_PER_COMMIT - forOthers);
    batch.push(...waiting.others.splice(0, MAX_WORKS_PER_COMMIT - batch.length));
    if (batch.length === 0) return;
    const failure = commit(batch);
    if (failure === null) return;
    noticed(failure);
    // On a full disk what is small may still fit: an ending must not fail with a large neighbour.
    if (failure.fault === 'no_space' && batch.length > 1) for (const queued of batch) rejectIfFailed(queued, commit([queued]));
    else for (const queued of batch) rejectIfFailed(queued, failure);
  };

  const noticed = (failure: LedgerError): LedgerError => {
    if (isMetDamage(failure)) onDamage(failure);
    return failure;
  };

  /** Commits these works together; returns why they are not. */
  const commit = (batch: readonly Queued[]): LedgerError | null => {
    const beganMs = monotonicMs();
    // Ends: room is made from a reserve, which does.
    for (;;) {
      try {
        database.script('BEGIN IMMEDIATE');
        const settlements = batch.map((queued) => queued.attempt());
        hooks.sealing();
        database.script('COMMIT');
        hooks.committed();
        onCommit?.({ works: batch.length, tookMs: monotonicMs() - beganMs });
        for (const settle of settlements) settle();
        return null;
      } catch (error) {
        const failure = abandon(database, error);
        if (failure.fault !== 'no_space' || !hooks.relieve()) return failure;
      }
    }
  };

  const add = <T>(queue: Queued[], work: () => T): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      if (closed) return reject(closedError());
      queue.push({ attempt: () => attemptAlone(database, { work, resolve, reject: (error) => reject(noticed(error)) }), reject });
      schedule();
    });

  return {
    run: (work) => add(waiting.others, work),
    runUrgently: (work) => add(waiting.urgent, work),
    read: async (work) => {
      if (closed) throw closedError();
      try {
        return work();
      } catch (error) {
        throw noticed(ledgerErrorOf(error, 'read the ledger'));
      }
    },
    close: () => {
      closed = true;
      // Ends: nothing is queued any more.
      while (!isIdle()) commitNext();
    },
  };
}

/** Runs one work in a savepoint, so that its failure undoes nothing but itself. */
function attemptAlone<T>(
  database: Database,
  { work, resolve, reject }: { work: () => T; resolve: (value: T) => void; reject: (error: LedgerError) => void },
): Settle {
  database.run('SAVEPOINT work');
  try {
    const value = work();
    database.run('RELEASE work');
    return () => resolve(value);
  } catch (error) {
    // On a full disk or an I/O error SQLite may have rolled back everything (https://sqlite.org/lang_transaction.html).
    if (!database.inTransaction()) throw error;
    const failure = ledgerErrorOf(error, 'write the ledger');
    if (failure.fault === 'no_space') throw failure;
    database.script('ROLLBACK TO work; RELEASE work');
    return () => reject(failure);
  }
}

function closedError(): LedgerError {
  return new LedgerError('closed', 'the ledger is closed; nothing can be read or written any more');
}

function rejectIfFailed(queued: Queued, failure: LedgerError | null): void {
  if (failure !== null) queued.reject(failure);
}

function abandon(database: Database, error: unknown): LedgerError {
  try {
    if (database.inTransaction()) database.script('ROLLBACK');
  } catch (second) {
    return ledgerErrorOf(second, 'roll back the ledger');
  }
  return ledgerErrorOf(error, 'commit to the ledger');
}
