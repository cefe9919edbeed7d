import type { Dn } from '../access/dn.ts';
import type { CheckStep, DirectoryView } from '../access/event.ts';
import type { EntryId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import type { MemberAttribute, Presence } from '../access/membership.ts';
import type { LdapAnswer } from '../access/outcome.ts';
import type { EntryRef, GroupRef, UserRef } from '../access/reference.ts';

/** A user's entry: what is needed to name it and to write it into a group. */
export interface UserEntry extends EntryRef {
  readonly uids: readonly string[];
  readonly inScope: boolean;
  /** Why the directory's own state forbids a grant, such as a disabled account; null where it does not. No ending asks. */
  readonly refusal: string | null;
  /** The group that it is in by an attribute of its own and no value of the group's, as {@link GroupEntry} names it. */
  readonly primaryGroup: string | null;
}

/** A group's entry. */
export interface GroupEntry extends EntryRef {
  readonly name: string;
  /** Where its members are written, by its object classes; null where nothing says. */
  readonly memberAttribute: MemberAttribute | null;
  readonly inScope: boolean;
  /** Why nobody can be granted it, such as members that follow from a search; null where they can. No ending asks. */
  readonly refusal: string | null;
  /** What makes it privileged on every server of its kind; null for any other group. */
  readonly builtIn: string | null;
  /** How `primaryGroup` of its users names it; null where none can. */
  readonly primaryName: string | null;
  /**
   * True where a value is a link to an entry, and follows it. A value by a user's earlier name is then somebody else's
   * (ARCHITECTURE, invariant 12).
   */
  readonly linksMembers: boolean;
}

/** True where the user is in the group by an attribute of its own: no value says so, none can be added, none need be deleted. */
export function isPrimaryGroup(user: UserEntry, group: GroupEntry): boolean {
  return user.primaryGroup !== null && user.primaryGroup === group.primaryName;
}

/** What looking up a reference came to. Expected answers are values; only trouble with the directory throws. */
export type Resolution<Entry> =
  | { readonly kind: 'found'; readonly entry: Entry }
  | { readonly kind: 'not_found' }
  | { readonly kind: 'ambiguous'; readonly count: number }
  | { readonly kind: 'out_of_scope' };

/** A group that another is nested in, as its own entry tells it. */
export interface GroupAbove extends EntryRef, Pick<GroupEntry, 'name' | 'builtIn'> {}

/** Asks which protected group a group is nested in. */
export interface ProtectorAsked {
  /** As it is named now. */
  readonly group: EntryRef;
  readonly isProtected: (above: GroupAbove) => boolean;
  /** Protected groups that are known: where whether the group is in one of them must not be read, there is no answer. */
  readonly mustBeTold: readonly EntryId[];
  /** True where the configuration protects none, so that a server without groups that rule over it need not be asked. */
  readonly onlyByNature?: boolean;
}

/** The protected group that a group is nested in, and the way there: the DNs from the group to the one that protects it. */
export interface Protector {
  readonly group: GroupAbove;
  readonly chain: readonly string[];
}

/** Values of one attribute of one group. */
export interface ProbedValues {
  readonly group: Dn;
  readonly attribute: MemberAttribute;
  readonly values: readonly string[];
  /** What most of the values are expected to be: tried first where many are asked for at once. It never changes an answer. */
  readonly likely?: Exclude<Presence, 'unknown'>;
}

/** A modify of one group that names exactly the values to add and to delete (RFC 4511 §4.6). */
export interface MembershipChange {
  readonly group: Dn;
  readonly attribute: MemberAttribute;
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

/**
 * What a directory's answer, or its absence, means. `already_there`, `already_absent` and `last_member` are hints
 * that lead to a probe; `refused` is an answer that the same request will meet again; `busy` is one that it may not;
 * `unavailable` is no answer at all; `bind_refused` is result 49; `gone` is result 32.
 */
export type DirectoryFault =
  | 'already_there'
  | 'already_absent'
  | 'last_member'
  | 'gone'
  | 'refused'
  | 'busy'
  | 'unavailable'
  | 'bind_refused';

/** What came of a modify, and what a probe on the same connection saw afterwards. */
export interface ChangeAnswer {
  /** `ok` is a hint too: only the presences are proof. */
  readonly result: 'ok' | Exclude<DirectoryFault, 'unavailable' | 'bind_refused'>;
  readonly ldap: LdapAnswer | null;
  /** One for each value of `probe`, in order. */
  readonly presences: readonly Presence[];
}

/** An entry that cannot be found by its id, with everything needed to prove that it is gone. */
export interface Missing {
  readonly entry: EntryRef;
  /** Another entry that is known and must be readable in the same session. */
  readonly witness: EntryRef | null;
}

/** Whether a fresh session, whose rights were proved, found the entry. `unproven`: nothing may be concluded. */
export type GoneSighting = 'found' | 'gone' | 'unproven';

export type DirectoryStatus =
  /** `server` is the one in use, by its address and by what it calls itself. */
  | { readonly state: 'up'; readonly view: DirectoryView; readonly server: string }
  | { readonly state: 'down'; readonly error: DirectoryError; readonly nextAttemptAt: Instant };

/**
 * PORT: a directory. Every method may reject with a {@link DirectoryError}. Nothing is ever read from a member list,
 * and nothing is concluded from a failure.
 */
export interface Directory {
  /** Opens the first session and keeps one open from then on, for ever. */
  start(): void;
  status(): DirectoryStatus;
  /** Called each time the directory becomes reachable or unreachable. */
  onChange(listener: (status: DirectoryStatus) => void): void;
  /**
   * Called each time another server takes over, and for the first one of a process, once it is reachable. What was written shortly
   * before on another may not have reached it, and may never: whoever wrote it must look again.
   */
  onFailover(listener: () => void): void;

  /** Finds the one user in scope. `own` is an entry that the reference may name wherever it now is. */
  findUser(ref: UserRef, own: EntryRef | null, signal: AbortSignal): Promise<Resolution<UserEntry>>;
  findGroup(ref: GroupRef, own: EntryRef | null, signal: AbortSignal): Promise<Resolution<GroupEntry>>;
  /** Finds an entry by its stable id under the whole base. Null is not yet a proof that it is gone. */
  locateUser(id: EntryId, signal: AbortSignal): Promise<UserEntry | null>;
  /** The same for many at once: one answer for each id, in order. */
  locateUsers(ids: readonly EntryId[], signal: AbortSignal): Promise<readonly (UserEntry | null)[]>;
  locateGroup(id: EntryId, signal: AbortSignal): Promise<GroupEntry | null>;
  /** The entry that goes by a member value now: the one at that name, or the user with that uid. Null where there is none. */
  occupant(attribute: MemberAttribute, value: string, signal: AbortSignal): Promise<EntryId | null>;
  /** Groups anywhere under the base that a name or DN of the configuration means. */
  groupsNamed(nameOrDn: string, signal: AbortSignal): Promise<readonly EntryRef[]>;
  /**
   * The protected group that a group is a member of, itself or by groups between them, at any depth and anywhere under the base; null
   * where it is in none. Rejects where that cannot be told, such as of a nesting that must not be read or is endlessly deep.
   */
  protectorOf(asked: ProtectorAsked, signal: AbortSignal): Promise<Protector | null>;

  /** Presence of each value, in order: each is proved by two base searches, which values that are alike may share. */
  probe(values: ProbedValues, signal: AbortSignal): Promise<readonly Presence[]>;
  /**
   * One modify, then a probe of `probe` on the same connection. Rejects with `sent: true` where the outcome is unknown.
   * Not cancelled once begun.
   */
  change(change: MembershipChange, probe: readonly string[]): Promise<ChangeAnswer>;
  /** Looks for a missing entry on a session of its own (ARCHITECTURE, invariant 8). */
  sightGone(missing: Missing, signal: AbortSignal): Promise<GoneSighting>;

  /** The preflight checks, in order. Never rejects: what fails is a step. */
  check(signal: AbortSignal): Promise<readonly CheckStep[]>;
  close(): Promise<void>;
}

/** The only error that a directory throws. */
export class DirectoryError extends Error {
  readonly fault: DirectoryFault;
  /** True where a modify had been handed to the socket: it may have taken effect. */
  readonly sent: boolean;
  readonly ldap: LdapAnswer | null;

  constructor(
    fault: DirectoryFault,
    message: string,
    options: { sent?: boolean; ldap?: LdapAnswer | null; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DirectoryError';
    this.fault = fault;
    this.sent = options.sent ?? false;
    this.ldap = options.ldap ?? null;
  }
}
