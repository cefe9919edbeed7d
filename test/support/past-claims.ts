import type { EntryId } from '../../src/access/ids.ts';
import type { Intent } from '../../src/access/intent.ts';
import type { Period } from '../../src/access/membership.ts';
import type { EngineUnderTest } from './engine-under-test.ts';

/** Which claims to a value are over, since it was written for the next user who goes by it. */
export interface PastClaims {
  /** The connector wrote that value by this intent, and not late. */
  wrote(intent: Intent, value: string): void;
  /**
   * True where the period of an earlier user claims the value in vain: all that was written for that one was settled before, and
   * nothing of it was there when the value was written for the user who goes by it now. Where a server took over nobody can
   * tell, nor where the earlier user had followed to that value by a rename.
   */
  isPast(period: Period, now: { readonly user: EntryId | undefined; readonly value: string }): boolean;
}

export function pastClaims(rig: EngineUnderTest): PastClaims {
  /** Intents and the value that each wrote. */
  const written = new Set<string>();
  return {
    wrote: ({ intentId }, value) => void written.add(`${intentId} ${value}`),
    isPast({ pair, metValues }, { user, value }) {
      const { intents, doubts } = rig.ledger.peek();
      if (user === undefined || pair.user.id === user || doubts.size > 0 || metValues.includes(value)) return false;
      const ofValue = [...intents.values()].filter(
        ({ intent }) => intent.pair.group.id === pair.group.id && intent.values.includes(value),
      );
      const next = ofValue.findLast(({ intent }) => intent.pair.user.id === user && written.has(`${intent.intentId} ${value}`));
      const earlier = ofValue.filter(({ intent }) => intent.pair.user.id === pair.user.id);
      if (next === undefined || earlier.length === 0) return false;
      return earlier.every(
        ({ intent, closedAt, isReplaced }) => closedAt !== null && !isReplaced && intent.intentId < next.intent.intentId,
      );
    },
  };
}
