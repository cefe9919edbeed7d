import { ACCESS_RULES_OF_OPENLDAP } from './acl-openldap.ts';
import type { Flavour } from './flavour.ts';
import { disabledBy, RFC_GROUP, RFC_GROUPS, RFC_MEMBER_CLASSES, RFC_USERS } from './rfc-entries.ts';
import { RIGHTS_BY_DELETION } from './rights.ts';
import { uuidText } from './stable-id.ts';

/** OpenLDAP's slapd. */
export const OPENLDAP: Flavour = {
  name: 'openldap',
  vendor: 'OpenLDAP',
  isSpokenBy: ({ objectClasses }) => objectClasses.some((name) => name.toLowerCase() === 'openldaprootdse'),
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
  // slapo-ppolicy(5): this value is an administrator's lock; any other passes by itself.
  user: disabledBy('pwdAccountLockedTime', ['000001010000z']),
  group: RFC_GROUP,
  memberClasses: RFC_MEMBER_CLASSES,
  // The overlays memberof and refint are the operator's choice, and cannot be seen by the connector's account.
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
  accessRules: ACCESS_RULES_OF_OPENLDAP,
  delta: 'entryCSN',
};
