import { randomUUID } from 'node:crypto';
import { type Dn, foldDn, isBeneath, parseDn } from '../../src/access/dn.ts';
import { type EntryId, parseEntryId } from '../../src/access/ids.ts';
import type { MemberAttribute } from '../../src/access/membership.ts';
import type { GroupEntry, MembershipChange, UserEntry } from '../../src/directory/directory.ts';
import { type Personality, RFC_CODES } from './fake-servers.ts';

/** What an entry says about itself beyond its names; nothing unless a test says so. */
export type FakeUserFacts = Partial<Pick<UserEntry, 'refusal' | 'primaryGroup'>>;
export type FakeGroupFacts = Partial<Pick<GroupEntry, 'refusal' | 'builtIn' | 'primaryName'>>;

export type FakeEntry = {
  readonly id: EntryId;
  dn: Dn;
} & (
  | { readonly kind: 'container' }
  | { readonly kind: 'user'; uids: readonly string[]; readonly mails: readonly string[]; facts: FakeUserFacts }
  | {
      readonly kind: 'group';
      name: string;
      readonly attribute: MemberAttribute | null;
      values: string[];
      facts: FakeGroupFacts;
    }
);

export type FakeGroup = Extract<FakeEntry, { kind: 'group' }>;
export type FakeUser = Extract<FakeEntry, { kind: 'user' }>;

/** What a test adds; the id is made. */
export type NewFakeEntry =
  | { kind: 'container'; dn: Dn }
  | { kind: 'user'; dn: Dn; uids: readonly string[]; mails?: readonly string[]; facts?: FakeUserFacts }
  | {
      kind: 'group';
      dn: Dn;
      name: string;
      attribute: MemberAttribute | null;
      values?: readonly string[];
      facts?: FakeGroupFacts;
    };

export interface FakeTree {
  add(entry: NewFakeEntry): EntryId;
  /** Null for a name that is taken by no entry, or by one that is hidden. */
  at(dn: Dn): FakeEntry | null;
  byId(id: EntryId): FakeEntry | null;
  visible(): readonly FakeEntry[];
  /** Also moves. With referential integrity, member values follow. */
  rename(dn: Dn, newDn: Dn): void;
  delete(dn: Dn): void;
  /** Entries at and beneath the name cannot be seen. */
  hide(dn: Dn): void;
  /** The members of that group can neither be read nor searched. */
  hideMembers(dn: Dn): void;
  showAll(): void;
  group(dn: Dn): FakeGroup | null;
  /** Every group that has the name among its members, also one that cannot be seen, or of which the members cannot. */
  holding(name: Dn): readonly FakeGroup[];
  sameDn(one: Dn, other: Dn): boolean;
  presenceCounts(group: Dn, value: { attribute: MemberAttribute; value: string }): { matching: number; notMatching: number };
  /** Applies all or nothing, and says which result code a directory would. */
  apply(change: MembershipChange): number;
  /** What a replica has now; the function makes it what the directory has. */
  copy(): () => void;
}

/**
 * The entries of a directory in memory, with the rules that matter here: names are equal in any spelling, a `memberUid` only
 * as it is, a modify is atomic. What servers do differently is the personality's.
 */
export function fakeTree(options: Personality): FakeTree {
  const { sameDn, sameValue, distinct, isName } = spellings();
  const entries: FakeEntry[] = [];
  const hidden = new Set<Dn>();
  const membersHidden = new Set<Dn>();

  const isVisible = (entry: FakeEntry) => ![...hidden].some((dn) => isBeneath(entry.dn, dn));
  const at = (dn: Dn) => entries.find((entry) => sameDn(entry.dn, dn) && isVisible(entry)) ?? null;
  const group = (dn: Dn): FakeGroup | null => {
    const entry = at(dn);
    return entry?.kind === 'group' ? entry : null;
  };
  const followReferences = (old: Dn, now: Dn | null): void => {
    if (!options.referentialIntegrity) return;
    for (const entry of entries) {
      if (entry.kind !== 'group' || entry.attribute === 'memberUid') continue;
      const others = entry.values.filter((value) => !sameValue('member', value, old));
      // A server keeps a dangling value rather than a group that its schema forbids.
      if (others.length === entry.values.length || (now === null && others.length === 0 && options.demandsMember)) continue;
      entry.values = now === null ? others : [...others, now];
    }
  };

  return {
    at,
    byId: (id) => entries.find((entry) => entry.id === id && isVisible(entry)) ?? null,
    group,
    holding: (name) =>
      entries.filter(
        (entry): entry is FakeGroup =>
          entry.kind === 'group' &&
          entry.attribute !== 'memberUid' &&
          entry.values.some((value) => sameValue('member', value, name)),
      ),
    sameDn,
    visible: () => entries.filter(isVisible),
    add(entry) {
      const id = parseEntryId(randomUUID());
      if (!id.ok) throw new Error(id.problem);
      if (entries.some(({ dn }) => sameDn(dn, entry.dn))) throw new Error(`there is an entry "${entry.dn}" already`);
      switch (entry.kind) {
        case 'container':
          entries.push({ ...entry, id: id.value });
          break;
        case 'user':
          entries.push({ ...entry, id: id.value, mails: entry.mails ?? [], facts: entry.facts ?? {} });
          break;
        case 'group':
          entries.push({ ...entry, id: id.value, values: [...(entry.values ?? [])], facts: entry.facts ?? {} });
          break;
        default:
          entry satisfies never;
      }
      return id.value;
    },
    rename(dn, newDn) {
      const entry = entries.find((one) => sameDn(one.dn, dn));
      if (entry === undefined) throw new Error(`there is no entry "${dn}"`);
      followReferences(entry.dn, newDn);
      entry.dn = newDn;
    },
    delete(dn) {
      const index = entries.findIndex((one) => sameDn(one.dn, dn));
      if (index < 0) throw new Error(`there is no entry "${dn}"`);
      entries.splice(index, 1);
      followReferences(dn, null);
    },
    hide: (dn) => void hidden.add(dn),
    hideMembers: (dn) => void membersHidden.add(dn),
    showAll() {
      hidden.clear();
      membersHidden.clear();
    },
    presenceCounts(dn, { attribute, value }) {
      const entry = group(dn);
      if (entry === null || membersHidden.has(dn)) return { matching: 0, notMatching: 0 };
      const isMember = entry.attribute === attribute && entry.values.some((one) => sameValue(attribute, one, value));
      return isMember ? { matching: 1, notMatching: 0 } : { matching: 0, notMatching: 1 };
    },
    apply({ group: dn, attribute, add, remove }) {
      const entry = group(dn);
      if (entry === null) return 32;
      if (entry.attribute !== attribute) return 65;
      if (attribute !== 'memberUid' && [...add, ...remove].some((value) => !isName(value))) return options.codes.badName;
      // Only links are answered in the server's own way: of texts each says what the RFC says.
      const codes = attribute === 'memberUid' ? RFC_CODES : options.codes;
      let values = entry.values;
      for (const value of distinct(attribute, add)) {
        if (values.some((one) => sameValue(attribute, one, value))) return codes.exists;
        // A link needs an entry at its other end.
        if (options.refusesUnknown && attribute !== 'memberUid' && at(value as Dn) === null) return 32;
        values = [...values, value];
      }
      for (const value of distinct(attribute, remove)) {
        const kept = values.filter((one) => !sameValue(attribute, one, value));
        if (kept.length === values.length) return codes.absent;
        values = kept;
      }
      if (values.length === 0 && attribute !== 'memberUid' && options.demandsMember) return 65;
      entry.values = values;
      return 0;
    },
    copy() {
      const copied = entries.map((entry) => ({ ...entry }));
      return () => void entries.splice(0, entries.length, ...copied.map((entry) => ({ ...entry })));
    },
  };
}

/** Equality of names and values. Folded names are remembered: a test asks for the same ones thousands of times. */
function spellings() {
  const folded = new Map<string, { readonly key: string; readonly isName: boolean }>();
  const known = (text: string) => {
    const met = folded.get(text);
    if (met !== undefined) return met;
    const dn = parseDn(text);
    const fresh = { key: dn.ok ? foldDn(dn.value) : text, isName: dn.ok };
    folded.set(text, fresh);
    return fresh;
  };
  const fold = (text: string): string => known(text).key;
  const sameDn = (one: Dn, other: Dn): boolean => fold(one) === fold(other);
  const sameValue = (attribute: MemberAttribute, one: string, other: string): boolean =>
    attribute === 'memberUid' ? one === other : fold(one) === fold(other);
  /** The port's adapters write a value once, however often and in whatever spelling it comes. */
  const distinct = (attribute: MemberAttribute, values: readonly string[]): readonly string[] =>
    values.filter((value, index) => values.findIndex((one) => sameValue(attribute, one, value)) === index);
  return { sameDn, sameValue, distinct, isName: (text: string): boolean => known(text).isName };
}
