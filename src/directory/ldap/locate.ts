import { parseDn } from '../../access/dn.ts';
import { and, equality, or } from '../../access/filter.ts';
import { type EntryId, parseEntryId } from '../../access/ids.ts';
import type { MemberAttribute } from '../../access/membership.ts';
import type { EntryRef } from '../../access/reference.ts';
import { ANY_ENTRY, hasId, idOf, type LdapEntry, valuesOf } from './entry.ts';
import { isInside, judged, type Kind, wholeFilter } from './kinds.ts';
import { memberStyle } from './member-style.ts';
import { beneathBase, entryAt, type Place } from './place.ts';

/** Finds an entry by its stable id under the whole base; scopes and configured filters do not narrow the search. */
export async function locate<Entry>(
  place: Place,
  { kind, id }: { kind: Kind<Entry>; id: EntryId },
  signal: AbortSignal,
): Promise<Entry | null> {
  const filter = hasId(id, place.landscape.flavour.id);
  const [entry] = await beneathBase(place, { filter, attributes: kind.attributes }, signal);
  return entry === undefined ? null : await judged(place, { kind, entry }, signal);
}

/** The same for many ids in one search; one answer for each, in order. At most as many as one look-up may come to. */
export async function locateAll<Entry>(
  place: Place,
  { kind, ids }: { kind: Kind<Entry>; ids: readonly EntryId[] },
  signal: AbortSignal,
): Promise<readonly (Entry | null)[]> {
  const stableId = place.landscape.flavour.id;
  const filter = or(...ids.map((id) => hasId(id, stableId)));
  const entries = await beneathBase(place, { filter, attributes: kind.attributes }, signal);
  const narrowed = { filter: and(filter, wholeFilter(kind)), attributes: [stableId.attribute] };
  const matching =
    kind.configured === null || entries.length === 0
      ? null
      : new Set((await beneathBase(place, narrowed, signal)).map((entry) => idOf(entry, stableId)));
  const found = new Map<EntryId, Entry>();
  for (const entry of entries) {
    const id = idOf(entry, stableId);
    found.set(id, await kind.read(entry, isInside(entry.dn, kind.scopes) && matching?.has(id) !== false));
  }
  return ids.map((id) => found.get(id) ?? null);
}

/** The entry that goes by a member value now. */
export async function occupant(
  place: Place,
  { attribute, value }: { attribute: MemberAttribute; value: string },
  signal: AbortSignal,
): Promise<EntryId | null> {
  const { flavour } = place.landscape;
  const attributes = [flavour.id.attribute];
  if (attribute === 'memberUid') {
    const filter = and(flavour.users, equality(flavour.uidAttribute, value));
    const entries = await beneathBase(place, { filter, attributes }, signal);
    const ids = entries.map((entry) => idOf(entry, flavour.id));
    return ids.toSorted()[0] ?? null;
  }
  const dn = parseDn(value);
  // The empty name is the root DSE for a search, and nobody as a member.
  if (!dn.ok || value.trim() === '') return null;
  const entry = await entryAt(place, { dn: dn.value, filter: ANY_ENTRY, attributes }, signal);
  return entry === null ? null : idOf(entry, flavour.id);
}

/**
 * Groups anywhere under the base that a configured name, DN or id means. An entry that is there and is no group means none: who names
 * the folder of the groups has named no group in it.
 */
export async function groupsNamed(place: Place, nameOrDn: string, signal: AbortSignal): Promise<readonly EntryRef[]> {
  const { flavour, groupNameAttribute } = place.landscape;
  const attributes = [flavour.id.attribute, 'objectClass'];
  const id = parseEntryId(nameOrDn);
  if (id.ok) {
    const entries = await beneathBase(place, { filter: hasId(id.value, flavour.id), attributes }, signal);
    return refs(place, await groupsAmong(place, entries, signal));
  }
  const dn = parseDn(nameOrDn);
  if (nameOrDn.includes('=') && dn.ok) {
    const entry = await entryAt(place, { dn: dn.value, filter: ANY_ENTRY, attributes }, signal);
    return refs(place, await groupsAmong(place, entry === null ? [] : [entry], signal));
  }
  if (nameOrDn.trim() === '') return [];
  const filter = and(flavour.groups, equality(groupNameAttribute, nameOrDn));
  return refs(place, await beneathBase(place, { filter, attributes }, signal));
}

function refs({ landscape: { flavour } }: Place, entries: readonly LdapEntry[]): readonly EntryRef[] {
  return entries.map((entry) => ({ id: idOf(entry, flavour.id), dn: entry.dn }));
}

/** Without those that are known to be no groups: by their classes they are none, nor can they have members. */
async function groupsAmong(place: Place, entries: readonly LdapEntry[], signal: AbortSignal): Promise<readonly LdapEntry[]> {
  const { flavour, schema } = place.landscape;
  const found: LdapEntry[] = [];
  for (const entry of entries) {
    const classes = valuesOf(entry, 'objectClass');
    const isGroup =
      classes.length === 0 ||
      (await entryAt(place, { dn: entry.dn, filter: flavour.groups, attributes: ['1.1'] }, signal)) !== null ||
      (await memberStyle(flavour, classes, schema)).allowed.length > 0;
    if (isGroup) found.push(entry);
  }
  return found;
}
