import { type Instant, later } from '../access/instant.ts';
import type { SyncCounts } from '../access/sync.ts';
import type { HeldRun } from '../ledger/snapshots.ts';
import type { Removed } from './run-parts.ts';

/** What a run may do that would take so much from the control plane's picture. `empty`: what nobody can mean. */
export type RemovalsJudgement =
  | { readonly verdict: 'publish' }
  | { readonly verdict: 'empty' | 'held'; readonly message: string };

/** Removals that were held can be accepted for so long (CONFIGURATION, Sync). */
const ACCEPTED_WITHIN_MS = 86_400_000;

/** The held run of that id; undefined where none can be accepted. */
export function acceptable(runs: readonly HeldRun[], { syncId, now }: { syncId: string; now: Instant }): HeldRun | undefined {
  const since = later(now, -ACCEPTED_WITHIN_MS);
  return runs.find((held) => held.syncId === syncId && held.at >= since);
}

/** Without a picture to compare with: so many fewer there are at least. */
export function fewerThan(published: SyncCounts, counts: SyncCounts): Removed {
  const fewer = (kind: keyof Removed): number => Math.max(0, published[kind] - counts[kind]);
  return { users: fewer('users'), groups: fewer('groups'), memberships: fewer('memberships') };
}

/** Fewer are never held, whatever share of the whole they are (CONFIGURATION, Sync). */
const NEVER_HELD = 10;

/**
 * A directory that has lost much at once is more often one that cannot be read whole than one that was cleared. `accepted` is the
 * held run that a person has looked at: its counts may be removed, and no more.
 */
export function judgeRemovals({
  published,
  counts,
  removed,
  maxPercent,
  accepted,
}: {
  published: SyncCounts;
  counts: SyncCounts;
  removed: Removed;
  maxPercent: number;
  accepted: HeldRun | null;
}): RemovalsJudgement {
  for (const kind of ['users', 'groups'] as const)
    if (counts[kind] === 0 && published[kind] > 0)
      return {
        verdict: 'empty',
        message: `the directory shows no ${kind}, where the last sync had ${published[kind]}; nothing was published. Look at the scopes, the filters and the rights of the account; if there are none indeed, remove sync.db and sync-last.json from the state directory while the connector is stopped`,
      };
  const tooMany = (['users', 'groups', 'memberships'] as const).filter((kind) => {
    const most = Math.max(NEVER_HELD, (published[kind] * maxPercent) / 100, accepted?.[kind] ?? 0);
    return removed[kind] > most;
  });
  if (tooMany.length === 0) return { verdict: 'publish' };
  const told = tooMany.map((kind) => `${removed[kind]} of ${published[kind]} ${kind}`).join(' and ');
  return {
    verdict: 'held',
    message: `the sync would remove ${told}, which is more than SYNC_MAX_REMOVED (${maxPercent}%) allows; nothing was published. Look at the directory, the scopes and the rights of the account`,
  };
}

/** What is wrong, and how a person may have it all the same. `syncId`: null where nobody was to be told, and nothing can be accepted. */
export function heldMessage(message: string, syncId: string | null): string {
  if (syncId === null) return `${message}; a sync would be held`;
  return `${message}; if it is meant, accept it with "latchkey sync --accept-removals ${syncId}" within 24 h`;
}
