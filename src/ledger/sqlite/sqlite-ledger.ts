import type { Consequence, Ledger, LedgerError, Space } from '../ledger.ts';
import { readAuditHead, readAuditOf } from './audit.ts';
import { type CommitHooks, type CommitQueue, commitQueue, type OnCommit } from './commit-queue.ts';
import { writeConsequence } from './consequence.ts';
import type { Database } from './database.ts';
import { beginEnding, findEndingState, findPairState } from './endings.ts';
import { acknowledgeEvents, readEvents, renewLedger } from './events.ts';
import {
  countOpenGrants,
  countOwnershipUnknown,
  countUnfinished,
  findKnown,
  findLastEnded,
  insertRevoke,
  readActiveMemberships,
  readDueGrants,
  readEndingGrants,
  readGrants,
  readGroupsOfOpenGrants,
  readHeldMemberships,
  readNextExpiry,
  readPendingGrants,
  reopenGrant,
  saveGrant,
} from './grants.ts';
import {
  findServer,
  keepBase,
  keepServer,
  raiseClockMark,
  readBindRefusal,
  readClockMark,
  readIdentity,
  readPause,
  setClockMark,
  useServer,
  writeBindRefusal,
  writePause,
} from './identity.ts';
import {
  closeIntentsOf,
  closeOpenIntent,
  decideDoubts,
  insertIntent,
  readDoubts,
  readOpenIntents,
  readReplacedIntents,
} from './intents.ts';
import { attachJobs, countJobAttempts, findJob, insertJob, readAttachedJobs, readOpenJobs } from './jobs.ts';
import { findPairHistory, saveAbsence } from './pair-histories.ts';
import { deletePeriod, savePeriod, savePlaceholder } from './periods.ts';
import { readPolicyNotes } from './policy-notes.ts';
import { forgetSome } from './retention.ts';

/** What a ledger is made of: its open database, whose tables are up to date, and what goes with it when it closes. */
export interface SqliteLedgerParts {
  readonly database: Database;
  readonly hooks?: CommitHooks | undefined;
  readonly space: () => Space;
  readonly newLedgerId: () => string;
  readonly onCommit?: OnCommit | undefined;
  /** SQLite has met damage of the file. */
  readonly onDamage?: ((error: LedgerError) => void) | undefined;
  /** Closes the database, and what goes with it. */
  readonly release: () => void;
}

/**
 * The ledger in a SQLite file. What changes it is queued, endings first; what is asked for at one time shares one commit. What
 * only reads waits for nobody.
 */
export function sqliteLedger({ database, hooks, space, newLedgerId, onCommit, onDamage, release }: SqliteLedgerParts): Ledger {
  const queue = commitQueue({ database, hooks, onCommit, onDamage });
  let closed = false;
  /** A change and what follows from it, in one work. */
  const change: Change = (consequence, work, isEnding = false) => {
    const whole = () => {
      const value = work();
      writeConsequence(database, consequence);
      return value;
    };
    return isEnding ? queue.runUrgently(whole) : queue.run(whole);
  };

  return {
    space: async () => space(),
    identity: () => queue.read(() => readIdentity(database)),
    renew: (consequence) =>
      queue.run(() => {
        renewLedger(database, { ledgerId: newLedgerId(), at: consequence.at });
        writeConsequence(database, consequence);
        return readIdentity(database);
      }),
    ...jobMethods(database, queue, change),
    ...grantMethods(database, queue, change),
    ...membershipMethods(database, queue, change),

    events: (query) => queue.read(() => readEvents(database, query)),
    auditHead: () => queue.read(() => readAuditHead(database)),
    auditOf: (query) => queue.read(() => readAuditOf(database, query)),
    acknowledge: (seq) => queue.run(() => acknowledgeEvents(database, seq)),
    clockMark: () => queue.read(() => readClockMark(database)),
    advanceClock: (mark) => queue.run(() => raiseClockMark(database, mark)),
    acceptClock: (mark, consequence) => change(consequence, () => setClockMark(database, mark)),
    pausedSince: () => queue.read(() => readPause(database)),
    pause: (since, consequence) => change(consequence, () => writePause(database, since)),
    policyNotes: () => queue.read(() => readPolicyNotes(database)),
    bindRefusal: () => queue.read(() => readBindRefusal(database)),
    saveBindRefusal: (refusal) => queue.run(() => writeBindRefusal(database, refusal)),
    keepBase: (found) => queue.run(() => keepBase(database, found)),
    // Each new session asks, and the same server needs no room on the disk.
    keepServer: async (used) =>
      (await queue.read(() => findServer(database, used.server))) ?? (await queue.run(() => keepServer(database, used))),

    useServer: (at) => queue.run(() => useServer(database, at)),

    forget: async (before) => {
      let forgotten = 0;
      // Ends when a turn finds nothing older than `before`; new rows are never older.
      for (;;) {
        const some = await queue.run(() => forgetSome(database, before));
        if (some === 0) return forgotten;
        forgotten += some;
      }
    },
    close: async () => {
      if (closed) return;
      closed = true;
      try {
        queue.close();
      } finally {
        release();
      }
    },
  };
}

type Change = <T>(consequence: Consequence, work: () => T, isEnding?: boolean) => Promise<T>;

function jobMethods(
  database: Database,
  queue: CommitQueue,
  change: Change,
): Pick<Ledger, 'job' | 'storeJob' | 'countAttempts' | 'attachedJobs' | 'attach' | 'tell'> {
  return {
    job: (jobId) => queue.read(() => findJob(database, jobId)),
    storeJob: (job, consequence) => change(consequence, () => insertJob(database, job)),
    countAttempts: (jobIds) => queue.run(() => countJobAttempts(database, jobIds)),
    attachedJobs: (grantId) => queue.read(() => readAttachedJobs(database, grantId)),
    attach: (jobId, grantId, consequence) => change(consequence, () => attachJobs(database, [jobId], grantId)),
    tell: (consequence) => change(consequence, () => undefined),
  };
}

function grantMethods(
  database: Database,
  queue: CommitQueue,
  change: Change,
): Pick<
  Ledger,
  | 'known'
  | 'rememberRevoke'
  | 'savePending'
  | 'failGrant'
  | 'beginEnding'
  | 'beginEndings'
  | 'endingState'
  | 'endAgain'
  | 'dueGrants'
  | 'nextExpiry'
  | 'unfinished'
  | 'census'
  | 'replacedIntents'
  | 'doubts'
  | 'decideDoubts'
  | 'lastEnded'
  | 'countOwnershipUnknown'
  | 'countOpenGrants'
  | 'groupsOfOpenGrants'
  | 'heldMemberships'
  | 'activeMemberships'
  | 'listGrants'
> {
  return {
    known: (grantId) => queue.read(() => findKnown(database, grantId)),
    rememberRevoke: (grantId, consequence) => change(consequence, () => insertRevoke(database, grantId, consequence.at)),
    savePending: (grant, attach, consequence) =>
      change(consequence, () => {
        saveGrant(database, grant);
        attachJobs(database, attach, grant.grantId);
      }),
    failGrant: (grant, consequence) =>
      change(consequence, () => {
        saveGrant(database, grant);
        closeIntentsOf(database, grant.grantId, consequence.at);
      }),
    beginEnding: (grant, attach, consequence) =>
      change(
        consequence,
        () => {
          saveGrant(database, grant);
          attachJobs(database, attach, grant.grantId);
        },
        true,
      ),
    beginEndings: (endings) =>
      queue.run(() => endings.filter((one) => beginEnding(database, one)).map(({ grant }) => grant.grantId)),
    endAgain: ({ grant, period }, consequence) =>
      change(
        consequence,
        () => {
          reopenGrant(database, grant);
          savePeriod(database, period, consequence.at);
        },
        true,
      ),
    endingState: (ending) => queue.read(() => findEndingState(database, ending)),
    dueGrants: (now, limit) => queue.read(() => readDueGrants(database, { now, limit })),
    nextExpiry: () => queue.read(() => readNextExpiry(database)),
    unfinished: () =>
      queue.read(() => ({
        jobs: readOpenJobs(database),
        pending: readPendingGrants(database),
        ending: readEndingGrants(database),
        intents: readOpenIntents(database),
      })),
    census: () => queue.read(() => countUnfinished(database)),
    replacedIntents: (since) => queue.read(() => readReplacedIntents(database, since)),
    doubts: (since) => queue.read(() => readDoubts(database, since)),
    decideDoubts: (doubts) => queue.run(() => decideDoubts(database, doubts)),
    lastEnded: (pair) => queue.read(() => findLastEnded(database, pair)),
    countOwnershipUnknown: () => queue.read(() => countOwnershipUnknown(database)),
    countOpenGrants: (query) => queue.read(() => countOpenGrants(database, query)),
    groupsOfOpenGrants: () => queue.read(() => readGroupsOfOpenGrants(database)),
    heldMemberships: (query) => queue.read(() => readHeldMemberships(database, query)),
    activeMemberships: (query) => queue.read(() => readActiveMemberships(database, query)),
    listGrants: (query) => queue.read(() => readGrants(database, query)),
  };
}

function membershipMethods(
  database: Database,
  queue: CommitQueue,
  change: Change,
): Pick<Ledger, 'pairState' | 'pairHistory' | 'openIntent' | 'closeIntent' | 'savePeriod' | 'activate' | 'end'> {
  return {
    pairState: (pair) => queue.read(() => findPairState(database, pair)),
    pairHistory: (pair) => queue.read(() => findPairHistory(database, pair)),
    openIntent: (intent, { period, replaces, grant }, consequence) =>
      change(
        consequence,
        () => {
          if (grant !== undefined) saveGrant(database, grant);
          if (period !== null) savePeriod(database, period, consequence.at);
          return insertIntent(database, intent, { replaces, at: consequence.at });
        },
        intent.kind === 'remove',
      ),
    closeIntent: (intentId, consequence) => change(consequence, () => closeOpenIntent(database, intentId, consequence.at)),
    savePeriod: (period, consequence) => change(consequence, () => savePeriod(database, period, consequence.at)),
    activate: ({ grant, period, intentId, placeholder }, consequence) =>
      change(consequence, () => {
        saveGrant(database, grant);
        savePeriod(database, period, consequence.at);
        if (intentId !== null) closeOpenIntent(database, intentId, consequence.at);
        if (placeholder !== null) savePlaceholder(database, placeholder);
      }),
    end: ({ grant, period, placeholder, absence = null }, consequence) =>
      change(
        consequence,
        () => {
          saveGrant(database, grant);
          if (absence !== null) saveAbsence(database, grant.grantId, absence);
          closeIntentsOf(database, grant.grantId, consequence.at);
          if (period === null) deletePeriod(database, grant.pair);
          else savePeriod(database, period, consequence.at);
          if (placeholder !== null) savePlaceholder(database, placeholder);
        },
        true,
      ),
  };
}
