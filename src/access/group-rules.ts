import { formatInstant, type Instant } from './instant.ts';
import { judgeEnd } from './policy.ts';
import type { Rate } from './rate.ts';
import type { GroupRef } from './reference.ts';

/** The variable that names the file of the rules, which are told by it and their place in the file. */
export const POLICY_FILE = 'LATCHKEY_POLICY_FILE';

/** What the policy file says of one group, or of all that it says nothing else of; null where it says nothing. */
export interface GroupRule {
  /** Where it stands in the file, as a JSON Pointer (RFC 6901). */
  readonly place: string;
  /** Who may ask for grants, as jobs say it (`requestedBy`). */
  readonly requestedBy: readonly string[] | null;
  /** The longest time that one user is kept in the group without a break. */
  readonly maxGrantMs: number | null;
  /** How many grants of the group may be open at one time. */
  readonly maxActiveGrants: number | null;
  /** New grants of the group, and of one user in it. */
  readonly rate: Rate | null;
  readonly ratePerUser: Rate | null;
  /** Nobody but who has a grant may be in the group: others are reported. */
  readonly exclusive: boolean | null;
}

export interface NamedGroupRule extends GroupRule {
  readonly group: GroupRef;
}

/** Everything that a policy file says. */
export interface PolicyRules {
  readonly groups: readonly NamedGroupRule[];
  readonly default: GroupRule | null;
  /** New grants of one user, of whatever groups. */
  readonly userRate: Limit<Rate> | null;
}

export const NO_RULES: PolicyRules = { groups: [], default: null, userRate: null };

/** One value that binds, and the name of the rule that says it. */
export interface Limit<T> {
  readonly value: T;
  readonly rule: string;
}

type Field = Exclude<keyof GroupRule, 'place'>;

/** What binds the grants of one group. */
export type GroupLimits = { readonly [F in Field]: Limit<NonNullable<GroupRule[F]>> | null };

/** How a rule is told: where it stands. */
export function ruleName(place: string): string {
  return `${POLICY_FILE}#${place}`;
}

/** Of the rules of a group, the most specific first, each field is said by the first that says it. */
export function limitsOf(rules: readonly GroupRule[]): GroupLimits {
  const limit = <F extends Field>(field: F): GroupLimits[F] => {
    for (const rule of rules) {
      const value = rule[field];
      if (value !== null) return { value, rule: ruleName(`${rule.place}/${field.replace(/Ms$/, '')}`) } as GroupLimits[F];
    }
    return null;
  };
  return {
    requestedBy: limit('requestedBy'),
    maxGrantMs: limit('maxGrantMs'),
    maxActiveGrants: limit('maxActiveGrants'),
    rate: limit('rate'),
    ratePerUser: limit('ratePerUser'),
    exclusive: limit('exclusive'),
  };
}

/** Why a rule refuses, in a sentence, and which one. */
export interface RuleRefusal {
  readonly rule: string;
  readonly message: string;
}

/** Whether whoever a job says that asks for it may ask for grants of the group; compared letter for letter. */
export function judgeRequester({ requestedBy }: GroupLimits, asks: string | undefined): RuleRefusal | null {
  if (requestedBy === null || (asks !== undefined && requestedBy.value.includes(asks))) return null;
  const found = asks === undefined ? 'the job does not say who asks for it' : `"${asks}" asks for it`;
  return {
    rule: requestedBy.rule,
    message: `${found}, and only those that ${requestedBy.rule} on the connector lists may ask for grants of this group`,
  };
}

/** The shorter of the group's own limit and LATCHKEY_MAX_GRANT. */
export function lengthLimit({ maxGrantMs: ofGroup }: GroupLimits, maxGrantMs: number): Limit<number> {
  return ofGroup !== null && ofGroup.value < maxGrantMs ? ofGroup : { value: maxGrantMs, rule: 'LATCHKEY_MAX_GRANT' };
}

/** Whether the membership may last so long: by the rule of the group, else by LATCHKEY_MAX_GRANT. Extensions count from its beginning. */
export function judgeLength(
  limits: GroupLimits,
  { heldSince, expiresAt, maxGrantMs }: { heldSince: Instant; expiresAt: Instant; maxGrantMs: number },
): RuleRefusal | null {
  const { value, rule } = lengthLimit(limits, maxGrantMs);
  const verdict = judgeEnd({ heldSince, expiresAt, maxGrantMs: value });
  if (verdict.allowed) return null;
  return {
    rule,
    message: `the membership would last until ${formatInstant(expiresAt)}; ${rule} on the connector allows ${formatInstant(verdict.latestEnd)} at the latest, counted from ${formatInstant(heldSince)}`,
  };
}

/** Whether the group has room for one more grant, where so many others are open. */
export function judgeRoom({ maxActiveGrants }: GroupLimits, open: number): RuleRefusal | null {
  if (maxActiveGrants === null || open < maxActiveGrants.value) return null;
  const { value, rule } = maxActiveGrants;
  return {
    rule,
    message: `the group has ${open} open ${open === 1 ? 'grant' : 'grants'}, and ${rule} on the connector allows ${value}; ask again under new ids when one of them has ended`,
  };
}
