import { parseRdns } from '../../../access/dn.ts';
import { and, equality, or } from '../../../access/filter.ts';
import type { MemberAttribute } from '../../../access/membership.ts';
import type { LdapEntry } from '../entry.ts';
import { ACCESS_RULES_OF_389 } from './acl-389ds.ts';
import type { Flavour, UserFacts } from './flavour.ts';
import { disabledBy, RFC_GROUP, RFC_GROUPS, RFC_MEMBER_CLASSES, RFC_USERS } from './rfc-entries.ts';
import { RIGHTS_OF_389 } from './rights-389ds.ts';
import { nsUniqueId } from './stable-id.ts';

const ACCOUNT_LOCK = disabledBy('nsAccountLock', ['true']);

/** 389 Directory Server, and its siblings by name: Red Hat Directory Server, and FreeIPA's. */
export const DIRECTORY_SERVER_389: Flavour = {
  name: '389ds',
  vendor: '389 Project',
  isSpokenBy: ({ vendorName }) => /389 project|red hat|fedora/i.test(vendorName ?? ''),
  // Every entry has it; entryUUID is missing from those that were imported offline.
  id: nsUniqueId('nsUniqueId'),
  usernameAttribute: 'uid',
  fullNameAttribute: 'cn',
  groupNameAttribute: 'cn',
  ownerAttribute: 'owner',
  uidAttribute: 'uid',
  users: RFC_USERS,
  // Roles are subentries, which this server shows only to a filter that names their class.
  groups: or(RFC_GROUPS, and(equality('objectClass', 'ldapsubentry'), equality('objectClass', 'nsRoleDefinition'))),
  people: RFC_USERS,
  otherEmails: null,
  // Also set by a role for inactive accounts, through a class of service.
  user: { attributes: ACCOUNT_LOCK.attributes, facts: userFacts },
  group: RFC_GROUP,
  memberClasses: RFC_MEMBER_CLASSES,
  // The plugin for referential integrity is delivered disabled; where it is on, it writes names in lower case.
  references: 'as_configured',
  linksMembers: false,
  mayReadMembers: null,
  memberRights: null,
  // Of 50,000 members it compares one in the time of any other operation; a filter of one value took it 0.3 s, of 50 over 10 s.
  comparable: inNormalForm,
  misjudges: beginsWithLineBreak,
  probedTogether: 500,
  emptyGroups: 'allowed',
  inChain: null,
  ruling: null,
  rights: RIGHTS_OF_389,
  accessRules: ACCESS_RULES_OF_389,
  delta: 'entryusn',
};

/**
 * Seen on 2.3.1: a compare takes its value as it is, and looks for it among the members in the server's normal form, in whatever
 * spelling they were written. One that has any other spelling is not found where it is there, so only names are compared
 * whose normal form is known beyond doubt: short words in lower case, and nothing that could be escaped, folded or put in order.
 */
function inNormalForm(attribute: MemberAttribute, value: string): string | null {
  const folded = value.toLowerCase();
  return attribute === 'member' && PLAIN_NAME.test(folded) ? folded : null;
}

const PLAIN_NAME = /^(?:uid|cn)=[a-z0-9]+(?:[ ._@-][a-z0-9]+)*(?:,(?:ou|o|cn|dc)=[a-z0-9]+(?:[ ._-][a-z0-9]+)*)+$/;

/**
 * Seen on 2.3.1: a member value in which a part of the name begins with a line break, added by a modify, is kept as it was
 * written, and then neither found by a filter nor deleted by that same text (16), while its negation is true.
 */
function beginsWithLineBreak(value: string): boolean {
  const rdns = parseRdns(value);
  return rdns.ok && rdns.value.flat().some((part) => typeof part.value === 'string' && /^\s*[\n\r]/.test(part.value));
}

function userFacts(entry: LdapEntry): UserFacts {
  const facts = ACCOUNT_LOCK.facts(entry);
  if (!beginsWithLineBreak(entry.dn)) return facts;
  const why = 'has a part that begins with a line break, which this server cannot find again in a group';
  return { ...facts, refusal: `the name of the user "${entry.dn}" ${why}; rename the entry, then ask again` };
}
