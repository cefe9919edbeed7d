import { MEMBER_ATTRIBUTES, type MemberAttribute } from '../../../access/membership.ts';
import type { ReadGroup, ReadSink } from '../../directory-reader.ts';
import { memberStyleIn } from '../member-style.ts';
import type { Schema } from '../schema.ts';
import type { WantedAttribute } from './attribute-places.ts';
import type { DecodedEntry } from './decoded-entry.ts';
import type { EmptyGroup } from './empty-groups.ts';
import { factPlaces, factsEntry, idAt } from './facts-entry.ts';
import { columns, type ReadPlace, textsAt } from './mapping.ts';

/** A group whose members came only in part, by a range; they are read on by {@link readRanges}. */
export interface CutGroup {
  readonly head: ReadGroup;
}

/** Reads groups from entries, and their members as they come. */
export interface TeamsReader {
  readonly wanted: readonly WantedAttribute[];
  /** Null where the entry is to be passed over. */
  values(entry: DecodedEntry, place: number, values: readonly string[]): void;
  /** Tells the group, its members having been told; or keeps it, where they came in part. */
  entry(entry: DecodedEntry): void;
  /** Those that were kept since the last call. */
  takeCut(): readonly CutGroup[];
  /** Those that came without a member value since the last call, which may be there and hidden. */
  takeEmpty(): readonly EmptyGroup[];
}

interface Telling {
  readonly entry: DecodedEntry;
  /** Undefined until the object classes have come, which may be after the members. */
  used: MemberAttribute | null | undefined;
  readonly held: Map<MemberAttribute, string[]>;
  /** Attributes of which values came, a placeholder included. */
  readonly came: Set<MemberAttribute>;
}

/**
 * What a group's entry is read as. Only the attribute that its classes say holds members (or the one that is forced), so that a
 * hybrid group has the members that are granted to it. A group for which nothing says where its members are, since they follow
 * from a search, is not told.
 */
export function teamsReader({ landscape, mapping, schema }: ReadPlace & { schema: Schema }, sink: ReadSink): TeamsReader {
  const { flavour, groupNameAttribute, memberAttribute: forced } = landscape;
  const { id: stableId } = flavour;
  const ownerAttribute = mapping.ownerAttribute ?? flavour.ownerAttribute;
  const cells = columns({
    parts: forced === null ? MEMBER_ATTRIBUTES : [forced],
    bytes: [stableId.attribute, ...flavour.group.attributes],
    text: [groupNameAttribute, 'description', ownerAttribute, 'objectClass'],
  });
  const memberAt = new Map((forced === null ? MEMBER_ATTRIBUTES : [forced]).map((name) => [cells.place(name), name]));
  const facts = factPlaces(cells, flavour.group.attributes);
  const classesAt = cells.place('objectClass');
  const [id, name, description, owner] = [
    cells.place(stableId.attribute),
    cells.place(groupNameAttribute),
    cells.place('description'),
    cells.place(ownerAttribute),
  ];
  const styles = new Map<string, MemberAttribute | null>();
  let telling: Telling | null = null;
  let cut: CutGroup[] = [];
  let empty: EmptyGroup[] = [];

  const usedBy = (entry: DecodedEntry): MemberAttribute | null => {
    if (forced !== null) return forced;
    const classes = textsAt(entry, classesAt);
    const key = classes.join('\0');
    let used = styles.get(key);
    if (used === undefined) {
      used = memberStyleIn(flavour, classes, schema).used;
      if (styles.size < MOST_STYLES) styles.set(key, used);
    }
    return used;
  };
  const of = (entry: DecodedEntry): Telling => {
    if (telling?.entry !== entry) telling = { entry, used: undefined, held: new Map(), came: new Set() };
    if (telling.used === undefined && (forced !== null || textsAt(entry, classesAt).length > 0)) telling.used = usedBy(entry);
    return telling;
  };
  const tell = (values: readonly string[]): void => {
    const told = withoutPlaceholder(values, mapping.placeholder);
    if (told.length > 0) sink.members(told);
  };

  return {
    wanted: cells.wanted,
    values(entry, place, values) {
      const attribute = memberAt.get(place);
      if (attribute === undefined || isCut(entry, place)) return;
      const { used, held, came } = of(entry);
      if (values.length > 0) came.add(attribute);
      if (used === attribute) tell(values);
      else if (used === undefined) held.set(attribute, [...(held.get(attribute) ?? []), ...values]);
    },
    entry(entry) {
      const { used = usedBy(entry), held, came } = of(entry);
      telling = null;
      if (used === null) return;
      const { builtIn, primaryName } = flavour.group.facts(factsEntry(entry, facts));
      const head: ReadGroup = {
        id: idAt(entry, { place: id, stableId }),
        dn: entry.dn,
        // Where the name must not be read, the distinguished name says as much.
        name: textsAt(entry, name)[0] ?? entry.dn,
        description: textsAt(entry, description)[0] ?? null,
        memberAttribute: used,
        ownerDns: textsAt(entry, owner),
        builtIn,
        primaryName,
      };
      if (isCut(entry, cells.place(used))) {
        cut.push({ head });
        return;
      }
      if (!came.has(used)) empty.push({ id: head.id, dn: head.dn, attribute: used });
      tell(held.get(used) ?? []);
      sink.group(head);
    },
    takeCut() {
      const taken = cut;
      cut = [];
      return taken;
    },
    takeEmpty() {
      const taken = empty;
      empty = [];
      return taken;
    },
  };
}

/** Beyond so many combinations of object classes, each is looked up again. */
const MOST_STYLES = 1_000;

/** True where an attribute came with some of its values only. */
function isCut(entry: DecodedEntry, place: number): boolean {
  const range = entry.ranges[place];
  return range !== undefined && (range.to !== null || range.from !== 0);
}

/** The empty name is nobody (ARCHITECTURE, Last member). */
export function withoutPlaceholder(values: readonly string[], placeholder: string): readonly string[] {
  const isNobody = (value: string) => value === '' || value === placeholder;
  return values.some(isNobody) ? values.filter((value) => !isNobody(value)) : values;
}
