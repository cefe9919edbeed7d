import { endGrant } from '../access/grant.ts';
import type { GrantId } from '../access/ids.ts';
import type { EngineParts } from './engine-parts.ts';

export interface Expiry {
  start(): void;
  /** An end may have come sooner: looks at the ledger again. */
  rearm(): void;
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
export function expiry(parts: EngineParts, onEnding: (grantId: GrantId) => void): Expiry {
  const { ledger, clock, time, log, locks, failPoints } = parts;
  let cancelTimer = (): void => undefined;
  /** Due grants that something else is at work on: each is ended when that is over, and the others do not wait for it. */
  const busy = new Set<GrantId>();
  let looking = false;
  let lookAgain = false;
  let stopped = false;
  let failing = false;

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
      const free: GrantId[] = [];
      for (const { grantId } of due) {
        if (busy.has(grantId)) continue;
        if (locks.isHeld(`grant:${grantId}`)) endWhenFree(grantId);
        else free.push(grantId);
      }
      await Promise.all(free.map(endIfDue));
      if (due.length < limit || stopped) return;
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
      await ledger.beginEnding(endGrant(grant, 'expired', grant.expiresAt), [], {
        at,
        audit: [{ kind: 'grant.ending', at, grantId, pair: grant.pair, facts: { cause: 'expired', since: grant.expiresAt } }],
      });
      failPoints('end.stored');
      onEnding(grantId);
    });
  }

  async function arm(): Promise<void> {
    const next = await ledger.nextExpiry();
    if (stopped) return;
    const untilMs = next === null ? LONGEST_WAIT_MS : Math.max(0, Math.min(next - time.now(), LONGEST_WAIT_MS));
    cancelTimer();
    // What is due and busy is not asked for again and again: it is ended as soon as it is free.
    cancelTimer = clock.timer(untilMs === 0 && busy.size > 0 ? BUSY_WAIT_MS : untilMs, () => void look());
  }

  return {
    failing: () => failing,
    start: () => void look(),
    rearm: () => void look(),
    stop() {
      stopped = true;
      cancelTimer();
    },
  };
}
