import { equality, type Filter, or } from '../../access/filter.ts';
import type { MemberAttribute } from '../../access/membership.ts';

/**
 * What differs between kinds of directory servers. Others (389 Directory Server, Active Directory) stand beside this one
 * and are chosen in {@link flavourOf}.
 */
export interface Flavour {
  readonly name: 'openldap';
  readonly vendor: string;
  /** Holds the stable id. */
  readonly idAttribute: string;
  readonly usernameAttribute: string;
  readonly groupNameAttribute: string;
  readonly users: Filter;
  readonly groups: Filter;
  /** By object class, the most telling first. */
  readonly memberAttributes: ReadonlyMap<string, MemberAttribute>;
}

const OPENLDAP: Flavour = {
  name: 'openldap',
  vendor: 'OpenLDAP',
  idAttribute: 'entryUUID',
  usernameAttribute: 'uid',
  groupNameAttribute: 'cn',
  users: anyClass('person', 'posixAccount', 'account'),
  groups: anyClass('groupOfNames', 'groupOfUniqueNames', 'posixGroup'),
  memberAttributes: new Map([
    ['groupofnames', 'member'],
    ['groupofuniquenames', 'uniqueMember'],
    ['posixgroup', 'memberUid'],
  ]),
};

function anyClass(...names: readonly string[]): Filter {
  return or(...names.map((name) => equality('objectClass', name)));
}

/** The flavour of the server that a root DSE describes. Only one is spoken so far. */
export function flavourOf(): Flavour {
  return OPENLDAP;
}

/** The attribute that holds a group's members, by its object classes; null where none of them is known. */
export function memberAttributeOf(flavour: Flavour, objectClasses: readonly string[]): MemberAttribute | null {
  const classes = new Set(objectClasses.map((name) => name.toLowerCase()));
  for (const [objectClass, attribute] of flavour.memberAttributes) {
    if (classes.has(objectClass)) return attribute;
  }
  return null;
}
