import { and, equality, type Filter, or } from '../../../access/filter.ts';
import type { MemberAttribute } from '../../../access/membership.ts';
import { bytesOf, type LdapEntry, valuesOf } from '../entry.ts';
import { ACCESS_RULES_OF_ACTIVE_DIRECTORY } from './acl-active-directory.ts';
import { MEMBER_RIGHTS, mayReadMembers } from './active-directory-rights.ts';
import type { Flavour, GroupFacts, UserFacts } from './flavour.ts';
import { disabledRefusal } from './rfc-entries.ts';
import { RIGHTS_OF_ACTIVE_DIRECTORY } from './rights-active-directory.ts';
import { privilegedGroup, readSecurityId, type SecurityId } from './security-id.ts';
import { guidBytes } from './stable-id.ts';

/** LDAP_CAP_ACTIVE_DIRECTORY_OID ([MS-ADTS] §3.1.1.3.4.3.1). */
const ACTIVE_DIRECTORY_OID = '1.2.840.113556.1.4.800';

/** SAM_USER_OBJECT ([MS-SAMR] §2.2.1.9): people, but no computers, managed service accounts or trusts. */
const PEOPLE: Filter = and(equality('objectClass', 'user'), equality('sAMAccountType', '805306368'));
/** Entries of other domains; found only to be refused. */
const FOREIGN = 'foreignSecurityPrincipal';

/** LDAP_MATCHING_RULE_TRANSITIVE_EVAL ([MS-ADTS] §3.1.1.3.4.4.3). */
const IN_CHAIN = '1.2.840.113556.1.4.1941';

/** UF_ACCOUNT_DISABLE ([MS-ADTS] §2.2.16). */
const ACCOUNT_DISABLED = 0x2;
/** GROUP_TYPE_APP_BASIC_GROUP and GROUP_TYPE_APP_QUERY_GROUP ([MS-ADTS] §2.2.12): authorization manager's groups. */
const BASIC_GROUP = 0x10;
const QUERY_GROUP = 0x20;

/** Without a number of their own: made by the DNS server, under this name in every language. */
const PRIVILEGED_BY_NAME: ReadonlySet<string> = new Set(['dnsadmins']);

/** Active Directory Domain Services, and Samba's domain controller. */
export const ACTIVE_DIRECTORY: Flavour = {
  name: 'active-directory',
  vendor: 'Microsoft',
  isSpokenBy: ({ supportedCapabilities }) => supportedCapabilities.includes(ACTIVE_DIRECTORY_OID),
  id: guidBytes('objectGUID'),
  usernameAttribute: 'sAMAccountName',
  fullNameAttribute: 'displayName',
  groupNameAttribute: 'cn',
  ownerAttribute: 'managedBy',
  uidAttribute: 'uid',
  users: or(PEOPLE, equality('objectClass', FOREIGN)),
  groups: equality('objectClass', 'group'),
  people: PEOPLE,
  otherEmails: { attribute: 'proxyAddresses', read: addressOf },
  user: { attributes: ['objectClass', 'userAccountControl', 'primaryGroupID', 'objectSid'], facts: userFacts },
  group: {
    attributes: ['groupType', 'objectSid', 'sAMAccountName', 'adminCount', 'isCriticalSystemObject'],
    facts: groupFacts,
  },
  // Its posixGroup is an auxiliary class that every group may have, and says nothing about where members are kept.
  memberClasses: new Map<string, readonly MemberAttribute[]>([['group', ['member']]]),
  references: 'kept',
  linksMembers: true,
  mayReadMembers,
  memberRights: MEMBER_RIGHTS,
  // Samba's compare is a filter of its own.
  comparable: null,
  misjudges: null,
  // Samba compares each value with every member of the group: of 500 with 500 it took longer than a read may take.
  probedTogether: 50,
  emptyGroups: 'allowed',
  inChain: IN_CHAIN,
  // Those that are known by their SID are all parts of the system.
  ruling: and(
    equality('objectClass', 'group'),
    or(equality('isCriticalSystemObject', 'TRUE'), equality('adminCount', '1'), equality('sAMAccountName', 'DnsAdmins')),
  ),
  rights: RIGHTS_OF_ACTIVE_DIRECTORY,
  accessRules: ACCESS_RULES_OF_ACTIVE_DIRECTORY,
  delta: 'uSNChanged',
};

function userFacts(entry: LdapEntry): UserFacts {
  const sid = readSecurityId(bytesOf(entry, 'objectSid')[0]);
  const rid = integerOf(entry, 'primaryGroupID');
  return {
    refusal: userRefusal(entry),
    primaryGroup: sid === null || rid === null ? null : `${sid.domain}-${rid}`,
    enabled: ((integerOf(entry, 'userAccountControl') ?? 0) & ACCOUNT_DISABLED) === 0,
  };
}

function userRefusal(entry: LdapEntry): string | null {
  if (valuesOf(entry, 'objectClass').some((name) => name.toLowerCase() === FOREIGN.toLowerCase()))
    return `"${entry.dn}" stands for somebody of another domain (${FOREIGN}), who is granted nothing here`;
  const control = integerOf(entry, 'userAccountControl');
  if (control === null || (control & ACCOUNT_DISABLED) === 0) return null;
  return disabledRefusal(entry, `userAccountControl is ${control}`);
}

/** Exchange's own: `SMTP:` before the address one writes from, `smtp:` before others, and other schemes for what is no e-mail. */
function addressOf(value: string): string | null {
  return /^smtp:(.+)$/is.exec(value)?.[1] ?? null;
}

function groupFacts(entry: LdapEntry): GroupFacts {
  const sid = readSecurityId(bytesOf(entry, 'objectSid')[0]);
  return {
    refusal: groupRefusal(entry, sid),
    builtIn: privilegeOf(entry, sid),
    primaryName: sid === null ? null : `${sid.domain}-${sid.rid}`,
  };
}

function groupRefusal(entry: LdapEntry, sid: SecurityId | null): string | null {
  const type = integerOf(entry, 'groupType');
  if (sid === null || type === null)
    return `objectSid and groupType of "${entry.dn}" cannot be read, so whether it is privileged or dynamic is unknown; give the connector's account the right to read them`;
  if ((type & (BASIC_GROUP | QUERY_GROUP)) === 0) return null;
  return `"${entry.dn}" is a basic or query group of the authorization manager (groupType ${type}): its members follow from rules and are not written; grant a security or distribution group`;
}

function privilegeOf(entry: LdapEntry, sid: SecurityId | null): string | null {
  const named = valuesOf(entry, 'sAMAccountName').find((name) => PRIVILEGED_BY_NAME.has(name.toLowerCase()));
  if (named !== undefined) return named;
  const known = sid === null ? null : privilegedGroup(sid);
  if (known !== null) return known;
  // Of a group of the domain's own: somebody has nested it in one of those, and what was done then stays until it is taken back.
  if ((integerOf(entry, 'adminCount') ?? 0) > 0) return `marked as privileged (adminCount is ${integerOf(entry, 'adminCount')})`;
  const isCritical = valuesOf(entry, 'isCriticalSystemObject').some((value) => value.toLowerCase() === 'true');
  return isCritical ? 'part of the system (isCriticalSystemObject is TRUE)' : null;
}

function integerOf(entry: LdapEntry, attribute: string): number | null {
  const [text] = valuesOf(entry, attribute);
  return text === undefined || !/^-?\d{1,10}$/.test(text) ? null : Number(text);
}
