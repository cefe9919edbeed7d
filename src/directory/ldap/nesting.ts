import { type Dn, foldDn, parseDn } from '../../access/dn.ts';
import { and, equality, type Filter, or } from '../../access/filter.ts';
import type { EntryId } from '../../access/ids.ts';
import type { MemberAttribute, Presence } from '../../access/membership.ts';
import type { EntryRef } from '../../access/reference.ts';
import { batchLength, halves } from '../batch.ts';
import { DirectoryError, type GroupAbove, type Protector, type ProtectorAsked } from '../directory.ts';
import { ANY_ENTRY, hasId, idOf, type LdapEntry, valuesOf } from './entry.ts';
import type { Flavour } from './flavours/flavour.ts';
import { memberStyle } from './member-style.ts';
import { asUnreadable, beneathBase, entryAt, type Place } from './place.ts';
import { probe } from './probe.ts';

/** Deeper, and more, than anybody nests on purpose: beyond it nothing is said. */
const MOST_LEVELS = 32;
const MOST_GROUPS = 10_000;

/** Names in one filter: it stays far below what any server takes. */
const ASKED_TOGETHER = 50;

/** Ids in one look-up. */
const LOCATED_TOGETHER = 100;

/** Kept by the server on each entry, or by nobody: it never proves an absence, but what it names is a group above. */
const MEMBER_OF = 'memberOf';

/** A group that was met on the way up, and what its entry says of the next step. */
interface Met extends GroupAbove {
  readonly memberOf: readonly string[];
}

/**
 * The protected group that a group is nested in, at any depth, by the nearest levels first; null where it is in none. Looks under the
 * whole base. Rejects where that cannot be told: more groups than are looked at, one that must not be read, or a group of
 * `mustBeTold` whose members must not be.
 */
export async function protectorOf(place: Place, asked: ProtectorAsked, signal: AbortSignal): Promise<Protector | null> {
  const start = await startOf(place, asked.group, signal);
  const met = new Map<EntryId, Met>([[start.id, start]]);
  for (let level = 1, rising: readonly Met[] = [start]; rising.length > 0; level += 1) {
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
  }
  return await lastWord(place, { start, met, mustBeTold: asked.mustBeTold }, signal);
}

/** The group itself, as it is now: under a name that is another's by now, nothing would be found. */
async function startOf(place: Place, group: EntryRef, signal: AbortSignal): Promise<Met> {
  const entry = await entryAt(place, { dn: group.dn, filter: ANY_ENTRY, attributes: attributesOf(place) }, signal);
  const start = entry === null ? null : read(place, entry);
  if (start?.id === group.id) return start;
  throw new DirectoryError('gone', `"${group.dn}" (${group.id}) is no longer at its name; looking again.`);
}

function attributesOf({ landscape: { flavour, groupNameAttribute } }: Place): readonly string[] {
  return [...new Set([flavour.id.attribute, groupNameAttribute, 'objectClass', ...flavour.group.attributes, MEMBER_OF])];
}

function read({ landscape: { flavour, groupNameAttribute } }: Place, entry: LdapEntry): Met {
  return {
    id: idOf(entry, flavour.id),
    dn: entry.dn,
    name: valuesOf(entry, groupNameAttribute)[0] ?? entry.dn,
    builtIn: flavour.group.facts(entry).builtIn,
    memberOf: valuesOf(entry, MEMBER_OF),
  };
}

/** The attributes that hold names, wherever a class of this kind of server has one. */
export function nestingAttributes({ memberClasses }: Flavour): readonly MemberAttribute[] {
  return [...new Set([...memberClasses.values()].flat())].filter((attribute) => attribute !== 'memberUid');
}

/** The groups that one of these is in. */
async function groupsAbove(place: Place, lower: readonly GroupAbove[], signal: AbortSignal): Promise<readonly Met[]> {
  const above: Met[] = [];
  for (let rest = lower; rest.length > 0; ) {
    const length = batchLength(rest, { valuesOf: ({ dn }) => [dn], most: ASKED_TOGETHER });
    const entries = await entriesAbove(place, rest.slice(0, length), signal);
    above.push(...entries.map((entry) => read(place, entry)));
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
  const request = { base: landscape.baseDn, scope: 'sub', filter, attributes: attributesOf(place) } as const;
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
  { start, met, rising }: { start: Met; met: Map<EntryId, Met>; rising: readonly Met[] },
  signal: AbortSignal,
): Promise<readonly Met[]> {
  const known = new Set([...met.values()].map(({ dn }) => folded(dn)));
  const named: Met[] = [];
  for (const lower of rising) {
    for (const name of lower.memberOf) {
      if (known.has(folded(name))) continue;
      known.add(folded(name));
      const dn = parseDn(name);
      const entry = dn.ok ? await readable(place, dn.value, signal) : null;
      if (entry === null)
        throw unknown(
          start,
          `"${lower.dn}" says by ${MEMBER_OF} that it is in "${name}", which this account cannot read; give it the right to, or take the nesting out`,
        );
      const one = read(place, entry);
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
 * and no grant ends for it. One that does not show its members is believed to be named rightly.
 */
async function disowning(
  place: Place,
  { met, groups }: { met: ReadonlyMap<EntryId, Met>; groups: readonly Met[] },
  signal: AbortSignal,
): Promise<readonly Met[]> {
  const disowned: Met[] = [];
  for (const group of groups) {
    const values = [...met.values()].map(({ dn }) => dn).filter((dn) => dn !== group.dn);
    const presences: Presence[] = [];
    for (const attribute of nestingAttributes(place.landscape.flavour))
      presences.push(...(await probe(place, { group: group.dn, attribute, values, likely: 'absent' }, signal)));
    if (presences.every((presence) => presence === 'absent')) disowned.push(group);
  }
  return disowned;
}

async function readable(place: Place, dn: Dn, signal: AbortSignal): Promise<LdapEntry | null> {
  try {
    return await entryAt(place, { dn, filter: ANY_ENTRY, attributes: attributesOf(place) }, signal);
  } catch (error) {
    // A referral to another domain, or a refusal: it cannot be read either way. No answer at all says nothing.
    if (error instanceof DirectoryError && error.ldap !== null) return null;
    throw error;
  }
}

/**
 * Where no protected group was found on the way: whether that is so. Each of the protected groups that are known must say itself that
 * nothing which was met is its member, since a search shows only what may be read, and its silence proves nothing. Where the server
 * has a rule for chains, that is asked instead, of the group alone: over all groups, Samba took a second for three thousand people.
 */
async function lastWord(
  place: Place,
  { start, met, mustBeTold }: { start: Met; met: ReadonlyMap<EntryId, Met>; mustBeTold: readonly EntryId[] },
  signal: AbortSignal,
): Promise<Protector | null> {
  const { flavour } = place.landscape;
  for (let rest = mustBeTold.filter((id) => !met.has(id)); rest.length > 0; rest = rest.slice(LOCATED_TOGETHER)) {
    const filter = or(...rest.slice(0, LOCATED_TOGETHER).map((id) => hasId(id, flavour.id)));
    const known = await beneathBase(place, { filter, attributes: attributesOf(place) }, signal);
    if (flavour.inChain === null) for (const group of known) await proveOutside(place, { start, met, group }, signal);
    const group = flavour.inChain === null ? null : await inChainOf(place, { start, known, rule: flavour.inChain }, signal);
    if (group !== null) return { group: read(place, group), chain: [start.dn, group.dn] };
  }
  return null;
}

async function proveOutside(
  place: Place,
  { start, met, group }: { start: Met; met: ReadonlyMap<EntryId, Met>; group: LdapEntry },
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
  { start, known, rule }: { start: Met; known: readonly LdapEntry[]; rule: string },
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
  { start, protector, met }: { start: Met; protector: Met; met: ReadonlyMap<EntryId, Met> },
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

function folded(name: string): string {
  const dn = parseDn(name);
  return dn.ok ? foldDn(dn.value) : name;
}

function unknown({ dn }: Pick<GroupAbove, 'dn'>, why: string): DirectoryError {
  return new DirectoryError('refused', `Whether "${dn}" is nested in a protected group cannot be told: ${why}.`);
}
