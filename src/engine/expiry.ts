import { type ActiveGrant, endGrant, type LiveGrant } from '../access/grant.ts';
import type { GrantId } from '../access/ids.ts';
import { type Instant, later } from '../access/instant.ts';
import { type EndingToBegin, LedgerError } from '../ledger/ledger.ts';
import type { EngineParts } from './engine-parts.ts';

export interface Expiry {
  start(): void;
  /** An active grant has this end: looks at the ledger again where that is sooner than it would have. */
  rearm(expiresAt: Instant): void;
  stop(): void;
  /** True while due grants cannot be looked for: the ledger does not answer. */
  failing(): boolean;
}

/** Never armed longer ahead: `setTimeout` does not count suspended time, and the wall clock may be stepped (ARCHITECTURE, Time). */
const LONGEST_WAIT_MS = 1000;

/** How long until the next look while something else is at work on a due grant. */
const BUSY_WAIT_MS = 100;

/** Due grants taken from the ledger at a time. */
const BATCH = 500;

/** Ends what is due. One timer, armed to the earliest end; when it fires the ledger is asked, so that no grant has a timer of its own. */
export function expiry(parts: EngineParts, onEnding: (grant: Pick<LiveGrant, 'grantId' | 'pair'>) => void): Expiry {
  const { ledger, clock, time, log, locks, failPoints } = parts;
  let cancelTimer = (): void => undefined;
  /** Due grants that something else is at work on: each is ended when that is over, and the others do not wait for it. */
  const busy = new Set<GrantId>();
  let looking = false;
  let lookAgain = false;
  let stopped = false;
  let failing = false;
  /** When the ledger is asked next; null while that is being found out. */
  let armedFor: Instant | null = null;

  async function look(): Promise<void> {
    if (stopped) return;
    if (looking) {
      lookAgain = true;
      return;
    }
    looking = true;
    try {
      do {
        lookAgain = false;
        armedFor = null;
        await endDue();
        await arm();
        failing = false;
      } while (lookAgain && !stopped);
    } catch (error) {
      tryAgain(error);
    } finally {
      looking = false;
    }
  }

  function tryAgain(error: unknown): void {
    if (stopped) return;
    failing = true;
    log.error({ event: 'expiry.failed', error }, 'could not look for due grants; trying again');
    cancelTimer();
    cancelTimer = clock.timer(LONGEST_WAIT_MS, () => void look());
  }

  async function endDue(): Promise<void> {
    for (;;) {
      const limit = BATCH + busy.size;
      const due = await ledger.dueGrants(time.now(), limit);
      const free: ActiveGrant[] = [];
      for (const grant of due) {
        const { grantId } = grant;
        if (busy.has(grantId)) continue;
        if (locks.isHeld(`grant:${grantId}`)) endWhenFree(grantId);
        else free.push(grant);
      }
      await endTogether(free);
      if (due.length < limit || stopped) return;
    }
  }

  /** All in one transaction; whichever has changed since it was read is left to the next look. Nothing else is at work on them. */
  async function endTogether(due: readonly ActiveGrant[]): Promise<void> {
    if (due.length === 0) return;
    const begun = Promise.withResolvers<void>();
    const held = due.map(({ grantId }) => locks.run(`grant:${grantId}`, 'ending', () => begun.promise));
    try {
      await begin(due);
    } finally {
      begun.resolve();
      await Promise.all(held);
    }
  }

  async function begin(due: readonly ActiveGrant[]): Promise<void> {
    const at = time.now();
    try {
      const begun = new Set(await ledger.beginEndings(due.map((grant) => toBegin(grant, at))));
      for (const grant of due) {
        if (!begun.has(grant.grantId)) continue;
        failPoints('end.stored');
        onEnding(grant);
      }
    } catch (error) {
      // What is small may still fit on a full disk, and one that cannot be written must not keep the others.
      if (!(error instanceof LedgerError) || due.length === 1) throw error;
      const alone = await Promise.allSettled(due.map((grant) => begin([grant])));
      const failed = alone.find((one) => one.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    }
  }

  function endWhenFree(grantId: GrantId): void {
    busy.add(grantId);
    endIfDue(grantId)
      .catch(tryAgain)
      .finally(() => busy.delete(grantId));
  }

  async function endIfDue(grantId: GrantId): Promise<void> {
    await locks.run(`grant:${grantId}`, 'ending', async () => {
      const { grant } = await ledger.known(grantId);
      const at = time.now();
      if (grant?.state !== 'active' || grant.expiresAt > at) return;
      await begin([grant]);
    });
  }

  async function arm(): Promise<void> {
    const next = await ledger.nextExpiry();
    if (stopped) return;
    const untilMs = next === null ? LONGEST_WAIT_MS : Math.max(0, Math.min(next - time.now(), LONGEST_WAIT_MS));
    cancelTimer();
    armedFor = later(time.now(), untilMs);
    // What is due and busy is not asked for again and again: it is ended as soon as it is free.
    cancelTimer = clock.timer(untilMs === 0 && busy.size > 0 ? BUSY_WAIT_MS : untilMs, () => void look());
  }

  return {
    failing: () => failing,
    start: () => void look(),
    rearm(expiresAt) {
      if (armedFor === null ? looking : expiresAt < armedFor) void look();
    },
    stop() {
      stopped = true;
      cancelTimer();
    },
  };
}

function toBegin(grant: ActiveGrant, at: Instant): EndingToBegin {
  const { grantId, pair, expiresAt } = grant;
  return {
    grant: endGrant(grant, 'expired', expiresAt),
    consequence: {
      at,
      audit: [{ kind: 'grant.ending', at, grantId, pair, facts: { cause: 'expired', since: expiresAt } }],
    },
  };
}
