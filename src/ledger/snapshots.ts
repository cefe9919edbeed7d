import type { EntryId, GrantId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import type { MemberAttribute } from '../access/membership.ts';
import type { JobErrorCode } from '../access/outcome.ts';
import type { AttributeCounts, SyncAttribute, SyncCounts, SyncFindings } from '../access/sync.ts';

/**
 * A name of an entry (its DN, or a `uid`) as a number of 53 bits, made with the picture's own seed. Names that are equal have
 * equal keys; of two million others, the chance that any two share one is 1 in 4,000.
 */
export type NameKey = number;

/** What a picture keeps of a user. Numbers are of one picture; a whole new one numbers its users anew. */
export interface StoredUser {
  readonly number: number;
  readonly id: EntryId;
  /** Of the record as it was published; empty where it was not yet. */
  readonly digest: string;
  readonly dnKey: NameKey;
  readonly uidKeys: readonly NameKey[];
  readonly managerKey: NameKey | null;
  readonly primaryKey: NameKey | null;
  /** Which attributes it had when it was read, a bit each. */
  readonly has: number;
}

/** What a picture keeps of a group. */
export interface StoredGroup {
  readonly number: number;
  readonly id: EntryId;
  readonly digest: string;
  /** As it was read last. */
  readonly isProtected: boolean;
  readonly memberAttribute: MemberAttribute;
  readonly primaryKey: NameKey | null;
  readonly ownerKeys: Float64Array;
  /** Numbers of users, each once. */
  readonly members: Int32Array;
  /** Member values that were no user in scope. */
  readonly unresolved: Float64Array;
  /** Of members by a grant: which. */
  readonly tags: ReadonlyMap<number, GrantId>;
}

/** What is known of a picture as a whole. */
export interface PictureFacts {
  /** The run that published it. */
  readonly syncId: string;
  readonly at: Instant;
  /** Where the next delta begins; null where the directory offers none. */
  readonly cursor: string | null;
  readonly counts: SyncCounts;
  /** Of the last run that read everything. */
  readonly findings: SyncFindings | null;
}

/** A whole directory as it is told, in a form that serves to find out what has changed. Asked in small steps: no method takes long. */
export interface Picture {
  /** What its name keys were made with. */
  readonly seed: number;
  /** Numbers of users are below it. */
  userNumbers(): number;
  user(id: EntryId): StoredUser | null;
  userAt(number: number): StoredUser | null;
  /** Users after that number, in order. */
  users(query: { readonly after: number; readonly limit: number }): readonly StoredUser[];
  usersNamed(key: NameKey): readonly number[];
  /** Users whose manager goes by that name. */
  usersManagedBy(key: NameKey): readonly number[];
  /** Users with a manager who is nobody in the picture, after that number, in order. */
  usersOfNobody(query: { readonly after: number; readonly limit: number }): readonly number[];
  usersOfPrimary(query: { readonly key: NameKey; readonly after: number; readonly limit: number }): readonly number[];
  /** Numbers of groups are below it. */
  groupNumbers(): number;
  group(id: EntryId): StoredGroup | null;
  groupAt(number: number): StoredGroup | null;
  groups(query: { readonly after: number; readonly limit: number }): readonly StoredGroup[];
  /** Groups with members by a grant. */
  taggedGroups(): readonly number[];
  /** Groups that are protected. */
  protectedGroups(): readonly number[];
}

/** The next picture. It takes the place of the published one by {@link Draft.publish} alone. */
export interface Draft extends Pick<Picture, 'seed' | 'groupAt' | 'groups'> {
  /** Writes a user, or writes it anew. */
  putUser(user: StoredUser): void;
  putGroup(group: StoredGroup): void;
  /** Which members of a group are there by a grant. */
  putTags(number: number, tags: StoredGroup['tags']): void;
  /**
   * From here on nobody knows which picture the receiver has, until `publish`: a process that dies between finds none at its next
   * start. Whether the end of a stream was taken is only known once that was acknowledged. What was published cannot be asked
   * any more.
   */
  doubt(): void;
  publish(facts: PictureFacts): Promise<void>;
  /** Ends the draft, and leaves the published picture as it is, unless that is in doubt. After `publish` it does nothing. */
  discard(): void;
}

/** Changes of the published picture, which can be asked as they are made. */
export interface ChangeDraft extends Draft, Picture {
  /** The record of the user was told. */
  putUserDigest(number: number, digest: string): void;
  removeUser(number: number): void;
  removeGroup(number: number): void;
}

/** A run that would have removed too much: how many, and which attributes nobody has any more. */
export interface HeldRun {
  readonly syncId: string;
  readonly at: Instant;
  readonly users: number;
  readonly groups: number;
  readonly memberships: number;
  readonly lost: readonly SyncAttribute[];
}

/** A run that failed, and none was published after it. */
export interface FailedRun {
  readonly at: Instant;
  readonly code: JobErrorCode;
  readonly message: string;
}

/** The picture that the control plane has, or why there is none to build on, as a sentence. */
export type PublishedPicture =
  | { readonly kind: 'picture'; readonly picture: Picture; readonly facts: PictureFacts }
  /** How much was published last may be known all the same, and what is removed is judged by it. */
  | { readonly kind: 'none'; readonly reason: string; readonly counts: SyncCounts | null };

/**
 * PORT: what was published last, in a place that may be thrown away: without it the next run is a full one. Throws a `LedgerError`
 * where it cannot write; what it cannot read is thrown away, and said.
 */
export interface Snapshots {
  published(): PublishedPicture;
  /** Begins a whole new picture; one draft at a time. */
  replace(): Draft;
  /** Begins changes of the published picture. */
  change(): ChangeDraft;
  /** Forgets the published picture: the receiver has another. */
  forget(reason: string): void;
  /** Runs that are held, the newest first. */
  held(): readonly HeldRun[];
  /** How many had which attribute when a run read everything; null where nobody knows. */
  had(): AttributeCounts | null;
  /** The last run, where that failed. */
  failed(): FailedRun | null;
  /** A run has failed; `held`: since it would have removed too much. */
  fail(run: FailedRun, held: HeldRun | null): void;
  /** A run was published: there is so much now, and nothing is failed or held any more. `had`: null where not all was read. */
  release(counts: SyncCounts, had: AttributeCounts | null): void;
  close(): void;
}
