import type { EntryId, GrantId } from '../access/ids.ts';
import type { AttributeCounts, SyncCounts, SyncMode } from '../access/sync.ts';
import type { DirectoryReader, ReadGroup } from '../directory/directory-reader.ts';
import type { Picture, PictureFacts } from '../ledger/snapshots.ts';
import type { Findings } from './findings.ts';
import type { HeldGrants } from './held-grants.ts';
import type { Pager } from './pager.ts';
import type { Protection } from './protection.ts';
import type { Turns } from './turns.ts';

/** What the control plane has, to compare with. */
export interface Base {
  readonly picture: Picture;
  readonly facts: PictureFacts;
}

/** What the parts of one run share. */
export interface RunParts {
  readonly reader: DirectoryReader;
  readonly base: Base | null;
  /** What the stream tells: everything, or what differs from the base. */
  readonly mode: SyncMode;
  readonly out: Pager;
  readonly turns: Turns;
  readonly signal: AbortSignal;
  readonly protection: Protection;
  /** What grants hold, asked once the members are read; null where that is not known, and stays as it was published. */
  readonly held: () => Promise<HeldGrants | null>;
  readonly findings: Findings;
  /** The name of a group as it was read. */
  readonly noteName: (group: Pick<ReadGroup, 'id' | 'dn'>) => void;
  /** For what has to wait, and does not fit into memory. */
  readonly scratchFolder: string;
}

/** How many of the base are no longer there. */
export interface Removed {
  readonly users: number;
  readonly groups: number;
  readonly memberships: number;
}

/** A picture that is whole, and told but for its end. */
export interface Built {
  readonly cursor: string | null;
  readonly counts: SyncCounts;
  readonly changed: number;
  readonly removed: Removed;
  /** Who has which attribute; null where not all was read. */
  readonly had: AttributeCounts | null;
}

/**
 * Which members of a group are there by a grant. `numberOf` is null for who is not in the picture; `kept` are the tags as they were
 * published.
 */
export function tagsOf({
  groupId,
  members,
  held,
  numberOf,
  kept,
}: {
  groupId: EntryId;
  members: Int32Array;
  held: HeldGrants | null;
  numberOf: (userId: EntryId) => number | null;
  kept: () => Iterable<readonly [number, GrantId]>;
}): ReadonlyMap<number, GrantId> {
  const tags = new Map<number, GrantId>();
  if (held === null) for (const [number, grantId] of kept()) tags.set(number, grantId);
  for (const [userId, grantId] of held?.get(groupId) ?? []) {
    const number = numberOf(userId);
    if (number !== null) tags.set(number, grantId);
  }
  if (tags.size === 0) return tags;
  const there = new Set(members);
  for (const number of tags.keys()) if (!there.has(number)) tags.delete(number);
  return tags;
}
