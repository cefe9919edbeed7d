import { createHash } from 'node:crypto';
import type { Dn } from '../../src/access/dn.ts';
import type { Filter } from '../../src/access/filter.ts';
import type { EntryId } from '../../src/access/ids.ts';
import { DirectoryError, type GroupAbove } from '../../src/directory/directory.ts';
import type { ProtectionRules } from '../../src/directory/directory-reader.ts';
import type { LdapEntry } from '../../src/directory/ldap/entry.ts';
import { OPENLDAP } from '../../src/directory/ldap/flavours/openldap.ts';
import { foldedName, type MetGroup, metGroup } from '../../src/directory/ldap/met-group.ts';
import { protectorOf } from '../../src/directory/ldap/nesting.ts';
import type { Place } from '../../src/directory/ldap/place.ts';
import { protectedAmong } from '../../src/directory/ldap/reader/nested-groups.ts';
import { schemaOf } from '../../src/directory/ldap/schema.ts';
import type { SearchRequest, Session } from '../../src/directory/ldap/session.ts';
import { type FakeClock, fakeClock } from './fake-clock.ts';
import { dn } from './ldap-directory-under-test.ts';

const BASE = 'dc=example,dc=test';
const never = new AbortController().signal;

export interface NestedGroup {
  readonly name: string;
  readonly members: readonly string[];
  /** What its entry says that it is in itself. */
  readonly memberOf?: readonly string[];
  readonly objectClass?: string;
  readonly hidesMembers?: boolean;
  readonly isHidden?: boolean;
}

/** As one spelling: thousands of them are compared. */
export const groupDn = (name: string): Dn => `cn=${name},ou=groups,${BASE}` as Dn;
export const idOf = (name: string): EntryId => {
  const hash = createHash('sha256').update(name).digest('hex');
  const [one, two, three, four, five] = [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ].map(([a, b]) => hash.slice(a, b));
  return `${one}-${two}-${three}-${four}-${five}` as EntryId;
};

/** A server with these groups, which tells at most so many entries in one answer. */
export function nestingServer(
  groups: readonly NestedGroup[],
  {
    tells = Number.POSITIVE_INFINITY,
    clock = fakeClock(),
    slowly,
  }: { tells?: number; clock?: FakeClock; slowly?: () => Promise<void> } = {},
) {
  const searches: SearchRequest[] = [];
  const entryOf = ({ name, memberOf = [], objectClass = 'groupOfNames' }: NestedGroup): LdapEntry => ({
    dn: groupDn(name),
    attributes: new Map(
      Object.entries({ entryuuid: [idOf(name)], cn: [name], objectclass: [objectClass], memberof: memberOf.map(groupDn) }).map(
        ([attribute, values]) => [attribute, values.map((value) => Buffer.from(value))],
      ),
    ),
  });
  const session = {
    async search(request: SearchRequest, signal: AbortSignal) {
      searches.push(request);
      await slowly?.();
      if (signal.aborted) throw new DirectoryError('unavailable', 'Given up.');
      const { base, scope, filter } = request;
      const found = groups.filter(
        (group) =>
          group.isHidden !== true &&
          (scope === 'sub' || groupDn(group.name) === base) &&
          matches({ group, entry: () => entryOf(group) }, filter) === true,
      );
      return { entries: found.slice(0, tells).map(entryOf), isCut: found.length > tells, references: [] };
    },
  } as unknown as Session;
  const schema = async () => schemaOf([]);
  const landscape = { flavour: OPENLDAP, baseDn: dn(BASE), groupNameAttribute: 'cn', memberAttribute: null, schema };
  const place = { session, landscape, onHybrid: () => undefined } as unknown as Place;
  const ask = (of: string, ...protectedNames: readonly string[]) =>
    protectorOf(
      place,
      {
        asked: {
          group: { id: idOf(of), dn: groupDn(of) },
          isProtected: ({ name }: GroupAbove) => protectedNames.includes(name),
          mustBeTold: protectedNames.map(idOf),
        },
        clock,
        limitMs: 20_000,
      },
      never,
    );
  /** Where the configuration protects none. */
  const askByNature = (of: string) => {
    const group = { id: idOf(of), dn: groupDn(of) };
    const asked = { group, isProtected: () => false, mustBeTold: [], onlyByNature: true };
    return protectorOf(place, { asked, clock, limitMs: 20_000 }, never);
  };
  const askAll = (isProtected: (name: string) => boolean, changed: Partial<ProtectionRules> = {}) => {
    const shown = groups.filter(({ isHidden }) => isHidden !== true).map((group) => metGroup(place, entryOf(group)));
    const listed = { all: new Map(shown.map((group) => [foldedName(group.dn), group])), untold: new Set<MetGroup>() };
    const rules = {
      protects: ({ name }: { name: string }) => isProtected(name),
      protectsBuiltIn: () => false,
      releases: () => false,
      ...changed,
    };
    return protectedAmong(place, { listed, rules }, never);
  };
  return { ask, askByNature, askAll, searches, clock };
}

/** Three values, as RFC 4511 §4.5.1.7 has them. */
function matches(at: { readonly group: NestedGroup; readonly entry: () => LdapEntry }, filter: Filter): boolean | undefined {
  switch (filter.kind) {
    case 'and':
    case 'or': {
      const all = filter.filters.map((one) => matches(at, one));
      const decisive = filter.kind === 'or';
      if (all.includes(decisive)) return decisive;
      return all.includes(undefined) ? undefined : !decisive;
    }
    case 'not': {
      const inner = matches(at, filter.filter);
      return inner === undefined ? undefined : !inner;
    }
    case 'present':
      return true;
    case 'equality': {
      if (filter.attribute !== 'member' && filter.attribute !== 'uniqueMember')
        return (
          at
            .entry()
            .attributes.get(filter.attribute.toLowerCase())
            ?.some((value) => value.toString() === filter.value) === true
        );
      if (at.group.hidesMembers === true) return undefined;
      return filter.attribute === 'member' && at.group.members.some((name) => groupDn(name) === filter.value);
    }
    case 'extensible':
    case 'approx':
    case 'greaterOrEqual':
    case 'lessOrEqual':
    case 'substrings':
      throw new Error(`no ${filter.kind} is asked for`);
    default:
      return filter satisfies never;
  }
}

/** `g0` in `g1`, that in `g2`, and so on. */
export const ladder = (levels: number): readonly NestedGroup[] =>
  Array.from({ length: levels + 1 }, (_, i) => ({ name: `g${i}`, members: i === 0 ? [] : [`g${i - 1}`] }));
