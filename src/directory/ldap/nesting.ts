import type { Clock } from '../../access/clock.ts';
import type { Dn } from '../../access/dn.ts';
import { and, equality, type Filter, or } from '../../access/filter.ts';
import type { EntryId } from '../../access/ids.ts';
import type { Presence } from '../../access/membership.ts';
import type { EntryRef } from '../../access/reference.ts';
import { batchLength, halves } from '../batch.ts';
import { DirectoryError, type GroupAbove, type Protector, type ProtectorAsked } from '../directory.ts';
import { ANY_ENTRY, hasId, type LdapEntry, valuesOf } from './entry.ts';
import { memberStyle } from './member-style.ts';
import { foldedName, groupAt, MEMBER_OF, type MetGroup, metAttributes, metGroup, nestingAttributes } from './met-group.ts';
import { asUnreadable, beneathBase, entryAt, type Place } from './place.ts';
import { probe } from './probe.ts';

/** Deeper, and more, than anybody nests on purpose: beyond it nothing is said. */
const MOST_LEVELS = 32;
const MOST_GROUPS = 10_000;

/** Names in one filter: it stays far below what any server takes. */
const ASKED_TOGETHER = 50;

/** Ids in one look-up. */
const LOCATED_TOGETHER = 100;

/**
 * The protected group that a group is nested in, at any depth, by the nearest levels first; null where it is in none. Looks under the
 * whole base. Rejects where that cannot be told: more groups than are looked at, one that must not be read, or a group of
 * `mustBeTold` whose members must not be; and where it takes longer than `limitMs` in all, since an ending may wait for whoever asks.
 */
export async function protectorOf(
  place: Place,
  { asked, clock, limitMs }: { asked: ProtectorAsked; clock: Clock; limitMs: number },
  signal: AbortSignal,
): Promise<Protector | null> {
  if (asked.onlyByNature === true && place.landscape.flavour.ruling === null) return null;
  const late = new AbortController();
  const cancel = clock.timer(limitMs, () => late.abort());
  try {
    return await walkUp(place, asked, AbortSignal.any([signal, late.signal]));
  } catch (error) {
    if (!late.signal.aborted || signal.aborted) throw error;
    const why = `the way up took longer than ${limitMs / 1000} s (twice LDAP_READ_TIMEOUT). It is tried again; look at the load of the directory, and at whether member and uniqueMember have an index for equality`;
    throw new DirectoryError('busy', unknownMessage(asked.group, why), { cause: error });
  } finally {
    cancel();
  }
}

async function walkUp(place: Place, asked: ProtectorAsked, signal: AbortSignal): Promise<Protector | null> {
  const start = await startOf(place, asked.group, signal);
  const met = new Map<EntryId, MetGroup>([[start.id, start]]);
  for (let level = 1, rising: readonly MetGroup[] = [start]; rising.length > 0; level += 1) {
    if (level > MOST_LEVELS) throw unknown(start, `it is nested more than ${MOST_LEVELS} levels deep; take nesting out`);
    const found = await groupsAbove(place, rising, signal);
    const fresh = found.filter(({ id }) => !met.has(id));
    for (const one of fresh) met.set(one.id, one);
    const named = await namedByThemselves(place, { start, met, rising }, signal);
    if (met.size > MOST_GROUPS) throw unknown(start, `it is nested in more than ${MOST_GROUPS} groups; take nesting out`);
    const claimed = named.filter(asked.isProtected);
    const stale = await disowning(place, { met, groups: claimed }, signal);
    for (const { id } of stale) met.delete(id);
    rising = [...fresh, ...named.filter((one) => !stale.includes(one))];
    const protector = fresh.find(asked.isProtected) ?? claimed.find((one) => !stale.includes(one));
    if (protector !== undefined) return { group: protector, chain: await chainTo(place, { start, protector, met }, signal) };
    const hidden = rising.find(({ showsNature }) => !showsNature);
    if (hidden !== undefined)
      throw unknown(
        start,
        `it is in "${hidden.dn}", which does not show this account its objectSid, so whether that rules over the directory is unknown; give it the right to read that group`,
      );
  }
  return await lastWord(place, { start, met, mustBeTold: asked.mustBeTold }, signal);
}

/** The group itself, as it is now: under a name that is another's by now, nothing would be found. */
async function startOf(place: Place, group: EntryRef, signal: AbortSignal): Promise<MetGroup> {
  const entry = await entryAt(place, { dn: group.dn, filter: ANY_ENTRY, attributes: metAttributes(place) }, signal);
  const start = entry === null ? null : metGroup(place, entry);
  if (start?.id === group.id) return start;
  throw new DirectoryError('gone', `"${group.dn}" (${group.id}) is no longer at its name; looking again.`);
}

/** The groups that one of these is in. */
async function groupsAbove(place: Place, lower: readonly GroupAbove[], signal: AbortSignal): Promise<readonly MetGroup[]> {
  const above: MetGroup[] = [];
  for (let rest = lower; rest.length > 0; ) {
    const length = batchLength(rest, { valuesOf: ({ dn }) => [dn], most: ASKED_TOGETHER });
    const entries = await entriesAbove(place, rest.slice(0, length), signal);
    above.push(...entries.map((entry) => metGroup(place, entry)));
    rest = rest.slice(length);
  }
  return [...new Map(above.map((one) => [one.id, one])).values()];
}

async function entriesAbove(place: Place, lower: readonly GroupAbove[], signal: AbortSignal): Promise<readonly LdapEntry[]> {
  const { session, landscape } = place;
  const { inChain, groups } = landscape.flavour;
  const held = or(...lower.flatMap(({ dn }) => nestingAttributes(landscape.flavour).map((attribute) => equality(attribute, dn))));
  // Where every group is of one class, the server need look at nothing else: Samba took four times as long.
  const filter = inChain === null ? held : and(groups, held);
  // A limit of ours above the server's own would be refused by some (result 11).
  const request = { base: landscape.baseDn, scope: 'sub', filter, attributes: metAttributes(place) } as const;
  const answer = await session.search({ ...request, sizeLimit: 0 }, signal).catch((error: unknown) => {
    throw asUnreadable(error, landscape.baseDn);
  });
  if (!answer.isCut) return answer.entries;
  const [only, ...others] = lower;
  if (only !== undefined && others.length === 0)
    throw unknown(only, `the server tells no more than ${answer.entries.length} of the groups that it is in; raise its limit`);
  const entries: LdapEntry[] = [];
  for (const half of halves(lower)) entries.push(...(await entriesAbove(place, half, signal)));
  return entries;
}

/**
 * Groups that the entries name as theirs and no search has shown: of those the account may read the entry and not its members, or
 * nothing at all, and then it is unknown what they are. They join what was met.
 */
async function namedByThemselves(
  place: Place,
  { start, met, rising }: { start: MetGroup; met: Map<EntryId, MetGroup>; rising: readonly MetGroup[] },
  signal: AbortSignal,
): Promise<readonly MetGroup[]> {
  const known = new Set([...met.values()].map(({ dn }) => foldedName(dn)));
  const named: MetGroup[] = [];
  for (const lower of rising) {
    for (const name of lower.memberOf) {
      if (known.has(foldedName(name))) continue;
      known.add(foldedName(name));
      const one = await groupAt(place, name, signal);
      if (one === null)
        throw unknown(
          start,
          `"${lower.dn}" says by ${MEMBER_OF} that it is in "${name}", which this account cannot read; give it the right to, or take the nesting out`,
        );
      if (met.has(one.id)) continue;
      met.set(one.id, one);
      named.push(one);
      if (met.size > MOST_GROUPS) return named;
    }
  }
  return named;
}

/**
 * Of the groups that entries name as theirs, those that show themselves that nothing which was met is in them: the name is of before,
 * and no grant ends for it. One that does not show its members is believed to be named rightly, and so is one that has them in an
 * attribute of which we know nothing, such as the occupants of a role: servers can be told to make `memberOf` of that, too.
 */
async function disowning(
  place: Place,
  { met, groups }: { met: ReadonlyMap<EntryId, MetGroup>; groups: readonly MetGroup[] },
  signal: AbortSignal,
): Promise<readonly MetGroup[]> {
  const { flavour, schema } = place.landscape;
  const disowned: MetGroup[] = [];
  // What two names of before say of one another is no nesting: none of them vouches for the next.
  const values = [...met.values()].filter((one) => !groups.includes(one)).map(({ dn }) => dn);
  for (const group of groups) {
    const { allowed } = await memberStyle(flavour, group.objectClasses, schema);
    if (allowed.every((attribute) => attribute === 'memberUid')) continue;
    const presences: Presence[] = [];
    for (const attribute of nestingAttributes(flavour))
      presences.push(...(await probe(place, { group: group.dn, attribute, values, likely: 'absent' }, signal)));
    if (presences.every((presence) => presence === 'absent')) disowned.push(group);
  }
  return disowned;
}

/**
 * Where no protected group was found on the way: whether that is so. Each of the protected groups that are known must say itself that
 * nothing which was met is its member, since a search shows only what may be read, and its silence proves nothing. Where the server
 * has a rule for chains, that is asked instead, of the group alone: over all groups, Samba took a second for three thousand people.
 */
async function lastWord(
  place: Place,
  { start, met, mustBeTold }: { start: MetGroup; met: ReadonlyMap<EntryId, MetGroup>; mustBeTold: readonly EntryId[] },
  signal: AbortSignal,
): Promise<Protector | null> {
  const { flavour } = place.landscape;
  for (let rest = mustBeTold.filter((id) => !met.has(id)); rest.length > 0; rest = rest.slice(LOCATED_TOGETHER)) {
    const filter = or(...rest.slice(0, LOCATED_TOGETHER).map((id) => hasId(id, flavour.id)));
    const known = await beneathBase(place, { filter, attributes: metAttributes(place) }, signal);
    if (flavour.inChain === null) for (const group of known) await proveOutside(place, { start, met, group }, signal);
    const group = flavour.inChain === null ? null : await inChainOf(place, { start, known, rule: flavour.inChain }, signal);
    if (group !== null) return { group: metGroup(place, group), chain: [start.dn, group.dn] };
  }
  return null;
}

async function proveOutside(
  place: Place,
  { start, met, group }: { start: MetGroup; met: ReadonlyMap<EntryId, MetGroup>; group: LdapEntry },
  signal: AbortSignal,
): Promise<void> {
  const { flavour, schema } = place.landscape;
  const values = [...met.values()].map(({ dn }) => dn);
  const { allowed } = await memberStyle(flavour, valuesOf(group, 'objectClass'), schema);
  for (const attribute of allowed) {
    if (attribute === 'memberUid') continue;
    const presences = await probe(place, { group: group.dn, attribute, values, likely: 'absent' }, signal);
    if (presences.some((presence) => presence !== 'absent'))
      throw unknown(
        start,
        `the account may not search ${attribute} of the protected group "${group.dn}"; give it the right to ("latchkey acl" prints it)`,
      );
  }
}

/** Which of these the group is in, by the server's rule; null for none. */
async function inChainOf(
  place: Place,
  { start, known, rule }: { start: MetGroup; known: readonly LdapEntry[]; rule: string },
  signal: AbortSignal,
): Promise<LdapEntry | null> {
  if (known.length === 0) return null;
  const isIn = ({ dn: value }: LdapEntry): Filter => ({ kind: 'extensible', attribute: MEMBER_OF, rule, value });
  const asked = { dn: start.dn, attributes: ['1.1'] };
  if ((await entryAt(place, { ...asked, filter: or(...known.map(isIn)) }, signal)) === null) return null;
  for (const one of known) if ((await entryAt(place, { ...asked, filter: isIn(one) }, signal)) !== null) return one;
  return null;
}

/** From the group up to the one that protects it, as DNs; the two ends alone where the way between cannot be told. */
async function chainTo(
  place: Place,
  { start, protector, met }: { start: MetGroup; protector: MetGroup; met: ReadonlyMap<EntryId, MetGroup> },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const ends = [start.dn, protector.dn];
  const above = new Map<string, string>();
  const upper: string[] = [protector.dn];
  try {
    for (let left = MOST_LEVELS; left > 0; left -= 1) {
      const group = upper.shift();
      if (group === undefined) return ends;
      const others = [...met.values()].map(({ dn }) => dn).filter((dn) => dn !== protector.dn && !above.has(dn));
      for (const member of await membersAmong(place, { group, others }, signal)) {
        above.set(member, group);
        upper.push(member);
      }
      if (above.has(start.dn)) return wayUp(start.dn, above);
    }
  } catch (error) {
    // It is for a person to read, and decides nothing.
    if (!(error instanceof DirectoryError)) throw error;
  }
  return ends;
}

function wayUp(from: string, above: ReadonlyMap<string, string>): readonly string[] {
  const way = [from];
  for (let next = above.get(from); next !== undefined; next = above.get(next)) way.push(next);
  return way;
}

async function membersAmong(
  place: Place,
  { group, others }: { group: string; others: readonly string[] },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const members = new Set<string>();
  for (const attribute of nestingAttributes(place.landscape.flavour)) {
    const presences = await probe(place, { group: group as Dn, attribute, values: others, likely: 'absent' }, signal);
    for (const [at, dn] of others.entries()) if (presences[at] === 'member') members.add(dn);
  }
  return [...members];
}

function unknown({ dn }: Pick<GroupAbove, 'dn'>, why: string): DirectoryError {
  return new DirectoryError('refused', unknownMessage({ dn }, why));
}

function unknownMessage({ dn }: Pick<EntryRef, 'dn'>, why: string): string {
  return `Whether "${dn}" is nested in a protected group cannot be told: ${why}.`;
}
