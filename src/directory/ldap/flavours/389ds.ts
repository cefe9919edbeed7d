import { and, equality, or } from '../../../access/filter.ts';
import type { Flavour } from './flavour.ts';
import { disabledBy, RFC_GROUP, RFC_GROUPS, RFC_MEMBER_CLASSES, RFC_USERS } from './rfc-entries.ts';
import { nsUniqueId } from './stable-id.ts';

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
  // Also set by a role for inactive accounts, through a class of service.
  user: disabledBy('nsAccountLock', ['true']),
  group: RFC_GROUP,
  memberClasses: RFC_MEMBER_CLASSES,
  // The plugin for referential integrity is delivered disabled; where it is on, it writes names in lower case.
  references: 'as_configured',
  linksMembers: false,
  mayReadMembers: null,
  probedTogether: 500,
  emptyGroups: 'allowed',
  delta: 'entryusn',
};
