import { type Dn, foldDn, parseDn } from '../../access/dn.ts';
import type { MemberAttribute } from '../../access/membership.ts';
import { DirectoryError, type GroupAbove } from '../directory.ts';
import { ANY_ENTRY, bytesOf, idOf, type LdapEntry, valuesOf } from './entry.ts';
import type { Flavour } from './flavours/flavour.ts';
import { entryAt, type Place } from './place.ts';

/** Kept by the server on each entry, or by nobody: it never proves an absence, but what it names is a group above. */
export const MEMBER_OF = 'memberOf';

/** A group that was met among groups in groups, and what its entry says that it is in itself. */
export interface MetGroup extends GroupAbove {
  readonly dn: Dn;
  readonly memberOf: readonly string[];
  readonly objectClasses: readonly string[];
  /** False where the account must not read by what groups of this kind of server are known that rule over the directory. */
  readonly showsNature: boolean;
}

/** What of a group's entry is asked for. */
export function metAttributes({ landscape: { flavour, groupNameAttribute } }: Pick<Place, 'landscape'>): readonly string[] {
  return [...new Set([flavour.id.attribute, groupNameAttribute, 'objectClass', ...flavour.group.attributes, MEMBER_OF])];
}

export function metGroup({ landscape: { flavour, groupNameAttribute } }: Pick<Place, 'landscape'>, entry: LdapEntry): MetGroup {
  const { builtIn, primaryName } = flavour.group.facts(entry);
  return {
    id: idOf(entry, flavour.id),
    dn: entry.dn,
    name: valuesOf(entry, groupNameAttribute)[0] ?? entry.dn,
    builtIn,
    showsNature: flavour.ruling === null || primaryName !== null,
    memberOf: valuesOf(entry, MEMBER_OF),
    objectClasses: valuesOf(entry, 'objectClass'),
  };
}

/** Active Directory shows the bare name of an entry to those who must read nothing of it. */
export function hasItsId({ landscape: { flavour } }: Pick<Place, 'landscape'>, entry: LdapEntry): boolean {
  return bytesOf(entry, flavour.id.attribute).length > 0;
}

/** The attributes that hold names, wherever a class of this kind of server has one. */
export function nestingAttributes({ memberClasses }: Flavour): readonly MemberAttribute[] {
  return [...new Set([...memberClasses.values()].flat())].filter((attribute) => attribute !== 'memberUid');
}

/** The group at a name that an entry has told; null where it is not shown, since it must not be read or is elsewhere. */
export async function groupAt(place: Omit<Place, 'onHybrid'>, name: string, signal: AbortSignal): Promise<MetGroup | null> {
  const dn = parseDn(name);
  if (!dn.ok) return null;
  try {
    const entry = await entryAt(place, { dn: dn.value, filter: ANY_ENTRY, attributes: metAttributes(place) }, signal);
    return entry === null || !hasItsId(place, entry) ? null : metGroup(place, entry);
  } catch (error) {
    // A referral to another domain, or a refusal: it cannot be read either way. No answer at all says nothing.
    if (error instanceof DirectoryError && error.ldap !== null) return null;
    throw error;
  }
}

/** A name as it compares, whatever its spelling. */
export function foldedName(name: string): string {
  const dn = parseDn(name);
  return dn.ok ? foldDn(dn.value) : name;
}
