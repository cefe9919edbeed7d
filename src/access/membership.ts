import { type Dn, leafRdn } from './dn.ts';
import type { Standing } from './grant.ts';
import type { Instant } from './instant.ts';
import type { Pair } from './reference.ts';

/** The attributes that hold members (RFC 4519 §2.17, §2.40; RFC 2307 §2.2). */
export const MEMBER_ATTRIBUTES = ['member', 'uniqueMember', 'memberUid'] as const;
export type MemberAttribute = (typeof MEMBER_ATTRIBUTES)[number];

/**
 * What two base searches on the group said about one value: `(attribute=value)` and its negation gave (1,0), (0,1),
 * or anything else.
 */
export type Presence = 'member' | 'absent' | 'unknown';

/** Reads the two counts of a probe. Only (1,0) and (0,1) are knowledge. */
export function presenceOf(counts: { matching: number; notMatching: number }): Presence {
  if (counts.matching === 1 && counts.notMatching === 0) return 'member';
  if (counts.matching === 0 && counts.notMatching === 1) return 'absent';
  return 'unknown';
}

/**
 * One unbroken time in which grants of ours hold one user in one group. `standing` belongs to it; it ends with its
 * last grant.
 */
export interface Period {
  readonly pair: Pair;
  readonly standing: Standing;
  /** When the first grant of the period became active; the longest grant is counted from here. */
  readonly heldSince: Instant;
  readonly memberAttribute: MemberAttribute;
  /** Every value that we wrote for this user in this period and have not seen absent since, oldest first: names change. */
  readonly values: readonly string[];
  /** Values under which the membership was met and which we did not write: it followed its user, or was there before. */
  readonly metValues: readonly string[];
  /** True once a probe has seen our value absent since our last write. */
  readonly seenAbsent: boolean;
  /** True once a delete of ours was sent: an absent value is then our doing. */
  readonly deleteSent: boolean;
}

/** A placeholder of ours that stands in a group whose schema demands one member. */
export interface Placeholder {
  readonly groupId: Pair['group']['id'];
  readonly value: string;
}

/** What the probe before the first write means for a new grant. */
export type GrantFinding = 'already_standing' | 'covered_by_grant' | 'write';

/**
 * Decides what a new grant of a pair needs (PROTOCOL, Standing access): a member without a period of ours is standing,
 * a member in our period is covered, an absent one is written, and ends standing.
 */
export function judgeMembership(presence: Exclude<Presence, 'unknown'>, period: Period | null): GrantFinding {
  if (presence === 'absent') return 'write';
  return period !== null && isOurs(period) ? 'covered_by_grant' : 'already_standing';
}

/**
 * True where the membership of the period is our work. A period that has lost all its values was seen absent, and nothing
 * was written since: what is found later was put there by somebody else.
 */
export function isOurs({ standing, values, metValues }: Pick<Period, 'standing' | 'values' | 'metValues'>): boolean {
  return standing === false && values.length + metValues.length > 0;
}

/** One value that an ending may have to delete, and what is known about it. */
export interface EndingValue {
  readonly value: string;
  /** `current`: what the user's entry is named now; `recorded`: what we once wrote and the user no longer has. */
  readonly origin: 'current' | 'recorded';
  /** We wrote this very value in this period. */
  readonly written: boolean;
  readonly presence: Exclude<Presence, 'unknown'>;
  /** For a recorded value: another entry that goes by that value now. */
  readonly occupied: boolean;
  /** For a recorded value: it is known to be another's, a link to their entry, or written for them since it was seen absent. */
  readonly anothers: boolean;
}

/** What an ending does with the values it found. */
export interface EndingJudgement {
  readonly remove: readonly string[];
  /** Values left in place since they are another person's. */
  readonly recreated: readonly string[];
}

/**
 * Which values an ending deletes (ARCHITECTURE, invariants 2 and 12). The user's current value is ours in a period
 * that is not standing. A recorded value is ours only if no probe has seen it absent since we wrote it; and where another
 * entry has taken it over, only if the membership did not follow the user to the current one; never where it is known to be theirs.
 */
export function judgeEnding(values: readonly EndingValue[], period: Pick<Period, 'standing' | 'seenAbsent'>): EndingJudgement {
  if (period.standing !== false) return { remove: [], recreated: [] };
  // Where we wrote the current value ourselves, its presence says nothing about an earlier one.
  const followed = values.some(({ origin, presence, written }) => origin === 'current' && presence === 'member' && !written);
  const remove: string[] = [];
  const recreated: string[] = [];
  for (const { value, origin, presence, occupied, anothers } of values) {
    if (presence === 'absent') continue;
    if (origin === 'recorded' && (anothers || period.seenAbsent || (occupied && followed))) recreated.push(value);
    else remove.push(value);
  }
  return { remove, recreated };
}

/** The value by which a user is a member, or why there is none. */
export type MemberValue =
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'ambiguous'; readonly count: number }
  | { readonly kind: 'none' };

/** RFC 4517 §3.3.15, the syntax of `memberUid`: a server answers neither yes nor no to an assertion of anything else. */
const IA5_STRING = /^\p{ASCII}*$/u;

/**
 * The value that names a user in a group: its name, or for `memberUid` its `uid` (RFC 2307), which may have characters
 * that `memberUid` cannot. A user with several is known by the one in its relative distinguished name, else ambiguous.
 */
export function memberValueOf(attribute: MemberAttribute, user: { dn: Dn; uids: readonly string[] }): MemberValue {
  if (attribute !== 'memberUid') return { kind: 'value', value: user.dn };
  const uids = user.uids.filter((uid) => IA5_STRING.test(uid));
  const [only, ...others] = uids;
  if (only === undefined) return { kind: 'none' };
  if (others.length === 0) return { kind: 'value', value: only };
  const named = leafRdn(user.dn).find(
    ({ type, value }) => type.toLowerCase() === 'uid' && typeof value === 'string' && uids.includes(value),
  );
  return typeof named?.value === 'string' ? { kind: 'value', value: named.value } : { kind: 'ambiguous', count: uids.length };
}
