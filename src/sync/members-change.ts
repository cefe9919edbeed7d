import type { EntryId, GrantId } from '../access/ids.ts';
import type { StoredGroup } from '../ledger/snapshots.ts';
import type { Turns } from './turns.ts';

/** How a group's members differ from those that were published. */
export interface MembersChange {
  /** Members that are new, or are one for another reason than before. */
  readonly add: Int32Array | readonly number[];
  readonly remove: readonly EntryId[];
}

/** So many steps are done before the time is looked at. */
const STEPS = 4_096;

/**
 * Compares the members of a group with those that were published. The numbers of two pictures differ: `translate` tells that of a
 * published user, or -1 where it is gone, whose id `publishedId` tells.
 */
export async function membersChange({
  published,
  next,
  tags,
  translate,
  publishedId,
  turns,
}: {
  published: Pick<StoredGroup, 'members' | 'tags'> | null;
  next: Int32Array;
  tags: ReadonlyMap<number, GrantId>;
  translate: (number: number) => number;
  publishedId: (number: number) => EntryId;
  turns: Turns;
}): Promise<MembersChange> {
  if (published === null) return { add: next, remove: [] };
  const kept = new Set<number>();
  const add: number[] = [];
  const remove: EntryId[] = [];
  const now = new Set<number>();
  await inTurns(next, turns, (number) => now.add(number));
  await inTurns(published.members, turns, (before) => {
    const number = translate(before);
    if (number < 0 || !now.has(number)) {
      remove.push(publishedId(before));
      return;
    }
    kept.add(number);
    if (published.tags.get(before) !== tags.get(number)) add.push(number);
  });
  await inTurns(next, turns, (number) => {
    if (!kept.has(number)) add.push(number);
  });
  return { add, remove };
}

async function inTurns(numbers: Int32Array, turns: Turns, take: (number: number) => void): Promise<void> {
  for (let from = 0; from < numbers.length; from += STEPS) {
    for (const number of numbers.subarray(from, from + STEPS)) take(number);
    const rest = turns.rest();
    if (rest !== null) await rest;
  }
}
