import type { EntryId } from '../access/ids.ts';
import type { SyncCounts, SyncGroup, SyncMember, SyncMode, SyncUser } from '../access/sync.ts';

/** How the last stream that was stored came to be. */
export interface PictureState {
  readonly syncId: string;
  readonly mode: SyncMode;
  readonly cursor: string;
  /** What stood before: a connector that never got our acknowledgement still builds on it. */
  readonly previousCursor: string | null;
  readonly counts: SyncCounts;
  readonly storedAt: string;
}

/** What one connector has told of its directory, as it was at the end of a stream. */
export interface Picture {
  readonly state: PictureState;
  readonly users: ReadonlyMap<EntryId, SyncUser>;
  readonly groups: ReadonlyMap<EntryId, SyncGroup>;
  /** By group, and then by user; a group without members may be missing. */
  readonly members: ReadonlyMap<EntryId, ReadonlyMap<EntryId, SyncMember>>;
}

/** The same, for the stream that changes it in one turn. */
export interface OwnPicture extends Picture {
  state: PictureState;
  readonly users: Map<EntryId, SyncUser>;
  readonly groups: Map<EntryId, SyncGroup>;
  readonly members: Map<EntryId, Map<EntryId, SyncMember>>;
}
