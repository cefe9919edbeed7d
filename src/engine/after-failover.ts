import type { EndingGrant } from '../access/grant.ts';
import type { Instant } from '../access/instant.ts';
import type { Intent } from '../access/intent.ts';
import type { EngineParts } from './engine-parts.ts';
import { attemptRestore, attemptTakeOut } from './lost-writes.ts';
import type { Attempted, Pursuits } from './pursuits.ts';

/** How far back a server that takes over is compared with the ledger, and how long it may lag: for longer is a fault of its own. */
export const LOOK_BACK_MS = 15 * 60 * 1000;

/** A write that the server in use may not have, and the looks at it that are still to come. */
interface Doubt {
  readonly intent: Intent;
  readonly change: number;
  readonly left: Set<Look>;
}

type Look = 'restore' | 'take-out';

/** What follows when another directory server is in use. */
export interface AfterFailover {
  /** The session is a new process's first, or with another server than the last: each doubted membership is looked at. */
  tookOver(): void;
  /** Looks at an addition that a crash left open: no job waits for the restoring of what a failover lost. */
  restore(intent: Intent): void;
}

/**
 * Another directory server has taken over. Replication is asynchronous, so what was written and proved on the one before may
 * not be there, and never will be where that server is lost; nothing but a look tells. The ledger remembers which server is in use,
 * so it knows what was written before that one was, and neither a new session with it nor a restart doubts anything. Of the rest
 * every membership that was written within 15 minutes before that server was last in use, however long ago that is, is looked at
 * again, whatever LATCHKEY_DRIFT says, since what differs is a write of ours that was lost and no doing of anybody else:
 *
 * - an addition of ours that is not there is written again while its grant is active (`grant.drifted`, `restored`). Scope and
 *   policy are asked as for any write.
 * - a membership of ours that had ended and is there again is taken out again by the one path: the grant, which has ended, is
 *   ending once more (its end is not told a second time). So it is whether we took it out or it was found to be gone: a removal by
 *   somebody else, or a deletion, is lost as ours is. A person who put the same user into the same group between that removal and
 *   the look cannot be told from that; the doubt is decided against the access, since access that should have ended must not stand.
 *
 * Each is decided once for each change of servers, and the ledger remembers that too: who is put in by hand afterwards stays.
 *
 * What a server that only lags catches up with later does no harm to either: both writes are of the state that it comes to. But an
 * ending that does not find such an addition has to wait until it has come, or cannot any more.
 */
export function afterFailover(
  parts: EngineParts,
  {
    pursued,
    told,
    pursueEnding,
  }: {
    pursued: Pursuits;
    told: (attempt: Promise<Attempted>) => Promise<Attempted>;
    pursueEnding: (grant: EndingGrant) => void;
  },
): AfterFailover {
  const { ledger, log, time, doubtedAdditions, doubtedRemovals } = parts;
  const unknown = new Set<() => void>();

  /** Begins to look at each membership. Rejects where the ledger cannot say which they are, and then nothing has changed. */
  async function look(): Promise<void> {
    // Of a change of servers that comes while the ledger reads, it may know nothing yet.
    const known = [...unknown];
    const { change, intents, additions, moot } = await ledger.doubts((time.now() - LOOK_BACK_MS) as Instant);
    // Also where the look at it was over: a server that lags did not have it then either.
    for (const pair of additions) doubtedAdditions.doubt(pair);
    const doubts = intents.flatMap(({ intent, isDecided }): Doubt[] => {
      if (isDecided) return [];
      doubtedRemovals.doubt(intent.pair, change);
      return [{ intent, change, left: new Set<Look>(intent.kind === 'add' ? ['restore', 'take-out'] : ['take-out']) }];
    });
    for (const one of known) if (unknown.delete(one)) one();
    if (doubts.length > 0)
      log.info(
        { event: 'engine.looking-for-lost-writes', memberships: doubts.length },
        'another directory server has taken over: what was written shortly before is looked at again',
      );
    for (const doubt of doubts) {
      const { intent } = doubt;
      if (intent.kind === 'add')
        pursueRestore(intent, `restore:${intent.intentId}`, () =>
          looked(doubt, 'restore', () => attemptRestore(parts, { intent })),
        );
      pursued.pursue({
        key: `take-out:${intent.intentId}`,
        about: { grantId: intent.grantId },
        urgency: 'ending',
        attempt: () => told(looked(doubt, 'take-out', () => takeOut(doubt))),
      });
    }
    if (moot.length > 0)
      pursued.pursue({
        key: 'moot-doubts',
        urgency: 'ending',
        attempt: () => ledger.decideDoubts({ intentIds: moot, change }).then(() => ({ done: true })),
      });
  }

  async function takeOut({ intent, change }: Doubt): Promise<Attempted> {
    const attempted = await attemptTakeOut(parts, { intent, onEnding: pursueEnding });
    if (attempted.done) doubtedRemovals.seen(intent.pair, change);
    return attempted;
  }

  /** One look, made once: what is left where the ledger cannot write that it is over is only to write it. */
  async function looked({ intent, change, left }: Doubt, which: Look, attempt: () => Promise<Attempted>): Promise<Attempted> {
    const attempted: Attempted = left.has(which) ? await attempt() : { done: true };
    if (!attempted.done) return attempted;
    left.delete(which);
    if (left.size === 0) await ledger.decideDoubts({ intentIds: [intent.intentId], change });
    return attempted;
  }

  function pursueRestore({ grantId }: Intent, key: string, attempt: () => Promise<Attempted>): void {
    pursued.pursue({
      key,
      about: { grantId },
      urgency: 'grant',
      attempt: () => told(attempt()),
    });
  }

  return {
    tookOver() {
      // Until it is known which they are, no absence ends a grant, and no member is standing.
      unknown.add(doubtedAdditions.find());
      // At once and in no line: every ending that waits for a slot waits for this.
      look().catch(() =>
        pursued.pursue({ key: 'lost-writes', urgency: 'ending', attempt: () => look().then(() => ({ done: true })) }),
      );
    },
    restore: (intent) => pursueRestore(intent, `restore-open:${intent.intentId}`, () => attemptRestore(parts, { intent })),
  };
}
