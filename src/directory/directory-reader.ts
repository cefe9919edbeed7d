import type { EntryId } from '../access/ids.ts';
import type { MemberAttribute } from '../access/membership.ts';

/** A user in scope and filter, as the directory has it. DNs are as the server spells them, and may be spelt otherwise elsewhere. */
export interface ReadUser {
  readonly id: EntryId;
  readonly dn: string;
  readonly username: string;
  /** `dn`: it has no such attribute, as far as the account can see, and is called as its entry is. */
  readonly namedBy: 'attribute' | 'dn';
  readonly fullName: string | null;
  readonly emails: readonly string[];
  readonly managerDn: string | null;
  /** False where the server's own state says that it may not log in. */
  readonly enabled: boolean;
  /** What `memberUid` may call it; empty where it cannot be called by one. */
  readonly uids: readonly string[];
  /** The group that it is in by an attribute of its own, as {@link ReadGroup} names it; null where there is none. */
  readonly primaryGroup: string | null;
}

/** A group in scope and filter. Its members are told before it, by {@link ReadSink.members}. */
export interface ReadGroup {
  readonly id: EntryId;
  readonly dn: string;
  readonly name: string;
  readonly description: string | null;
  readonly memberAttribute: MemberAttribute;
  readonly ownerDns: readonly string[];
  /** What makes it rule over its directory on every server of this kind; null for any other group. */
  readonly builtIn: string | null;
  /** How `primaryGroup` of its members names it; null where none can. */
  readonly primaryName: string | null;
}

/**
 * Who takes what is read, as it is read. No method may throw or wait: a full sink says so by {@link ReadSink.room}, and the
 * reader then leaves the rest in the socket.
 */
export interface ReadSink {
  user(user: ReadUser): void;
  /** Values of the group that is told next, in chunks; what they are is told by its `memberAttribute`. Placeholders are left out. */
  members(values: readonly string[]): void;
  group(group: ReadGroup): void;
  /** In a delta: an entry of that id is no longer in scope and filter, or no longer there. It may be one that was never told. */
  gone(id: EntryId): void;
  /** In a delta that ends as `present`: an entry that is there. One that was never told has come meanwhile, and the next delta tells it. */
  present(id: EntryId): void;
  /** Resolves when there is room for more; null where there is. */
  room(): Promise<void> | null;
}

/** How a read ended; one that did not end so rejects, and nothing of it may be used. */
export interface ReadEnd {
  /** Where the next delta begins, by the directory's own clock; null where there can be none. */
  readonly cursor: string | null;
  /**
   * `all`: every entry was told. `changes`: what changed was told, and what is gone. `present`: what changed was told, and of all
   * others that they are there; what was told neither way is gone.
   */
  readonly told: 'all' | 'changes' | 'present';
}

/** Why a delta cannot be had, as a sentence for the log: a full read has to be made. */
export interface FullNeeded {
  readonly told: 'full_needed';
  readonly reason: string;
}

/** By what means changes are found, as `check` and the log tell it. */
export interface DeltaMeans {
  /** Null where every read is a full one, and only the comparison with the last run makes it a delta. */
  readonly name: 'RFC 4533' | 'entryCSN' | 'entryusn' | 'uSNChanged' | null;
  /** What was found that decided it, as a sentence. */
  readonly reason: string;
}

/** What of a group says whether it is protected itself. */
type HeadOfGroup = Pick<ReadGroup, 'id' | 'dn' | 'name' | 'builtIn'>;

/** By what groups are protected, each judged by what its own entry tells. */
export interface ProtectionRules {
  /** By the configuration. */
  protects(group: HeadOfGroup): boolean;
  /** By nature, since it rules over its directory. */
  protectsBuiltIn(group: HeadOfGroup): boolean;
  /** True where what a group is by nature, or is nested in, does not protect it. */
  releases(group: HeadOfGroup): boolean;
  /** True where the configuration protects none, so that a server without groups that rule over it need not be asked. */
  readonly onlyByNature?: boolean;
}

/** The groups under the base that no grant is taken of. */
export interface ProtectedTold {
  /** Those that are protected themselves, those nested in one at any depth, and those of which that cannot be told. */
  readonly ids: ReadonlySet<EntryId>;
  /** Why it cannot be told of any other group, as a sentence without its full stop, so that all are protected; null where it can. */
  readonly unknown: string | null;
}

/**
 * PORT: reads a whole directory, on a connection of its own. Users are told before groups. Complete or nothing: a limit of the
 * server, a lost connection, a range that cannot be followed to its end, an entry without an id, a re-check of the identity that
 * fails after the last page: each rejects with a `DirectoryError`.
 */
export interface DirectoryReader {
  means(signal: AbortSignal): Promise<DeltaMeans>;
  readAll(sink: ReadSink, signal: AbortSignal): Promise<ReadEnd>;
  /** What has changed since the read that ended with this cursor. */
  readChanges(cursor: string, sink: ReadSink, signal: AbortSignal): Promise<ReadEnd | FullNeeded>;
  /**
   * Users by their ids, as in a full read: a user is told with its manager's id, so that a manager who comes, goes or is renamed
   * changes entries which the directory did not. One that is not there is not told. Everything is needed where another server answers
   * than the one that told the changes last: what it has may be older, and the next delta would not tell what is newer.
   */
  readUsers(ids: readonly EntryId[], sink: ReadSink, signal: AbortSignal): Promise<FullNeeded | undefined>;
  /** The same for groups: a member or an owner that comes, goes or is renamed changes groups which the directory did not. */
  readGroups(ids: readonly EntryId[], sink: ReadSink, signal: AbortSignal): Promise<FullNeeded | undefined>;
  /** What `Directory.protectorOf` says of each group, of all of them at once: as many questions as there are protected groups. */
  protectedGroups(rules: ProtectionRules, signal: AbortSignal): Promise<ProtectedTold>;
}
