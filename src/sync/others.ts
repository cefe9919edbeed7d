import type { Clock } from '../access/clock.ts';
import type { EntryId } from '../access/ids.ts';
import type { Others } from '../access/sync.ts';
import type { Picture, Snapshots, StoredGroup } from '../ledger/snapshots.ts';
import type { Logger } from '../observability/logger.ts';
import { turns } from './turns.ts';

/** Who is told of groups that nobody but who has a grant may be in. */
export interface OthersWatch {
  groups(): Promise<readonly EntryId[]>;
  /** Told of each of them after each run, also where there is nobody. */
  found(others: Others): Promise<void>;
}

/** Where there are more in one group, only how many is known. */
const MOST_IDS = 10_000;

/** Looks through what was published for those who have no grant. A sync is whole without it, and the next one looks again. */
export async function tellOthers({
  others,
  snapshots,
  clock,
  log,
}: {
  others: OthersWatch | null;
  snapshots: Pick<Snapshots, 'published'>;
  clock: Clock;
  log: Logger;
}): Promise<void> {
  if (others === null) return;
  const turn = turns(clock);
  try {
    const groups = await others.groups();
    if (groups.length === 0) return;
    const kept = snapshots.published();
    if (kept.kind === 'none') return;
    for (const id of groups) {
      const group = kept.picture.group(id);
      // One that is in no scope was not read, and nothing is known of it.
      if (group !== null) await others.found(await othersIn(kept.picture, group, () => turn.rest()));
    }
  } catch (error) {
    log.warn({ event: 'sync.others-unknown', error }, 'who is in an exclusive group without a grant could not be told');
  }
}

async function othersIn(picture: Picture, group: StoredGroup, rest: () => Promise<void> | null): Promise<Others> {
  const userIds: EntryId[] = [];
  let users = 0;
  for (const number of group.members) {
    if (group.tags.has(number)) continue;
    users += 1;
    const user = userIds.length < MOST_IDS ? picture.userAt(number) : null;
    if (user !== null) userIds.push(user.id);
    await (rest() ?? undefined);
  }
  return { groupId: group.id, userIds: users > MOST_IDS ? [] : userIds.toSorted(), users, outside: group.unresolved.length };
}
