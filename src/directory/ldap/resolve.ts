import { type Dn, isBeneath, parseDn, sameDn } from '../../access/dn.ts';
import { and, equality, type Filter, or } from '../../access/filter.ts';
import { type EntryId, parseEntryId } from '../../access/ids.ts';
import type { MemberAttribute } from '../../access/membership.ts';
import type { EntryRef, GroupRef, UserRef } from '../../access/reference.ts';
import { DirectoryError, type GroupEntry, type Resolution, type UserEntry } from '../directory.ts';
import { ANY_ENTRY, idOf, type LdapEntry, valuesOf } from './entry.ts';
import { memberAttributeOf } from './flavour.ts';
import type { Landscape } from './landscape.ts';
import type { Session } from './session.ts';

/** A session and the landscape that was learnt on it. */
export interface Place {
  readonly session: Session;
  readonly landscape: Landscape;
}

/** What is different between looking for users and for groups. */
interface Kind<Entry> {
  readonly scopes: readonly Dn[];
  readonly builtIn: Filter;
  readonly configured: Filter | null;
  readonly attributes: readonly string[];
  readonly read: (entry: LdapEntry, inScope: boolean) => Entry;
}

/** How many entries an ambiguous reference is counted to, in each scope. */
const COUNTED = 10;
/** How many groups one protected name may mean before it is a mistake. */
const MOST_NAMED = 200;

export function users({ flavour, usersScope, userFilter }: Landscape): Kind<UserEntry> {
  return {
    scopes: usersScope,
    builtIn: flavour.users,
    configured: userFilter,
    attributes: [flavour.idAttribute, flavour.usernameAttribute],
    read: (entry, inScope) => ({
      id: idOf(entry, flavour.idAttribute),
      dn: entry.dn,
      uids: valuesOf(entry, flavour.usernameAttribute),
      inScope,
    }),
  };
}

export function groups({ flavour, groupsScope, groupFilter }: Landscape): Kind<GroupEntry> {
  return {
    scopes: groupsScope,
    builtIn: flavour.groups,
    configured: groupFilter,
    attributes: [flavour.idAttribute, flavour.groupNameAttribute, 'objectClass'],
    read: (entry, inScope) => ({
      id: idOf(entry, flavour.idAttribute),
      dn: entry.dn,
      // Where the name must not be read, the distinguished name says as much.
      name: valuesOf(entry, flavour.groupNameAttribute)[0] ?? entry.dn,
      memberAttribute: memberAttributeOf(flavour, valuesOf(entry, 'objectClass')),
      inScope,
    }),
  };
}

/** Finds the one user that a reference names. */
export async function findUser(
  place: Place,
  { ref, own }: { ref: UserRef; own: EntryRef | null },
  signal: AbortSignal,
): Promise<Resolution<UserEntry>> {
  const kind = users(place.landscape);
  return await find(place, { kind, named: userNamed(place.landscape, ref), own }, signal);
}

/** Finds the one group that a reference names. */
export async function findGroup(
  place: Place,
  { ref, own }: { ref: GroupRef; own: EntryRef | null },
  signal: AbortSignal,
): Promise<Resolution<GroupEntry>> {
  const kind = groups(place.landscape);
  return await find(place, { kind, named: groupNamed(place.landscape, ref), own }, signal);
}

/** A reference in the directory's terms: a name, an id, or an assertion about an attribute. */
type Named =
  | { readonly by: 'dn'; readonly dn: Dn }
  | { readonly by: 'id'; readonly id: EntryId }
  | { readonly by: 'assertion'; readonly filter: Filter };

function userNamed({ emailAttribute, flavour }: Landscape, ref: UserRef): Named {
  switch (ref.by) {
    case 'dn':
    case 'id':
      return ref;
    case 'email':
      return { by: 'assertion', filter: equality(emailAttribute, ref.email) };
    case 'username':
      return { by: 'assertion', filter: equality(flavour.usernameAttribute, ref.username) };
    default:
      return ref satisfies never;
  }
}

function groupNamed({ flavour }: Landscape, ref: GroupRef): Named {
  switch (ref.by) {
    case 'dn':
    case 'id':
      return ref;
    case 'name':
      return { by: 'assertion', filter: equality(flavour.groupNameAttribute, ref.name) };
    default:
      return ref satisfies never;
  }
}

interface Sought<Entry> {
  readonly kind: Kind<Entry>;
  readonly named: Named;
  readonly own: EntryRef | null;
}

async function find<Entry extends EntryRef>(
  place: Place,
  { kind, named, own }: Sought<Entry>,
  signal: AbortSignal,
): Promise<Resolution<Entry>> {
  const ownEntry = own === null ? null : await findOwn(place, { kind, named, own }, signal);
  if (ownEntry !== null) return { kind: 'found', entry: ownEntry };
  if (named.by === 'dn') return await findByDn(place, { kind, dn: named.dn }, signal);
  const asserted = named.by === 'id' ? equality(place.landscape.flavour.idAttribute, named.id) : named.filter;
  return await findInScopes(place, { kind, asserted }, signal);
}

/** The recorded entry, wherever it now is, if the reference names it; else null. */
async function findOwn<Entry extends EntryRef>(
  place: Place,
  { kind, named, own }: Sought<Entry> & { own: EntryRef },
  signal: AbortSignal,
): Promise<Entry | null> {
  switch (named.by) {
    case 'id':
      return named.id === own.id ? await locate(place, { kind, id: own.id }, signal) : null;
    case 'dn': {
      const at = await entryAt(place, { dn: named.dn, filter: ANY_ENTRY, attributes: kind.attributes }, signal);
      if (at === null) return sameDn(named.dn, own.dn) ? await locate(place, { kind, id: own.id }, signal) : null;
      return kind.read(at, false).id === own.id ? await judged(place, { kind, entry: at }, signal) : null;
    }
    case 'assertion': {
      const byId = equality(place.landscape.flavour.idAttribute, own.id);
      const [entry] = await beneathBase(place, { filter: and(byId, named.filter), attributes: kind.attributes }, signal);
      return entry === undefined ? null : await judged(place, { kind, entry }, signal);
    }
    default:
      return named satisfies never;
  }
}

/** Beyond the scopes is decided by the name alone, so that nobody learns what is there. */
async function findByDn<Entry>(
  place: Place,
  { kind, dn }: { kind: Kind<Entry>; dn: Dn },
  signal: AbortSignal,
): Promise<Resolution<Entry>> {
  if (!isInside(dn, kind.scopes)) return { kind: 'out_of_scope' };
  const entry = await entryAt(place, { dn, filter: wholeFilter(kind), attributes: kind.attributes }, signal);
  // The server may know names as equal that we do not, and the other way round: the entry's own name decides.
  if (entry === null || !isInside(entry.dn, kind.scopes)) return { kind: 'not_found' };
  return { kind: 'found', entry: kind.read(entry, true) };
}

async function findInScopes<Entry extends EntryRef>(
  { session }: Place,
  { kind, asserted }: { kind: Kind<Entry>; asserted: Filter },
  signal: AbortSignal,
): Promise<Resolution<Entry>> {
  const found = new Map<EntryId, Entry>();
  let isCut = false;
  const filter = and(wholeFilter(kind), asserted);
  for (const base of kind.scopes) {
    const request = { base, scope: 'sub', filter, attributes: kind.attributes, sizeLimit: COUNTED } as const;
    const answer = await session.search(request, signal).catch((error: unknown) => {
      throw asUnreadable(error, base);
    });
    isCut ||= answer.isCut;
    for (const raw of answer.entries) {
      const entry = kind.read(raw, true);
      if (isInside(raw.dn, kind.scopes)) found.set(entry.id, entry);
    }
  }
  const [only, ...others] = found.values();
  // An answer that was cut is never one entry, however few came.
  if (others.length > 0 || isCut) return { kind: 'ambiguous', count: Math.max(found.size, 2) };
  return only === undefined ? { kind: 'not_found' } : { kind: 'found', entry: only };
}

/** Finds an entry by its stable id under the whole base; scopes and configured filters do not narrow the search. */
export async function locate<Entry>(
  place: Place,
  { kind, id }: { kind: Kind<Entry>; id: EntryId },
  signal: AbortSignal,
): Promise<Entry | null> {
  const filter = equality(place.landscape.flavour.idAttribute, id);
  const [entry] = await beneathBase(place, { filter, attributes: kind.attributes }, signal);
  return entry === undefined ? null : await judged(place, { kind, entry }, signal);
}

/** The same for many ids in one search; one answer for each, in order. At most as many as {@link MOST_NAMED}. */
export async function locateAll<Entry>(
  place: Place,
  { kind, ids }: { kind: Kind<Entry>; ids: readonly EntryId[] },
  signal: AbortSignal,
): Promise<readonly (Entry | null)[]> {
  const { idAttribute } = place.landscape.flavour;
  const filter = or(...ids.map((id) => equality(idAttribute, id)));
  const entries = await beneathBase(place, { filter, attributes: kind.attributes }, signal);
  const narrowed = { filter: and(filter, wholeFilter(kind)), attributes: [idAttribute] };
  const matching =
    kind.configured === null || entries.length === 0
      ? null
      : new Set((await beneathBase(place, narrowed, signal)).map((entry) => idOf(entry, idAttribute)));
  const found = new Map<EntryId, Entry>();
  for (const entry of entries) {
    const id = idOf(entry, idAttribute);
    found.set(id, kind.read(entry, isInside(entry.dn, kind.scopes) && matching?.has(id) !== false));
  }
  return ids.map((id) => found.get(id) ?? null);
}

/** The entry with whether it is in scope: beneath a scope, and matching the configured filter where there is one. */
async function judged<Entry>(
  place: Place,
  { kind, entry }: { kind: Kind<Entry>; entry: LdapEntry },
  signal: AbortSignal,
): Promise<Entry> {
  let inScope = isInside(entry.dn, kind.scopes);
  if (inScope && kind.configured !== null)
    inScope = (await entryAt(place, { dn: entry.dn, filter: wholeFilter(kind), attributes: ['1.1'] }, signal)) !== null;
  return kind.read(entry, inScope);
}

/** The entry that goes by a member value now. */
export async function occupant(
  place: Place,
  { attribute, value }: { attribute: MemberAttribute; value: string },
  signal: AbortSignal,
): Promise<EntryId | null> {
  const { flavour } = place.landscape;
  const attributes = [flavour.idAttribute];
  if (attribute === 'memberUid') {
    const filter = and(flavour.users, equality(flavour.usernameAttribute, value));
    const entries = await beneathBase(place, { filter, attributes }, signal);
    const ids = entries.map((entry) => idOf(entry, flavour.idAttribute));
    return ids.toSorted()[0] ?? null;
  }
  const dn = parseDn(value);
  // The empty name is the root DSE for a search, and nobody as a member.
  if (!dn.ok || value.trim() === '') return null;
  const entry = await entryAt(place, { dn: dn.value, filter: ANY_ENTRY, attributes }, signal);
  return entry === null ? null : idOf(entry, flavour.idAttribute);
}

/** Groups anywhere under the base that a configured name, DN or id means. */
export async function groupsNamed(place: Place, nameOrDn: string, signal: AbortSignal): Promise<readonly EntryRef[]> {
  const { flavour } = place.landscape;
  const attributes = [flavour.idAttribute];
  const refs = (entries: readonly LdapEntry[]) =>
    entries.map((entry): EntryRef => ({ id: idOf(entry, flavour.idAttribute), dn: entry.dn }));
  const id = parseEntryId(nameOrDn);
  if (id.ok) return refs(await beneathBase(place, { filter: equality(flavour.idAttribute, id.value), attributes }, signal));
  const dn = parseDn(nameOrDn);
  if (nameOrDn.includes('=') && dn.ok) {
    const entry = await entryAt(place, { dn: dn.value, filter: ANY_ENTRY, attributes }, signal);
    return entry === null ? [] : refs([entry]);
  }
  if (nameOrDn.trim() === '') return [];
  const filter = and(flavour.groups, equality(flavour.groupNameAttribute, nameOrDn));
  return refs(await beneathBase(place, { filter, attributes }, signal));
}

async function beneathBase(
  { session, landscape }: Place,
  { filter, attributes }: { filter: Filter; attributes: readonly string[] },
  signal: AbortSignal,
): Promise<readonly LdapEntry[]> {
  const base = landscape.baseDn;
  const answer = await session
    .search({ base, scope: 'sub', filter, attributes, sizeLimit: MOST_NAMED }, signal)
    .catch((error: unknown) => {
      throw asUnreadable(error, base);
    });
  if (answer.isCut) throw new DirectoryError('refused', `More than ${answer.entries.length} entries beneath "${base}" match.`);
  return answer.entries;
}

/** The one entry at a name, null where there is none, or none that matches. */
async function entryAt(
  { session }: Place,
  { dn, filter, attributes }: { dn: Dn; filter: Filter; attributes: readonly string[] },
  signal: AbortSignal,
): Promise<LdapEntry | null> {
  try {
    const answer = await session.search({ base: dn, scope: 'base', filter, attributes, sizeLimit: 1 }, signal);
    return answer.entries[0] ?? null;
  } catch (error) {
    if (error instanceof DirectoryError && error.fault === 'gone') return null;
    throw error;
  }
}

/** A base that is not there says nothing about what is beneath it, so result 32 must not look like an entry that is gone. */
function asUnreadable(error: unknown, base: Dn): unknown {
  if (!(error instanceof DirectoryError) || error.fault !== 'gone') return error;
  const message = `"${base}" is not there, or the account must not read it; check LDAP_BASE_DN, the scopes and the rights. ${error.message}`;
  return new DirectoryError('refused', message, { ldap: error.ldap, cause: error });
}

function wholeFilter<Entry>({ builtIn, configured }: Kind<Entry>): Filter {
  return configured === null ? builtIn : and(builtIn, configured);
}

function isInside(dn: Dn, scopes: readonly Dn[]): boolean {
  return scopes.some((scope) => isBeneath(dn, scope));
}
