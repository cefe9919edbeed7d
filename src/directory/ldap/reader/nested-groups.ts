import type { EntryId } from '../../../access/ids.ts';
import type { ProtectedTold, ProtectionRules } from '../../directory-reader.ts';
import { memberStyle } from '../member-style.ts';
import { foldedName, groupAt, hasItsId, MEMBER_OF, type MetGroup, metAttributes, metGroup } from '../met-group.ts';
import type { Place } from '../place.ts';
import { probe } from '../probe.ts';
import type { DecodedEntry } from './decoded-entry.ts';
import { factPlaces, factsEntry } from './facts-entry.ts';
import { columns } from './mapping.ts';
import { readPages } from './pages.ts';
import { onLine, type Reading } from './reading.ts';

type Asked = Omit<Place, 'onHybrid'>;

/** The limit is for memory: each is some hundred bytes. */
const MOST_GROUPS = 500_000;

/** Groups that entries name as theirs and the base does not show: in another container than the base, or hidden. */
const MOST_NAMED = 10_000;

/** The groups of a directory, and what they say of one another. */
interface GroupsThere {
  /** By their folded names. */
  readonly all: ReadonlyMap<string, MetGroup>;
  /** Who says of itself that it is in the group of that folded name. */
  readonly claims: ReadonlyMap<string, readonly MetGroup[]>;
  /** Those that say that they are in a group which is not shown. */
  readonly untold: ReadonlySet<MetGroup>;
}

/** Every group beneath the base, by its folded name, and those of which not all is told that they say they are in. */
interface ListedGroups {
  readonly all: Map<string, MetGroup>;
  readonly untold: Set<MetGroup>;
}

/**
 * Every group that is protected, or nested in one that is, at any depth and anywhere under the base: the same as `protectorOf` says of
 * each, found from above, by one reading of all groups and one question for each that is protected and each hundreds of names. A group
 * of which it cannot be told is among them, as it is granted to nobody either.
 */
export async function groupsProtected(reading: Reading, rules: ProtectionRules, signal: AbortSignal): Promise<ProtectedTold> {
  if (rules.onlyByNature === true && reading.landscape.flavour.ruling === null) return { ids: new Set(), unknown: null };
  const listed = await everyGroup(reading, signal);
  if (listed.all.size <= MOST_GROUPS) return await protectedAmong(reading, { listed, rules }, signal);
  return { ids: new Set(), unknown: `there are more than ${MOST_GROUPS} groups beneath the base` };
}

/** The same of groups that were listed. */
export async function protectedAmong(
  place: Asked,
  { listed, rules }: { listed: ListedGroups; rules: ProtectionRules },
  signal: AbortSignal,
): Promise<ProtectedTold> {
  const there = await groupsThere(place, listed, signal);
  const groups = [...there.all.values()];
  const named = groups.filter((group) => rules.protects(group));
  const builtIn = groups.filter((group) => rules.protectsBuiltIn(group));
  const roots = new Set([...named, ...builtIn]);
  const lower = new Map<MetGroup, readonly MetGroup[]>();
  const unsearchable: MetGroup[] = [];

  async function lowerOf(upper: MetGroup): Promise<readonly MetGroup[]> {
    const known = lower.get(upper);
    if (known !== undefined) return known;
    const claimed = there.claims.get(foldedName(upper.dn)) ?? [];
    const shown = place.landscape.flavour.inChain === null ? await shownIn(place, { upper, groups }, signal) : null;
    if (shown?.isWhole === false && named.includes(upper)) unsearchable.push(upper);
    // A name of before is no nesting, where the protected group itself says so.
    const believed = shown?.isWhole === true && roots.has(upper) ? [] : claimed;
    const found = [...new Set([...(shown?.members ?? []), ...believed])];
    lower.set(upper, found);
    return found;
  }

  async function beneath(uppers: readonly MetGroup[]): Promise<ReadonlySet<MetGroup>> {
    const found = new Set(uppers);
    // Ends: a set is gone through with what joins it on the way, and each group joins it once.
    for (const upper of found) for (const group of await lowerOf(upper)) found.add(group);
    return found;
  }

  const byName = await beneath([...named, ...there.untold]);
  const byNature = await beneath(builtIn);
  const ids = new Set<EntryId>([...byName].map(({ id }) => id));
  for (const group of byNature) if (!rules.releases(group)) ids.add(group.id);
  return { ids, unknown: unsearchable[0] === undefined ? null : unsearchableSentence(unsearchable[0]) };
}

function unsearchableSentence({ dn }: MetGroup): string {
  return `the account may not search the members of the protected group "${dn}"; give it the right to ("latchkey acl" prints it)`;
}

async function groupsThere(place: Asked, { all, untold }: ListedGroups, signal: AbortSignal): Promise<GroupsThere> {
  const claims = new Map<string, MetGroup[]>();
  const missing = new Set<string>();
  let asked = 0;
  // Ends: what is read at a name joins at the end, once, and there is a limit to how many are.
  for (const group of all.values())
    for (const name of group.memberOf) {
      const key = foldedName(name);
      if (!all.has(key) && !missing.has(key)) {
        asked += 1;
        const named = asked > MOST_NAMED ? null : await groupAt(place, name, signal);
        if (named === null) missing.add(key);
        else all.set(key, named);
      }
      if (missing.has(key)) untold.add(group);
      else claims.set(key, [...(claims.get(key) ?? []), group]);
    }
  return { all, claims, untold };
}

/** One more than can be kept, where there are more. */
async function everyGroup(reading: Reading, signal: AbortSignal): Promise<ListedGroups> {
  const { landscape, mapping } = reading;
  const asked = metAttributes(reading);
  const cells = columns({ bytes: asked });
  const places = factPlaces(cells, asked);
  const memberOfAt = cells.place(MEMBER_OF);
  const all = new Map<string, MetGroup>();
  const untold = new Set<MetGroup>();
  const search = { base: landscape.baseDn, scope: 'sub', filter: landscape.flavour.groups, attributes: cells.wanted } as const;
  await onLine(reading, async (line) => {
    const receiver = {
      entry(one: DecodedEntry) {
        const entry = factsEntry(one, places);
        if (!hasItsId(reading, entry) || all.size > MOST_GROUPS) return;
        const group = metGroup(reading, entry);
        all.set(foldedName(group.dn), group);
        // Active Directory tells 1,500 at once, and what a group with more is in would take a question for each 1,500.
        if (one.ranges[memberOfAt] !== undefined) untold.add(group);
      },
    };
    await readPages(line, { ...search, pageSize: mapping.pageSize }, receiver, signal);
  });
  return { all, untold };
}

/**
 * Which of the groups are members of the upper one. `isWhole`: each of them was told, one way or the other. Null where it has its members
 * in an attribute of which we know nothing.
 */
async function shownIn(
  place: Asked,
  { upper, groups }: { upper: MetGroup; groups: readonly MetGroup[] },
  signal: AbortSignal,
): Promise<{ readonly members: readonly MetGroup[]; readonly isWhole: boolean } | null> {
  const { flavour, schema } = place.landscape;
  const { allowed } = await memberStyle(flavour, upper.objectClasses, schema);
  const attributes = allowed.filter((attribute) => attribute !== 'memberUid');
  if (attributes.length === 0) return null;
  const members = new Set<MetGroup>();
  let isWhole = true;
  const others = groups.filter((group) => group !== upper);
  const values = others.map(({ dn }) => dn);
  for (const attribute of attributes) {
    const presences = await probe(place, { group: upper.dn, attribute, values, likely: 'absent' }, signal);
    for (const [at, group] of others.entries()) {
      if (presences[at] === 'member') members.add(group);
      if (presences[at] === 'unknown') isWhole = false;
    }
  }
  return { members: [...members], isWhole };
}
