import { equality, type Filter, or } from '../../../access/filter.ts';
import type { MemberAttribute } from '../../../access/membership.ts';
import { type LdapEntry, valuesOf } from '../entry.ts';
import type { FactsRule, Flavour, GroupFacts, UserFacts } from './flavour.ts';

/** What the flavours share that keep to the RFCs' own object classes. */

/** Entries that have one of the classes. */
export function anyClass(...names: readonly string[]): Filter {
  return or(...names.map((name) => equality('objectClass', name)));
}

/** The classes of RFC 4519 §3 and RFC 2307 §2.2, and those that `rfc2307bis` and OpenLDAP add. */
export const RFC_MEMBER_CLASSES: Flavour['memberClasses'] = new Map<string, readonly MemberAttribute[]>([
  ['groupofnames', ['member']],
  ['groupofmembers', ['member']],
  ['groupofentries', ['member']],
  ['groupofuniquenames', ['uniqueMember']],
  ['posixgroup', ['memberUid']],
]);

export const RFC_USERS: Filter = anyClass('person', 'posixAccount', 'account');

/** With the groups whose members follow from a search, which are found only to be refused. */
export const RFC_GROUPS: Filter = anyClass(
  'groupOfNames',
  'groupOfUniqueNames',
  'posixGroup',
  'groupOfMembers',
  'groupOfEntries',
  'groupOfURLs',
);

/** A user who is disabled while an attribute has one of the values, in whatever case. */
export function disabledBy(attribute: string, values: readonly string[]): FactsRule<UserFacts> {
  return {
    attributes: [attribute],
    facts: (entry) => {
      const found = valuesOf(entry, attribute).find((value) => values.includes(value.toLowerCase()));
      const refusal = found === undefined ? null : disabledRefusal(entry, `${attribute} is ${found}`);
      return { refusal, primaryGroup: null, enabled: found === undefined };
    },
  };
}

export function disabledRefusal(entry: LdapEntry, why: string): string {
  return `the user "${entry.dn}" is disabled in the directory (${why}); enable the account, then ask again`;
}

/** Groups of the RFCs: those whose members follow from a search are refused. */
export const RFC_GROUP: FactsRule<GroupFacts> = {
  attributes: [],
  facts: (entry) => ({ refusal: searchedMembersRefusal(entry), builtIn: null, primaryName: null }),
};

/** Object classes of groups, and of roles, whose members nobody writes down. */
const SEARCHED = new Map([
  ['groupofurls', 'memberURL'],
  ['nsfilteredroledefinition', 'nsRoleFilter'],
  ['nsnestedroledefinition', 'nsRoleDN'],
  ['nsmanagedroledefinition', 'nsRoleDN of each user'],
]);

export function searchedMembersRefusal(entry: LdapEntry): string | null {
  for (const objectClass of valuesOf(entry, 'objectClass')) {
    const source = SEARCHED.get(objectClass.toLowerCase());
    if (source !== undefined)
      return `"${entry.dn}" is a dynamic group (${objectClass}): its members follow from ${source} and are not written; grant a group whose members are`;
  }
  return null;
}
