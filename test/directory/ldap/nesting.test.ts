import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Dn } from '../../../src/access/dn.ts';
import type { Filter } from '../../../src/access/filter.ts';
import type { EntryId } from '../../../src/access/ids.ts';
import { DirectoryError, type GroupAbove } from '../../../src/directory/directory.ts';
import type { ProtectionRules } from '../../../src/directory/directory-reader.ts';
import type { LdapEntry } from '../../../src/directory/ldap/entry.ts';
import { OPENLDAP } from '../../../src/directory/ldap/flavours/openldap.ts';
import { foldedName, type MetGroup, metGroup } from '../../../src/directory/ldap/met-group.ts';
import { protectorOf } from '../../../src/directory/ldap/nesting.ts';
import type { Place } from '../../../src/directory/ldap/place.ts';
import { protectedAmong } from '../../../src/directory/ldap/reader/nested-groups.ts';
import { schemaOf } from '../../../src/directory/ldap/schema.ts';
import type { SearchRequest, Session } from '../../../src/directory/ldap/session.ts';
import { dn } from '../../support/ldap-directory-under-test.ts';
import { atScale } from '../../support/scale.ts';
import { seeded } from '../../support/seeded.ts';

const BASE = 'dc=example,dc=test';
const never = new AbortController().signal;

interface Group {
  readonly name: string;
  readonly members: readonly string[];
  /** What its entry says that it is in itself. */
  readonly memberOf?: readonly string[];
  readonly objectClass?: string;
  readonly hidesMembers?: boolean;
  readonly isHidden?: boolean;
}

/** As one spelling: thousands of them are compared. */
const groupDn = (name: string): Dn => `cn=${name},ou=groups,${BASE}` as Dn;
const idOf = (name: string): EntryId => {
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
function server(groups: readonly Group[], { tells = Number.POSITIVE_INFINITY }: { tells?: number } = {}) {
  const searches: SearchRequest[] = [];
  const entryOf = ({ name, memberOf = [], objectClass = 'groupOfNames' }: Group): LdapEntry => ({
    dn: groupDn(name),
    attributes: new Map(
      Object.entries({ entryuuid: [idOf(name)], cn: [name], objectclass: [objectClass], memberof: memberOf.map(groupDn) }).map(
        ([attribute, values]) => [attribute, values.map((value) => Buffer.from(value))],
      ),
    ),
  });
  const session = {
    async search(request: SearchRequest) {
      searches.push(request);
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
        group: { id: idOf(of), dn: groupDn(of) },
        isProtected: ({ name }: GroupAbove) => protectedNames.includes(name),
        mustBeTold: protectedNames.map(idOf),
      },
      never,
    );
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
  return { ask, askAll, searches };
}

/** Three values, as RFC 4511 §4.5.1.7 has them. */
function matches(at: { readonly group: Group; readonly entry: () => LdapEntry }, filter: Filter): boolean | undefined {
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
const ladder = (levels: number): readonly Group[] =>
  Array.from({ length: levels + 1 }, (_, i) => ({ name: `g${i}`, members: i === 0 ? [] : [`g${i - 1}`] }));

const untold = (why: RegExp) => (error: unknown) =>
  error instanceof DirectoryError && error.fault === 'refused' && why.test(error.message);

describe('the way up from a group', () => {
  test('goes thirty-two levels, and what is deeper is not told', async () => {
    const found = await server(ladder(32)).ask('g0', 'g32');
    assert.equal(found?.group.name, 'g32');
    assert.equal(found.chain.length, 33);
    await assert.rejects(server(ladder(33)).ask('g0', 'g33'), untold(/32 levels/));
    assert.equal(await server(ladder(31)).ask('g0', 'other'), null);
  });

  test('ends where it has come round, having asked for each group once', async () => {
    const round = [...ladder(3), { name: 'g4', members: ['g3'] }].map((one) =>
      one.name === 'g0' ? { ...one, members: ['g4'] } : one,
    );
    const { ask, searches } = server(round);
    assert.equal(await ask('g0', 'other'), null);
    assert.equal(searches.filter(({ scope }) => scope === 'sub').length, 6, 'five groups, and where the protected one is');
  });

  test('ends without an answer where more than ten thousand groups are above', async () => {
    const wide = Array.from({ length: 10_001 }, (_, i) => ({ name: `w${i}`, members: ['g0'] }));
    await assert.rejects(server([...ladder(0), ...wide]).ask('g0', 'other'), untold(/10000 groups/));
  });

  test('asks for fewer at a time where the server cuts an answer, and has none where one group alone is too much', async () => {
    const wide = ['a', 'b', 'c', 'd'].map((name) => ({ name, members: ['g0'] }));
    const above = ['a', 'b', 'c', 'd'].map((name) => ({ name: `above-${name}`, members: [name] }));
    assert.equal((await server([...ladder(0), ...wide, ...above], { tells: 4 }).ask('g0', 'above-d'))?.group.name, 'above-d');
    const narrow = [...wide.slice(0, 2), ...above.slice(0, 2), { name: 'too', members: ['a', 'b'] }];
    assert.equal((await server([...ladder(0), ...narrow], { tells: 2 }).ask('g0', 'too'))?.group.name, 'too');
    await assert.rejects(server([...ladder(0), ...wide], { tells: 3 }).ask('g0', 'a'), untold(/no more than 3/));
  });

  test('believes a group that says itself what it is in, and has no answer where that is not shown', async () => {
    const silent = { name: 'silent', members: ['g0'], hidesMembers: true };
    const start = { name: 'g0', members: [], memberOf: ['silent'] };
    assert.equal((await server([start, silent]).ask('g0', 'silent'))?.group.name, 'silent');
    const above = { name: 'above', members: ['silent'] };
    assert.equal((await server([start, silent, above]).ask('g0', 'above'))?.group.name, 'above');
    await assert.rejects(server([start, { ...silent, isHidden: true }]).ask('g0', 'other'), untold(/cannot read/));
  });

  test('does not believe a name that the protected group itself disowns, and finds that by another way', async () => {
    const start = { name: 'g0', members: [], memberOf: ['tier'] };
    assert.equal(await server([start, { name: 'tier', members: ['other'] }]).ask('g0', 'tier'), null);
    const found = await server([start, { name: 'between', members: ['g0'] }, { name: 'tier', members: ['between'] }]).ask(
      'g0',
      'tier',
    );
    assert.deepEqual(found?.chain, ['g0', 'between', 'tier'].map(groupDn));
  });

  test('believes a name of what has its members in another attribute, whose silence in ours says nothing', async () => {
    const start = { name: 'g0', members: [], memberOf: ['role'] };
    const role = { name: 'role', members: [], objectClass: 'organizationalRole' };
    assert.equal((await server([start, role]).ask('g0', 'role'))?.group.name, 'role');
  });

  test('believes no two names of before for one another, of protected groups that are in one another', async () => {
    const start = { name: 'g0', members: [], memberOf: ['tier', 'top'] };
    const others = [
      { name: 'tier', members: [] },
      { name: 'top', members: ['tier'] },
    ];
    assert.equal(await server([start, ...others]).ask('g0', 'tier', 'top'), null);
  });

  test('has no answer where a protected group does not say who is in it', async () => {
    const silent = { name: 'silent', members: ['g0'], hidesMembers: true };
    await assert.rejects(server([...ladder(0), silent]).ask('g0', 'silent'), untold(/may not search member of/));
    assert.equal(await server([...ladder(0), { ...silent, members: [], hidesMembers: false }]).ask('g0', 'silent'), null);
  });

  test('begins at the group that is meant, and at no other that has its name by now', async () => {
    const { ask } = server([{ name: 'other', members: [] }]);
    await assert.rejects(ask('g0', 'x'), (error) => error instanceof DirectoryError && error.fault === 'gone');
  });
});

/** Some groups in one another, as no tidy directory has them: in circles, hidden, with names of before. */
function tangle(random: () => number): readonly Group[] {
  const names = Array.from({ length: 7 }, (_, i) => `t${i}`);
  const some = (share: number) => names.filter(() => random() < share);
  return names.map((name) => ({
    name,
    members: some(0.15).filter((other) => other !== name),
    memberOf: some(0.08),
    hidesMembers: random() < 0.1,
    isHidden: random() < 0.08,
  }));
}

const SEEDS = atScale({ sample: 20, full: 400 });

describe('the way down from protected groups', () => {
  test('comes to those of which the way up from each says that it is protected, or has no answer', async () => {
    const verdicts = { protected: 0, not: 0, unknown: 0 };
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const groups = tangle(seeded(seed));
      const { ids, unknown } = await server(groups).askAll((name) => name === 't0' || name === 't1');
      for (const { name, isHidden } of groups.slice(2)) {
        if (isHidden === true) continue;
        const protector = await server(groups)
          .ask(name, 't0', 't1')
          .catch((error: unknown) => {
            assert.ok(error instanceof DirectoryError && error.fault === 'refused');
            return 'unknown' as const;
          });
        const shown = `${name} of ${JSON.stringify(groups)}`;
        assert.equal(unknown !== null || ids.has(idOf(name)), protector !== null, shown);
        verdicts[protector === null ? 'not' : protector === 'unknown' ? 'unknown' : 'protected'] += 1;
      }
    }
    assert.ok(
      Object.values(verdicts).every((count) => count > 0),
      JSON.stringify(verdicts),
    );
  });

  test('asks the protected groups and those in them, and no others, however many there are', async () => {
    const others = Array.from({ length: 600 }, (_, i) => ({ name: `other${i}`, members: [] }));
    const { askAll, searches } = server([...ladder(2), ...others]);
    const { ids, unknown } = await askAll((name) => name === 'g2');
    assert.deepEqual([ids, unknown], [new Set(['g2', 'g1', 'g0'].map(idOf)), null]);
    assert.deepEqual(new Set(searches.map(({ base }) => base)), new Set(['g2', 'g1', 'g0'].map(groupDn)));
  });

  test('asks nothing where nothing is protected', async () => {
    const { askAll, searches } = server(ladder(3));
    assert.deepEqual(await askAll(() => false), { ids: new Set(), unknown: null });
    assert.equal(searches.length, 0);
  });

  test('passes over a group that is released from what is so by nature, and over no group in it', async () => {
    const released = {
      protectsBuiltIn: ({ name }: { name: string }) => name === 'g2',
      releases: ({ name }: { name: string }) => name === 'g1',
    };
    assert.deepEqual((await server(ladder(2)).askAll(() => false, released)).ids, new Set(['g2', 'g0'].map(idOf)));
    assert.deepEqual(
      (await server(ladder(2)).askAll((name) => name === 'g2', released)).ids,
      new Set(['g2', 'g1', 'g0'].map(idOf)),
    );
  });
});
