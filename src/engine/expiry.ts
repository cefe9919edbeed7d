import { endGrant } from '../access/grant.ts';
import type { GrantId } from '../access/ids.ts';
import type { EngineParts } from './engine-parts.ts';

export interface Expiry {
  start(): void;
  /** An end may have come sooner: looks at the ledger again. */
  rearm(): void;
  stop(): void;
}

/** Never armed longer ahead: `setTimeout` does not count suspended time, and the wall clock may be stepped (ARCHITECTURE, Time). */
const LONGEST_WAIT_MS = 1000;

/** Due grants taken from the ledger at a time. */
const BATCH = 500;

/** Ends what is due. One timer, armed to the earliest end; when it fires the ledger is asked, so that no grant has a timer of its own. */
export function expiry(parts: EngineParts, onEnding: (grantId: GrantId) => void): Expiry {
  const { ledger, clock, time, log, locks, failPoints } = parts;
  let cancelTimer = (): void => undefined;
  let looking = false;
  let lookAgain = false;
  let stopped = false;

  async function look(): Promise<void> {
    if (looking) {
      lookAgain = true;
      return;
    }
    looking = true;
    try {
      do {
        lookAgain = false;
        await endDue();
      } while (lookAgain && !stopped);
      await arm();
    } catch (error) {
      if (stopped) return;
      log.error({ event: 'expiry.failed', error }, 'could not look for due grants; trying again');
      cancelTimer = clock.timer(LONGEST_WAIT_MS, () => void look());
    } finally {
      looking = false;
    }
  }

  async function endDue(): Promise<void> {
    for (;;) {
      const due = await ledger.dueGrants(time.now(), BATCH);
      await Promise.all(due.map(({ grantId }) => endIfDue(grantId)));
      if (due.length < BATCH || stopped) return;
    }
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
    const untilMs = next === null ? LONGEST_WAIT_MS : next - time.now();
    cancelTimer();
    cancelTimer = clock.timer(Math.max(0, Math.min(untilMs, LONGEST_WAIT_MS)), () => void look());
  }

  return {
    start: () => void look(),
    rearm: () => void look(),
    stop() {
      stopped = true;
      cancelTimer();
    },
  };
}
