import type { AuditRecord } from '../../src/access/audit.ts';
import { type Grant, isLive } from '../../src/access/grant.ts';
import { type Instant, instant } from '../../src/access/instant.ts';
import { type Consequence, type Ledger, LedgerError, type Space } from '../../src/ledger/ledger.ts';
import {
  activeByExpiry,
  activeMemberships,
  appendAudit,
  attachedJobs,
  attachJobs,
  beginEnding,
  cloned,
  closeIntentsOf,
  closeOpenIntent,
  copyOf,
  deletePeriod,
  doubts,
  emptyState,
  forget,
  grantsById,
  heldMemberships,
  identityOf,
  isListed,
  keepServer,
  lastEnded,
  openIntent,
  openIntents,
  openJobs,
  pairState,
  raiseClockMark,
  renewLedger,
  replacedIntents,
  type State,
  saveGrant,
  savePeriod,
  savePlaceholder,
  useServer,
  writeConsequence,
} from './memory-ledger-state.ts';
import { pairHistory } from './memory-pair-history.ts';

/** A ledger without a disk: the port's rules in memory, and what tests need to make it fail or crash. */
export interface MemoryLedger extends Ledger {
  /** The next call of the method rejects with the error and changes nothing; calls add up. */
  failNext(method: keyof Ledger, error: LedgerError): void;
  /** The disk is full, or has room again. */
  setSpace(space: Space): void;
  /**
   * What a crash does: calls that have not resolved reject as `closed` and are lost, this ledger is of no more use,
   * and the one returned is what the next start finds.
   */
  crashAndReopen(): MemoryLedger;
  /** The same ledger opened again after `close`. */
  reopen(): MemoryLedger;
  auditRecords(): readonly AuditRecord[];
  /** Everything that would survive a crash now; not to be changed. */
  peek(): Readonly<State>;
}

/** Opens a new ledger in memory. Ledger ids are counted, so that runs are alike. */
export function memoryLedger({
  connectorId = 'connector-1',
  newLedgerId = countedLedgerIds(),
  now = () => instant(0),
}: {
  connectorId?: string;
  newLedgerId?: () => string;
  now?: () => Instant;
} = {}): MemoryLedger {
  const ledgerId = newLedgerId();
  const state = emptyState({ ledgerId, connectorId });
  appendAudit(state, { kind: 'ledger.created', at: now(), facts: { ledgerId, connectorId } });
  return openState(state, newLedgerId);
}

/** UUIDs that count from 1. */
export function countedLedgerIds(): () => string {
  let made = 0;
  return () => {
    made += 1;
    return `00000000-0000-4000-8000-${String(made).padStart(12, '0')}`;
  };
}

function openState(initial: State, newLedgerId: () => string): MemoryLedger {
  let state = initial;
  let closed = false;
  let crashed = false;
  let space: Space = 'ok';
  let queue: Promise<unknown> = Promise.resolve();
  const failures: { method: keyof Ledger; error: LedgerError }[] = [];

  /** One call, after all before it. */
  const read = <T>(method: keyof Ledger, work: (current: State) => T): Promise<T> => {
    if (closed) return Promise.reject(closedError());
    const planned = failures.findIndex((failure) => failure.method === method);
    const [failure] = planned === -1 ? [] : failures.splice(planned, 1);
    const turn = queue.then(() => {
      if (crashed) throw closedError();
      if (failure !== undefined) throw failure.error;
      return cloned(attempt(() => work(state)));
    });
    queue = turn.catch(() => undefined);
    return turn;
  };
  /** A call on a copy, which becomes the state if nothing was thrown. */
  const write = <T>(method: keyof Ledger, work: (draft: State) => T): Promise<T> =>
    read(method, (current) => {
      const draft = copyOf(current);
      const value = work(draft);
      state = draft;
      return value;
    });
  const change = <T>(method: keyof Ledger, consequence: Consequence, work: (draft: State) => T): Promise<T> =>
    write(method, (draft) => {
      const value = work(draft);
      writeConsequence(draft, consequence);
      return value;
    });
  const reopened = (): MemoryLedger => openState(copyOf(state), newLedgerId);

  return {
    failNext: (method, error) => failures.push({ method, error }),
    setSpace: (now) => {
      space = now;
    },
    crashAndReopen: () => {
      closed = true;
      crashed = true;
      return reopened();
    },
    reopen: reopened,
    auditRecords: () => state.audit.map(({ record }) => record),
    peek: () => state,

    space: () => read('space', () => space),
    identity: () => read('identity', identityOf),
    renew: (consequence) =>
      write('renew', (draft) => {
        renewLedger(draft, newLedgerId(), consequence.at);
        writeConsequence(draft, consequence);
        return identityOf(draft);
      }),

    job: (jobId) => read('job', ({ jobs }) => jobs.get(jobId) ?? null),
    storeJob: (job, consequence) =>
      change('storeJob', consequence, ({ jobs }) => {
        if (jobs.has(job.jobId)) throw new LedgerError('conflict', `job ${job.jobId} is stored already`);
        jobs.set(job.jobId, cloned({ ...job, attempts: 0, result: null }));
      }),
    countAttempts: (jobIds) =>
      write('countAttempts', ({ jobs }) => {
        for (const jobId of jobIds) {
          const job = jobs.get(jobId);
          if (job !== undefined) jobs.set(jobId, { ...job, attempts: job.attempts + 1 });
        }
      }),
    attachedJobs: (grantId) => read('attachedJobs', (draft) => attachedJobs(draft, grantId)),
    attach: (jobId, grantId, consequence) => change('attach', consequence, (draft) => attachJobs(draft, [jobId], grantId)),
    tell: (consequence) => change('tell', consequence, () => undefined),

    known: (grantId) =>
      read('known', ({ grants, revokes }) => ({
        grant: grants.get(grantId) ?? null,
        revokedBefore: revokes.has(grantId),
      })),
    rememberRevoke: (grantId, consequence) =>
      change('rememberRevoke', consequence, ({ revokes }) => {
        revokes.set(grantId, consequence.at);
      }),
    savePending: (grant, attach, consequence) =>
      change('savePending', consequence, (draft) => {
        saveGrant(draft, grant);
        attachJobs(draft, attach, grant.grantId);
      }),
    failGrant: (grant, consequence) =>
      change('failGrant', consequence, (draft) => {
        saveGrant(draft, grant);
        closeIntentsOf(draft, grant.grantId, consequence.at);
      }),

    pairState: (pair) => read('pairState', (draft) => pairState(draft, pair)),
    pairHistory: (pair) => read('pairHistory', (draft) => pairHistory(draft, pair)),
    openIntent: (intent, { period, replaces, grant }, consequence) =>
      change('openIntent', consequence, (draft) => {
        if (grant !== undefined) saveGrant(draft, grant);
        if (period !== null) savePeriod(draft, period, consequence.at);
        return openIntent(draft, intent, { replaces, at: consequence.at });
      }),
    closeIntent: (intentId, consequence) =>
      change('closeIntent', consequence, (draft) => closeOpenIntent(draft, intentId, consequence.at)),
    savePeriod: (period, consequence) => change('savePeriod', consequence, (draft) => savePeriod(draft, period, consequence.at)),
    activate: ({ grant, period, intentId, placeholder }, consequence) =>
      change('activate', consequence, (draft) => {
        saveGrant(draft, grant);
        savePeriod(draft, period, consequence.at);
        if (intentId !== null) closeOpenIntent(draft, intentId, consequence.at);
        if (placeholder !== null) savePlaceholder(draft, placeholder);
      }),
    beginEnding: (grant, attach, consequence) =>
      change('beginEnding', consequence, (draft) => {
        saveGrant(draft, grant);
        attachJobs(draft, attach, grant.grantId);
      }),
    end: ({ grant, period, placeholder, absence = null }, consequence) =>
      change('end', consequence, (draft) => {
        saveGrant(draft, grant);
        if (absence !== null) draft.absences.set(grant.grantId, cloned(absence));
        closeIntentsOf(draft, grant.grantId, consequence.at);
        if (period === null) deletePeriod(draft, grant.pair);
        else savePeriod(draft, period, consequence.at);
        if (placeholder !== null) savePlaceholder(draft, placeholder);
      }),

    endAgain: ({ grant, period }, consequence) =>
      change('endAgain', consequence, (draft) => {
        if (draft.grants.get(grant.grantId)?.state !== 'ended')
          throw new LedgerError('conflict', `grant ${grant.grantId} has not ended; it cannot end again`);
        draft.grants.set(grant.grantId, grant);
        savePeriod(draft, period, consequence.at);
      }),
    beginEndings: (endings) =>
      write('beginEndings', (draft) => endings.filter((one) => beginEnding(draft, one)).map(({ grant }) => grant.grantId)),
    endingState: ({ grantId, pair }) =>
      read('endingState', (draft) => {
        const found = pairState(draft, pair);
        const grant = found.grants.find((one) => one.grantId === grantId);
        return grant?.state === 'ending' ? { grant, jobs: attachedJobs(draft, grantId), pair: found } : null;
      }),
    dueGrants: (now, limit) =>
      read('dueGrants', (draft) =>
        activeByExpiry(draft)
          .filter(({ expiresAt }) => expiresAt <= now)
          .slice(0, limit),
      ),
    nextExpiry: () => read('nextExpiry', (draft) => activeByExpiry(draft)[0]?.expiresAt ?? null),
    countOwnershipUnknown: () =>
      read(
        'countOwnershipUnknown',
        ({ grants }) => [...grants.values()].filter((grant) => isLive(grant) && grant.standing === 'unknown').length,
      ),
    countOpenGrants: ({ groupId, limit }) =>
      read('countOpenGrants', ({ grants }) => {
        const isOpen = ({ state: has }: Grant) => has === 'pending' || has === 'active' || has === 'ending';
        const open = [...grants.values()].filter((grant) => isOpen(grant) && grant.pair?.group.id === groupId);
        return Math.min(open.length, limit);
      }),
    groupsOfOpenGrants: () =>
      read('groupsOfOpenGrants', ({ grants }) => {
        const open = [...grants.values()].filter(({ state: has }) => has === 'pending' || has === 'active' || has === 'ending');
        return [...new Set(open.flatMap(({ pair }) => (pair === null ? [] : [pair.group.id])))].toSorted();
      }),
    heldMemberships: ({ after, limit }) =>
      read('heldMemberships', (draft) =>
        heldMemberships(draft)
          .filter(({ userId, groupId }) => after === null || `${userId}/${groupId}` > `${after.userId}/${after.groupId}`)
          .slice(0, limit),
      ),
    activeMemberships: ({ after, limit }) =>
      read('activeMemberships', (draft) =>
        activeMemberships(draft)
          .filter(({ grantId }) => after === null || grantId > after)
          .slice(0, limit),
      ),
    unfinished: () =>
      read('unfinished', (draft) => ({
        jobs: openJobs(draft),
        pending: grantsById(draft).filter((grant) => grant.state === 'pending'),
        ending: grantsById(draft).filter((grant) => grant.state === 'ending'),
        intents: openIntents(draft),
      })),
    census: () =>
      read('census', (draft) => {
        const count = (wanted: Grant['state']) => grantsById(draft).filter(({ state: has }) => has === wanted).length;
        const since = grantsById(draft).flatMap((grant) => (grant.state === 'ending' ? [grant.since] : []));
        return {
          pending: count('pending'),
          active: count('active'),
          ending: count('ending'),
          endingSince: since.toSorted((one, other) => one - other)[0] ?? null,
          openJobs: openJobs(draft).length,
        };
      }),
    replacedIntents: (since) => read('replacedIntents', (draft) => replacedIntents(draft, since)),
    doubts: (since) => read('doubts', (draft) => doubts(draft, since)),
    lastEnded: (pair) => read('lastEnded', (draft) => lastEnded(draft, pair)),
    decideDoubts: ({ intentIds, change: of }) =>
      write('decideDoubts', (draft) => {
        if (of !== draft.server.change) return;
        for (const id of intentIds) if (draft.doubts.has(id)) draft.doubts.set(id, { isDecided: true });
      }),
    listGrants: ({ endedSince, after, limit }) =>
      read('listGrants', (draft) =>
        grantsById(draft)
          .filter((grant) => isListed(grant, endedSince) && (after === null || grant.grantId > after))
          .slice(0, limit),
      ),

    events: ({ after, limit }) => read('events', ({ events }) => events.filter(({ seq }) => seq > after).slice(0, limit)),
    acknowledge: (seq) =>
      write('acknowledge', (draft) => {
        if (seq >= draft.nextSeq) throw new LedgerError('conflict', `event ${seq} was never numbered`);
        draft.events = draft.events.filter((event) => event.seq > seq);
      }),

    auditHead: () => read('auditHead', ({ auditHead }) => auditHead),
    auditOf: ({ grantId, after, limit }) =>
      read('auditOf', ({ audit }) =>
        audit.filter(({ seq, record }) => record.grantId === grantId && seq > after).slice(0, limit),
      ),
    clockMark: () => read('clockMark', ({ clockMark }) => clockMark),
    advanceClock: (mark) => write('advanceClock', (draft) => raiseClockMark(draft, mark)),
    acceptClock: (mark, consequence) =>
      change('acceptClock', consequence, (draft) => {
        draft.clockMark = mark;
      }),
    pausedSince: () => read('pausedSince', ({ pausedSince }) => pausedSince),
    pause: (since, consequence) =>
      change('pause', consequence, (draft) => {
        draft.pausedSince = since;
      }),
    policyNotes: () =>
      read('policyNotes', ({ policyNotes }) =>
        [...policyNotes]
          .map(([subject, { note }]) => ({ subject, note }))
          .toSorted((one, other) => (one.subject < other.subject ? -1 : 1)),
      ),
    bindRefusal: () => read('bindRefusal', ({ bindRefusal }) => bindRefusal),
    saveBindRefusal: (refusal) =>
      write('saveBindRefusal', (draft) => {
        draft.bindRefusal = refusal;
      }),
    keepBase: (found) =>
      write('keepBase', (draft) => {
        const isFree = [...draft.grants.values()].every((grant) => grant.state === 'ended' || grant.state === 'failed');
        if (draft.base === null || isFree) draft.base = found;
        return draft.base;
      }),
    keepServer: (used) => write('keepServer', (draft) => keepServer(draft, used)),
    useServer: (at) => write('useServer', (draft) => useServer(draft, at)),

    forget: (before) => write('forget', (draft) => forget(draft, before)),
    close: async () => {
      closed = true;
      await queue;
    },
  };
}

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof LedgerError) throw error;
    throw new LedgerError('failed', `could not write the ledger: ${String(error)}`, { cause: error });
  }
}

function closedError(): LedgerError {
  return new LedgerError('closed', 'the ledger is closed; nothing can be written any more');
}
