import type { EntryId, GrantId } from './ids.ts';
import type { MemberAttribute } from './membership.ts';

/** What a run reads: everything, or what has changed since the run that published last. */
export type SyncMode = 'full' | 'delta';

/** What a run shall do. */
export interface SyncWish {
  readonly mode: SyncMode;
  /** The run whose removals were held, and may now be told. */
  readonly acceptRemovals: string | null;
}

/** What is wrong with a directory's content, and no reason to fail a run. */
export type SyncFindingKind = 'duplicate_email' | 'duplicate_username' | 'ambiguous_uid' | 'manager_unresolved' | 'manager_loop';

/** How often each was found when the directory was last read whole, and the first of them as text. */
export type SyncFindings = Readonly<Record<SyncFindingKind, { readonly count: number; readonly first: readonly string[] }>>;

/** What of users and groups an account may lose the right to read, without the directory saying so. */
export const SYNC_ATTRIBUTES = ['username', 'fullName', 'email', 'manager', 'uid', 'description', 'owner'] as const;
export type SyncAttribute = (typeof SYNC_ATTRIBUTES)[number];

/** How many entries had each when the directory was read whole. */
export type AttributeCounts = Readonly<Record<SyncAttribute, number>>;

/** A user in scope, as the control plane is told of it. */
export interface SyncUser {
  readonly id: EntryId;
  /** As the directory spells it. */
  readonly dn: string;
  readonly username: string;
  readonly fullName?: string;
  /** The first of `emails`. */
  readonly email?: string;
  readonly emails: readonly string[];
  /** Only of a manager in scope. */
  readonly managerId?: EntryId;
  readonly enabled: boolean;
}

/** A group in scope, as the control plane is told of it. */
export interface SyncGroup {
  readonly id: EntryId;
  readonly dn: string;
  readonly name: string;
  readonly description?: string;
  readonly memberAttribute: MemberAttribute;
  /** Of owners who are users in scope. */
  readonly ownerIds: readonly EntryId[];
  /** No grant of it is ever taken. */
  readonly protected: boolean;
}

/** A member, and why it is one: access that is not ours, or a grant. */
export type SyncMember =
  | { readonly userId: EntryId; readonly source: 'standing' }
  | { readonly userId: EntryId; readonly source: 'grant'; readonly grantId: GrantId };

/** One record of a stream (PROTOCOL, Sync stream). */
export type SyncRecord =
  | (SyncUser & { readonly record: 'user' })
  | (SyncGroup & { readonly record: 'group' })
  | {
      readonly record: 'members';
      readonly groupId: EntryId;
      /** Those told earlier are to be forgotten; on a group's first record alone. */
      readonly reset?: true;
      readonly add: readonly SyncMember[];
      readonly remove: readonly EntryId[];
    }
  | { readonly record: 'gone'; readonly entity: 'user' | 'group'; readonly id: EntryId };

/** How much there is, as it stands after a run. */
export interface SyncCounts {
  readonly users: number;
  readonly groups: number;
  readonly memberships: number;
  /** Member values that are no user in scope: others' entries, nested groups, names that nobody has. */
  readonly membersOutOfScope: number;
}

/** A run that the control plane has taken. */
export interface ToldSync {
  readonly syncId: string;
  readonly mode: SyncMode;
  readonly counts: SyncCounts;
  /** Entries and memberships that were told anew or otherwise than before. */
  readonly changed: number;
  /** Entries and memberships that are no longer there. */
  readonly removed: number;
}

/** Who is in a group without a grant of ours, as a sync has read it. */
export interface Others {
  readonly groupId: EntryId;
  /** In order, the standing members among the users in scope; empty where there are too many to be named. */
  readonly userIds: readonly EntryId[];
  readonly users: number;
  /** Member values that mean no user in scope. */
  readonly outside: number;
}
