import { endGrant, type LiveGrant } from '../access/grant.ts';
import type { EntryId, GrantId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import { DirectoryError, type GroupEntry } from '../directory/directory.ts';
import type { EndingToBegin } from '../ledger/ledger.ts';
import type { EngineParts } from './engine-parts.ts';
import { logTrip, type PolicyTrip, tripRecords } from './policy-trips.ts';
import { protectionOf } from './protection.ts';

/** Finds out which groups have become protected while grants of them are active, and ends those. */
export interface ProtectionWatch {
  /** Looks at every group that has an open grant. Where a look is under way, another follows it. */
  look(): void;
  /** Looks at this one: a grant of it has become active whose group nobody has judged since it was written. */
  lookAt(groupId: EntryId): void;
  /** Begins no further look; resolves when the one begun is over. */
  stop(): Promise<void>;
}

/** Grants that begin to end in one transaction, and rows that are read at a time. */
const BATCH = 500;

/** What then is still not known is left to the next look that somebody asks for. */
const MOST_LOOKS = 5;

/** Until the next look, where the directory had no answer. */
const AGAIN_AFTER_MS = 60_000;

/** The groups that are to be looked at: of all open grants, or these. */
type Wanted = 'all' | ReadonlySet<EntryId>;

function both(one: Wanted, other: Wanted): Wanted {
  return one === 'all' || other === 'all' ? 'all' : new Set([...one, ...other]);
}

/** A group that has become protected, and the sentence that says so. */
interface NowProtected {
  readonly group: GroupEntry;
  readonly why: string;
}

/**
 * One question for each group that has active grants, one after the other, in a queue of its own: endings and grants have the directory
 * nearly to themselves. What could not be read ends nothing.
 */
export function protectionWatch(
  parts: EngineParts,
  steps: { onEnding(grant: Pick<LiveGrant, 'grantId' | 'pair'>): void; onTold(): void },
): ProtectionWatch {
  const { ledger, directory, clock, log, signal, protectedGroups } = parts;
  let looking: Promise<void> | null = null;
  let isAskedAgain = false;
  let wanted: Wanted = new Set();
  let left = MOST_LOOKS;
  let cancelRest = (): void => undefined;
  let stopped = false;

  function begin(): void {
    if (stopped) return;
    cancelRest();
    if (looking !== null) {
      isAskedAgain = true;
      return;
    }
    looking = rounds().finally(() => {
      looking = null;
    });
  }

  /** Bounded by who asks. */
  async function rounds(): Promise<void> {
    do {
      isAskedAgain = false;
      left -= 1;
      const taken = wanted;
      wanted = new Set();
      const isKnown = await safely(taken);
      if (!isKnown) wanted = both(wanted, taken);
      if (isKnown || isAskedAgain || stopped || left <= 0) continue;
      cancelRest = clock.timer(AGAIN_AFTER_MS, begin);
    } while (isAskedAgain && !stopped);
  }

  /** False where the directory or the ledger had no answer for something. */
  async function safely(taken: Wanted): Promise<boolean> {
    try {
      const { found, unknown, error } = await round(taken);
      if (found.size > 0) await endAll(found);
      if (unknown === 0 || stopped) return true;
      // Told once for all the looks that follow one another.
      log[left === MOST_LOOKS - 1 ? 'warn' : 'debug'](
        { event: 'policy.not-checked', groups: unknown, error },
        'whether groups with active grants have become protected could not be told; their grants stay, and they are looked at again',
      );
    } catch (error) {
      if (stopped) return true;
      const level = error instanceof DirectoryError ? 'debug' : 'error';
      log[level]({ event: 'policy.not-checked', error }, 'whether groups have become protected could not be looked at');
    }
    return false;
  }

  async function round(taken: Wanted) {
    const found = new Set<EntryId>();
    const result = { found, unknown: 0, error: null as DirectoryError | null };
    /** False where there is no answer at all: there will be none for the others. */
    const isAnswered = (error: unknown): boolean => {
      if (!(error instanceof DirectoryError)) throw error;
      result.unknown += 1;
      result.error ??= error;
      return !isAway(error);
    };
    // One name that must not be looked up hides nothing of what is known to be protected.
    const resolved = taken === 'all' ? protectedGroups.resolveAnew(signal) : protectedGroups.resolve(signal);
    await resolved.catch((error: unknown) => {
      if (!isAnswered(error)) throw error;
    });
    for (const id of taken === 'all' ? await ledger.groupsOfOpenGrants() : taken) {
      if (stopped) return result;
      try {
        if ((await judged(id)) !== null) found.add(id);
      } catch (error) {
        if (!isAnswered(error)) return result;
      }
    }
    return result;
  }

  async function judged(id: EntryId): Promise<NowProtected | null> {
    const group = await directory.locateGroup(id, signal);
    const why = group === null ? null : await protectionOf(parts, group);
    return group === null || why === null ? null : { group, why };
  }

  async function* pages() {
    let after: GrantId | null = null;
    // Ends: each turn goes on behind the last.
    for (;;) {
      const some: Awaited<ReturnType<typeof ledger.activeMemberships>> = await ledger.activeMemberships({ after, limit: BATCH });
      yield some;
      after = some.at(-1)?.grantId ?? null;
      if (some.length < BATCH) return;
    }
  }

  /** Judged anew right before: a round may be long, and no grant ends for what was so when it began. */
  async function endAll(found: ReadonlySet<EntryId>): Promise<void> {
    const told = new Set<EntryId>();
    for await (const some of pages()) {
      for (const id of found) {
        const grantIds = some.filter(({ pair }) => pair.group.id === id).map(({ grantId }) => grantId);
        const one = grantIds.length === 0 || stopped ? null : await judged(id);
        if (one !== null) await endThose(grantIds, { ...one, told });
      }
    }
  }

  /** Those at which nothing is at work together, then each of the others when it is free. */
  async function endThose(grantIds: readonly GrantId[], one: NowProtected & { told: Set<EntryId> }): Promise<void> {
    const isBusy = (grantId: GrantId): boolean => parts.locks.isHeld(`grant:${grantId}`);
    const busy = grantIds.filter(isBusy);
    await endTogether(
      grantIds.filter((grantId) => !busy.includes(grantId)),
      one,
    );
    for (const grantId of busy) await endTogether([grantId], one);
  }

  /** In one transaction with what is told of it, so that it is told once wherever the process dies. */
  async function endTogether(
    grantIds: readonly GrantId[],
    { group, why, told }: NowProtected & { told: Set<EntryId> },
  ): Promise<void> {
    if (grantIds.length === 0 || stopped) return;
    const over = Promise.withResolvers<void>();
    const held = grantIds.map((grantId) => heldUntil(grantId, over.promise));
    try {
      await Promise.all(held.map(({ begun }) => begun));
      const at = parts.time.now();
      const trip: PolicyTrip = { rule: 'protected_group', subject: group.id, detail: `grants of a group end: ${why}` };
      const endings: EndingToBegin[] = [];
      for (const grantId of grantIds) {
        const ending = await endingOf(grantId, { group, why, at });
        const isFirst = endings.length === 0 && !told.has(group.id);
        if (ending !== null) endings.push(isFirst ? withTrip(ending, trip) : ending);
      }
      if (endings.length === 0) return;
      const begun = new Set(await ledger.beginEndings(endings));
      if (!told.has(group.id) && endings[0] !== undefined && begun.has(endings[0].grant.grantId)) {
        told.add(group.id);
        logTrip(log, trip);
      }
      for (const { grant } of endings) {
        if (!begun.has(grant.grantId)) continue;
        parts.failPoints('end.stored');
        steps.onEnding(grant);
      }
      steps.onTold();
    } finally {
      over.resolve();
      await Promise.all(held.map(({ ended }) => ended));
    }
  }

  function heldUntil(grantId: GrantId, over: Promise<void>) {
    const begun = Promise.withResolvers<void>();
    const ended = parts.locks.run(`grant:${grantId}`, 'ending', async () => {
      begun.resolve();
      await over;
    });
    return { begun: begun.promise, ended };
  }

  /** Null where the grant is no longer active, of another group by now, or due. */
  async function endingOf(
    grantId: GrantId,
    { group, why, at }: Pick<NowProtected, 'group' | 'why'> & { at: Instant },
  ): Promise<EndingToBegin | null> {
    const { grant } = await ledger.known(grantId);
    if (grant?.state !== 'active' || grant.pair.group.id !== group.id || grant.expiresAt <= at) return null;
    const facts = { cause: 'policy', reason: why, since: at };
    return {
      grant: endGrant(grant, 'policy', at),
      consequence: { at, audit: [{ kind: 'grant.ending', at, grantId, pair: grant.pair, facts }] },
    };
  }

  return {
    look() {
      wanted = 'all';
      left = MOST_LOOKS;
      begin();
    },
    lookAt(groupId) {
      wanted = both(wanted, new Set([groupId]));
      left = MOST_LOOKS;
      begin();
    },
    async stop() {
      stopped = true;
      cancelRest();
      await looking;
    },
  };
}

function isAway({ fault }: DirectoryError): boolean {
  return fault === 'unavailable' || fault === 'bind_refused';
}

function withTrip({ grant, consequence }: EndingToBegin, trip: PolicyTrip): EndingToBegin {
  const { events, audit } = tripRecords({ ...trip, grantId: grant.grantId, pair: grant.pair }, consequence.at);
  return {
    grant,
    consequence: { ...consequence, events: [...events, ...(consequence.events ?? [])], audit: [...audit, ...consequence.audit] },
  };
}
