import { type Dn, isBeneath } from '../../access/dn.ts';
import { and, type Filter } from '../../access/filter.ts';
import type { GroupEntry, UserEntry } from '../directory.ts';
import { idOf, type LdapEntry, valuesOf } from './entry.ts';
import { memberStyle } from './member-style.ts';
import { entryAt, type Place } from './place.ts';

/** What is different between looking for users and for groups. */
export interface Kind<Entry> {
  readonly scopes: readonly Dn[];
  readonly builtIn: Filter;
  readonly configured: Filter | null;
  readonly attributes: readonly string[];
  readonly read: (entry: LdapEntry, inScope: boolean) => Promise<Entry>;
}

export function users({ landscape }: Place): Kind<UserEntry> {
  const { flavour, usersScope, userFilter } = landscape;
  return {
    scopes: usersScope,
    builtIn: flavour.users,
    configured: userFilter,
    attributes: distinct([flavour.id.attribute, flavour.uidAttribute, ...flavour.user.attributes]),
    read: async (entry, inScope) => {
      const { refusal, primaryGroup } = flavour.user.facts(entry);
      const uids = valuesOf(entry, flavour.uidAttribute);
      return { id: idOf(entry, flavour.id), dn: entry.dn, uids, inScope, refusal, primaryGroup };
    },
  };
}

export function groups(place: Place): Kind<GroupEntry> {
  const { flavour, groupsScope, groupFilter, groupNameAttribute } = place.landscape;
  return {
    scopes: groupsScope,
    builtIn: flavour.groups,
    configured: groupFilter,
    attributes: distinct([flavour.id.attribute, groupNameAttribute, 'objectClass', ...flavour.group.attributes]),
    read: async (entry, inScope) => {
      const memberAttribute = await memberAttributeOf(place, entry);
      return {
        id: idOf(entry, flavour.id),
        dn: entry.dn,
        // Where the name must not be read, the distinguished name says as much.
        name: valuesOf(entry, groupNameAttribute)[0] ?? entry.dn,
        memberAttribute,
        inScope,
        ...flavour.group.facts(entry),
        linksMembers: flavour.linksMembers && memberAttribute !== 'memberUid',
      };
    },
  };
}

/** The forced attribute, else the one that the entry's classes say. */
async function memberAttributeOf({ landscape, onHybrid }: Place, entry: LdapEntry): Promise<GroupEntry['memberAttribute']> {
  if (landscape.memberAttribute !== null) return landscape.memberAttribute;
  const { used, allowed } = await memberStyle(landscape.flavour, valuesOf(entry, 'objectClass'), landscape.schema);
  if (used !== null && allowed.length > 1) onHybrid({ dn: entry.dn, allowed, used });
  return used;
}

/** The built-in and the configured filter. */
export function wholeFilter<Entry>({ builtIn, configured }: Kind<Entry>): Filter {
  return configured === null ? builtIn : and(builtIn, configured);
}

export function isInside(dn: Dn, scopes: readonly Dn[]): boolean {
  return scopes.some((scope) => isBeneath(dn, scope));
}

/** The entry with whether it is in scope: beneath a scope, and matching the configured filter where there is one. */
export async function judged<Entry>(
  place: Place,
  { kind, entry }: { kind: Kind<Entry>; entry: LdapEntry },
  signal: AbortSignal,
): Promise<Entry> {
  let inScope = isInside(entry.dn, kind.scopes);
  if (inScope && kind.configured !== null)
    inScope = (await entryAt(place, { dn: entry.dn, filter: wholeFilter(kind), attributes: ['1.1'] }, signal)) !== null;
  return await kind.read(entry, inScope);
}

function distinct(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}
