import { ACCESS_RULES_IN_WORDS } from './acl-generic.ts';
import type { Flavour } from './flavour.ts';
import { disabledBy, RFC_GROUP, RFC_GROUPS, RFC_MEMBER_CLASSES, RFC_USERS } from './rfc-entries.ts';
import { RIGHTS_BY_DELETION } from './rights.ts';
import { uuidText } from './stable-id.ts';

/** Any server that keeps to the RFCs and has entryUUID (RFC 4530), such as OpenDJ and its relatives. */
export const GENERIC: Flavour = {
  name: 'generic',
  vendor: 'unknown',
  isSpokenBy: () => true,
  id: uuidText('entryUUID'),
  usernameAttribute: 'uid',
  fullNameAttribute: 'cn',
  groupNameAttribute: 'cn',
  ownerAttribute: 'owner',
  uidAttribute: 'uid',
  users: RFC_USERS,
  groups: RFC_GROUPS,
  people: RFC_USERS,
  otherEmails: null,
  user: disabledBy('pwdAccountLockedTime', ['000001010000z']),
  group: RFC_GROUP,
  memberClasses: RFC_MEMBER_CLASSES,
  references: 'as_configured',
  linksMembers: false,
  mayReadMembers: null,
  memberRights: null,
  comparable: null,
  misjudges: null,
  probedTogether: 500,
  emptyGroups: 'refused',
  inChain: null,
  ruling: null,
  rights: RIGHTS_BY_DELETION,
  accessRules: ACCESS_RULES_IN_WORDS,
  delta: null,
};
