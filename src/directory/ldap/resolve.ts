import { type Dn, sameDn } from '../../access/dn.ts';
import { and, equality, type Filter } from '../../access/filter.ts';
import type { EntryId } from '../../access/ids.ts';
import type { EntryRef, GroupRef, UserRef } from '../../access/reference.ts';
import { DirectoryError, type GroupEntry, type Resolution, type UserEntry } from '../directory.ts';
import { ANY_ENTRY, hasId } from './entry.ts';
import { groups, isInside, judged, type Kind, users, wholeFilter } from './kinds.ts';
import type { Landscape } from './landscape.ts';
import { locate } from './locate.ts';
import { asUnreadable, beneathBase, entryAt, type Place } from './place.ts';

/** RFC 4511 §4.1.9. */
const INVALID_DN_SYNTAX = 34;

/** How many entries an ambiguous reference is counted to, in each scope. */
const COUNTED = 10;

/** Finds the one user that a reference names. */
export async function findUser(
  place: Place,
  { ref, own }: { ref: UserRef; own: EntryRef | null },
  signal: AbortSignal,
): Promise<Resolution<UserEntry>> {
  const kind = users(place);
  return await find(place, { kind, named: userNamed(place.landscape, ref), own }, signal);
}

/** Finds the one group that a reference names. */
export async function findGroup(
  place: Place,
  { ref, own }: { ref: GroupRef; own: EntryRef | null },
  signal: AbortSignal,
): Promise<Resolution<GroupEntry>> {
  const kind = groups(place);
  return await find(place, { kind, named: groupNamed(place.landscape, ref), own }, signal);
}

/** A reference in the directory's terms: a name, an id, or an assertion about an attribute. */
type Named =
  | { readonly by: 'dn'; readonly dn: Dn }
  | { readonly by: 'id'; readonly id: EntryId }
  | { readonly by: 'assertion'; readonly filter: Filter };

function userNamed({ emailAttribute, usernameAttribute }: Landscape, ref: UserRef): Named {
  switch (ref.by) {
    case 'dn':
    case 'id':
      return ref;
    case 'email':
      return { by: 'assertion', filter: equality(emailAttribute, ref.email) };
    case 'username':
      return { by: 'assertion', filter: equality(usernameAttribute, ref.username) };
    default:
      return ref satisfies never;
  }
}

function groupNamed({ groupNameAttribute }: Landscape, ref: GroupRef): Named {
  switch (ref.by) {
    case 'dn':
    case 'id':
      return ref;
    case 'name':
      return { by: 'assertion', filter: equality(groupNameAttribute, ref.name) };
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
  const asserted = named.by === 'id' ? hasId(named.id, place.landscape.flavour.id) : named.filter;
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
      const at = await entryAt(place, { dn: named.dn, filter: ANY_ENTRY, attributes: kind.attributes }, signal).catch(noName);
      if (at === null) return sameDn(named.dn, own.dn) ? await locate(place, { kind, id: own.id }, signal) : null;
      return (await kind.read(at, false)).id === own.id ? await judged(place, { kind, entry: at }, signal) : null;
    }
    case 'assertion': {
      const byId = hasId(own.id, place.landscape.flavour.id);
      const [entry] = await beneathBase(place, { filter: and(byId, named.filter), attributes: kind.attributes }, signal);
      return entry === undefined ? null : await judged(place, { kind, entry }, signal);
    }
    default:
      return named satisfies never;
  }
}

/** What RFC 4514 takes for a name and this server does not (invalidDNSyntax), no entry has: asked again, it would answer the same. */
function noName(error: unknown): null {
  if (error instanceof DirectoryError && error.ldap?.resultCode === INVALID_DN_SYNTAX) return null;
  throw error;
}

/** Beyond the scopes is decided by the name alone, so that nobody learns what is there. */
async function findByDn<Entry>(
  place: Place,
  { kind, dn }: { kind: Kind<Entry>; dn: Dn },
  signal: AbortSignal,
): Promise<Resolution<Entry>> {
  if (!isInside(dn, kind.scopes)) return { kind: 'out_of_scope' };
  const entry = await entryAt(place, { dn, filter: wholeFilter(kind), attributes: kind.attributes }, signal).catch(noName);
  // The server may know names as equal that we do not, and the other way round: the entry's own name decides.
  if (entry === null || !isInside(entry.dn, kind.scopes)) return { kind: 'not_found' };
  return { kind: 'found', entry: await kind.read(entry, true) };
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
      if (!isInside(raw.dn, kind.scopes)) continue;
      const entry = await kind.read(raw, true);
      found.set(entry.id, entry);
    }
  }
  const [only, ...others] = found.values();
  // An answer that was cut is never one entry, however few came.
  if (others.length > 0 || isCut) return { kind: 'ambiguous', count: Math.max(found.size, 2) };
  return only === undefined ? { kind: 'not_found' } : { kind: 'found', entry: only };
}
