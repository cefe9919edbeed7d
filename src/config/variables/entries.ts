import { MEMBER_ATTRIBUTES } from '../../access/membership.ts';
import { FLAVOUR_NAMES } from '../../directory/ldap/flavours/names.ts';
import * as values from '../values.ts';
import type { VariableRow } from './row.ts';

/** What is looked for in the directory, and where. */
export const ENTRIES = {
  LDAP_DOMAIN: {
    value: values.domain,
    unset: 'none',
    example: 'example.com',
    meaning: '`corp.example.com` means the base DN `dc=corp,dc=example,dc=com`',
  },
  LDAP_BASE_DN: {
    value: values.dn,
    unset: "from the domain, else the server's own",
    example: 'dc=example,dc=com',
    essential: true,
    meaning: 'base of all searches',
  },
  LDAP_GROUPS_SCOPE: {
    value: values.dnList,
    unset: 'the base DN',
    example: 'ou=groups,dc=example,dc=com',
    essential: true,
    meaning: 'DNs; only groups beneath are read and granted',
  },
  LDAP_USERS_SCOPE: {
    value: values.dnList,
    unset: 'the base DN',
    example: 'ou=people,dc=example,dc=com;ou=partners,dc=example,dc=com',
    essential: true,
    meaning: 'DNs; only people beneath are read and granted',
  },
  LDAP_GROUP_FILTER: {
    value: values.filter,
    unset: 'none',
    example: '(cn=app-*)',
    meaning: 'RFC 4515, added to the built-in one',
  },
  LDAP_USER_FILTER: {
    value: values.filter,
    unset: 'none',
    example: '(employeeType=staff)',
    meaning: 'RFC 4515, added to the built-in one',
  },
  LDAP_FLAVOUR: {
    value: values.oneOf(FLAVOUR_NAMES),
    unset: 'detected',
    example: 'openldap',
    meaning: '`openldap`, `389ds`, `active-directory` or `generic`, where the root DSE does not tell the kind of server',
  },
  LDAP_USER_EMAIL_ATTRIBUTE: {
    value: values.attributeName,
    default: 'mail',
    example: 'mailPrimaryAddress',
    meaning: 'which address `email` means',
  },
  LDAP_USERNAME_ATTRIBUTE: {
    value: values.attributeName,
    unset: 'by flavour',
    example: 'uid',
    meaning: 'which attribute `username` means: `uid`, on Active Directory `sAMAccountName`',
  },
  LDAP_FULL_NAME_ATTRIBUTE: {
    value: values.attributeName,
    unset: 'by flavour',
    example: 'displayName',
    meaning: "what a sync tells as a user's full name: `cn`, on Active Directory `displayName`",
  },
  LDAP_MANAGER_ATTRIBUTE: {
    value: values.attributeName,
    default: 'manager',
    example: 'supervisor',
    meaning: "what a sync tells as a user's manager: a DN of a user in scope",
  },
  LDAP_GROUP_NAME_ATTRIBUTE: {
    value: values.attributeName,
    unset: 'by flavour',
    example: 'cn',
    meaning: 'which attribute `name` means: `cn`',
  },
  LDAP_OWNER_ATTRIBUTE: {
    value: values.attributeName,
    unset: 'by flavour',
    example: 'owner',
    meaning: "what a sync tells as a group's owners: `owner`, on Active Directory `managedBy`",
  },
  LDAP_MEMBER_ATTRIBUTE: {
    value: values.oneOf(MEMBER_ATTRIBUTES),
    unset: 'by each group',
    example: 'member',
    meaning:
      'forces `member`, `uniqueMember` or `memberUid` for all groups; else the object classes of each say, and `member` wins where several are allowed',
  },
  LDAP_PLACEHOLDER_MEMBER: {
    value: values.dnOrNobody,
    default: '',
    unset: 'the empty DN',
    example: 'cn=nobody,dc=example,dc=com',
    meaning: 'stands in where a group must have a member and the last real one leaves',
  },
  LDAP_PAGE_SIZE: {
    value: values.pageSize,
    default: '1000',
    example: '500',
    meaning: 'entries a page, where a sync reads the whole directory',
  },
} as const satisfies Record<string, VariableRow<unknown>>;
