import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DirectoryError } from '../../../src/directory/directory.ts';
import { OPENLDAP } from '../../../src/directory/ldap/flavours/openldap.ts';
import { groupsProtected } from '../../../src/directory/ldap/reader/nested-groups.ts';
import type { Reading } from '../../../src/directory/ldap/reader/reading.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { groupDn, idOf, ladder, type NestedGroup, nestingServer } from '../../support/nesting-server.ts';
import { atScale } from '../../support/scale.ts';
import { seeded } from '../../support/seeded.ts';

const never = new AbortController().signal;

const untold = (why: RegExp) => (error: unknown) =>
  error instanceof DirectoryError && error.fault === 'refused' && why.test(error.message);

/** A ladder of thirty groups on a server that takes so long for each answer. */
function slow(ms: number) {
  const clock = fakeClock();
  return nestingServer(ladder(30), { clock, slowly: async () => clock.advance(ms) });
}

describe('the way up from a group', () => {
  test('is not asked for where nothing is protected: on a server without groups that rule over it, and with none configured', async () => {
    const named = { name: 'named', members: [], isHidden: true };
    const server = nestingServer([{ name: 'g0', members: [], memberOf: ['named'] }, named]);
    assert.equal(await server.askByNature('g0'), null);
    const rules = { protects: () => false, protectsBuiltIn: () => false, releases: () => false, onlyByNature: true };
    const reading = { landscape: { flavour: OPENLDAP } } as Reading;
    assert.deepEqual(await groupsProtected(reading, rules, never), { ids: new Set(), unknown: null });
    assert.equal(server.searches.length, 0);
  });

  test('goes thirty-two levels, and what is deeper is not told', async () => {
    const found = await nestingServer(ladder(32)).ask('g0', 'g32');
    assert.equal(found?.group.name, 'g32');
    assert.equal(found.chain.length, 33);
    await assert.rejects(nestingServer(ladder(33)).ask('g0', 'g33'), untold(/32 levels/));
    assert.equal(await nestingServer(ladder(31)).ask('g0', 'other'), null);
  });

  test('ends where it has come round, having asked for each group once', async () => {
    const round = [...ladder(3), { name: 'g4', members: ['g3'] }].map((one) =>
      one.name === 'g0' ? { ...one, members: ['g4'] } : one,
    );
    const { ask, searches } = nestingServer(round);
    assert.equal(await ask('g0', 'other'), null);
    assert.equal(searches.filter(({ scope }) => scope === 'sub').length, 6, 'five groups, and where the protected one is');
  });

  test('ends without an answer where more than ten thousand groups are above', async () => {
    const wide = Array.from({ length: 10_001 }, (_, i) => ({ name: `w${i}`, members: ['g0'] }));
    await assert.rejects(nestingServer([...ladder(0), ...wide]).ask('g0', 'other'), untold(/10000 groups/));
  });

  test('asks for fewer at a time where the server cuts an answer, and has none where one group alone is too much', async () => {
    const wide = ['a', 'b', 'c', 'd'].map((name) => ({ name, members: ['g0'] }));
    const above = ['a', 'b', 'c', 'd'].map((name) => ({ name: `above-${name}`, members: [name] }));
    assert.equal(
      (await nestingServer([...ladder(0), ...wide, ...above], { tells: 4 }).ask('g0', 'above-d'))?.group.name,
      'above-d',
    );
    const narrow = [...wide.slice(0, 2), ...above.slice(0, 2), { name: 'too', members: ['a', 'b'] }];
    assert.equal((await nestingServer([...ladder(0), ...narrow], { tells: 2 }).ask('g0', 'too'))?.group.name, 'too');
    await assert.rejects(nestingServer([...ladder(0), ...wide], { tells: 3 }).ask('g0', 'a'), untold(/no more than 3/));
  });

  test('believes a group that says itself what it is in, and has no answer where that is not shown', async () => {
    const silent = { name: 'silent', members: ['g0'], hidesMembers: true };
    const start = { name: 'g0', members: [], memberOf: ['silent'] };
    assert.equal((await nestingServer([start, silent]).ask('g0', 'silent'))?.group.name, 'silent');
    const above = { name: 'above', members: ['silent'] };
    assert.equal((await nestingServer([start, silent, above]).ask('g0', 'above'))?.group.name, 'above');
    await assert.rejects(nestingServer([start, { ...silent, isHidden: true }]).ask('g0', 'other'), untold(/cannot read/));
  });

  test('does not believe a name that the protected group itself disowns, and finds that by another way', async () => {
    const start = { name: 'g0', members: [], memberOf: ['tier'] };
    assert.equal(await nestingServer([start, { name: 'tier', members: ['other'] }]).ask('g0', 'tier'), null);
    const found = await nestingServer([start, { name: 'between', members: ['g0'] }, { name: 'tier', members: ['between'] }]).ask(
      'g0',
      'tier',
    );
    assert.deepEqual(found?.chain, ['g0', 'between', 'tier'].map(groupDn));
  });

  test('believes a name of what has its members in another attribute, whose silence in ours says nothing', async () => {
    const start = { name: 'g0', members: [], memberOf: ['role'] };
    const role = { name: 'role', members: [], objectClass: 'organizationalRole' };
    const there = nestingServer([start, role]);
    assert.equal((await there.ask('g0', 'role'))?.group.name, 'role');
    assert.deepEqual(await there.askAll((name) => name === 'role'), { ids: new Set(['role', 'g0'].map(idOf)), unknown: null });
  });

  test('believes no two names of before for one another, of protected groups that are in one another', async () => {
    const start = { name: 'g0', members: [], memberOf: ['tier', 'top'] };
    const others = [
      { name: 'tier', members: [] },
      { name: 'top', members: ['tier'] },
    ];
    assert.equal(await nestingServer([start, ...others]).ask('g0', 'tier', 'top'), null);
  });

  test('has no answer where a protected group does not say who is in it', async () => {
    const silent = { name: 'silent', members: ['g0'], hidesMembers: true };
    await assert.rejects(nestingServer([...ladder(0), silent]).ask('g0', 'silent'), untold(/may not search member of/));
    assert.equal(await nestingServer([...ladder(0), { ...silent, members: [], hidesMembers: false }]).ask('g0', 'silent'), null);
  });

  test('has no answer where it takes too long in all, however soon each answer comes, and asks no more then', async () => {
    const { ask, searches, clock } = slow(3000);
    await assert.rejects(
      ask('g0', 'g30'),
      (error) =>
        error instanceof DirectoryError && error.fault === 'busy' && /longer than 20 s.*LDAP_READ_TIMEOUT/.test(error.message),
    );
    assert.equal(searches.length, 7);
    assert.deepEqual(clock.pending(), []);
    const fast = slow(100);
    assert.equal((await fast.ask('g0', 'g30'))?.group.name, 'g30');
    assert.deepEqual(fast.clock.pending(), []);
  });

  test('begins at the group that is meant, and at no other that has its name by now', async () => {
    const { ask } = nestingServer([{ name: 'other', members: [] }]);
    await assert.rejects(ask('g0', 'x'), (error) => error instanceof DirectoryError && error.fault === 'gone');
  });
});

/** Some groups in one another, as no tidy directory has them: in circles, hidden, with names of before. */
function tangle(random: () => number): readonly NestedGroup[] {
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
      const { ids, unknown } = await nestingServer(groups).askAll((name) => name === 't0' || name === 't1');
      for (const { name, isHidden } of groups.slice(2)) {
        if (isHidden === true) continue;
        const protector = await nestingServer(groups)
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
    const { askAll, searches } = nestingServer([...ladder(2), ...others]);
    const { ids, unknown } = await askAll((name) => name === 'g2');
    assert.deepEqual([ids, unknown], [new Set(['g2', 'g1', 'g0'].map(idOf)), null]);
    assert.deepEqual(new Set(searches.map(({ base }) => base)), new Set(['g2', 'g1', 'g0'].map(groupDn)));
  });

  test('asks nothing where nothing is protected', async () => {
    const { askAll, searches } = nestingServer(ladder(3));
    assert.deepEqual(await askAll(() => false), { ids: new Set(), unknown: null });
    assert.equal(searches.length, 0);
  });

  test('passes over a group that is released from what is so by nature, and over no group in it', async () => {
    const released = {
      protectsBuiltIn: ({ name }: { name: string }) => name === 'g2',
      releases: ({ name }: { name: string }) => name === 'g1',
    };
    assert.deepEqual((await nestingServer(ladder(2)).askAll(() => false, released)).ids, new Set(['g2', 'g0'].map(idOf)));
    assert.deepEqual(
      (await nestingServer(ladder(2)).askAll((name) => name === 'g2', released)).ids,
      new Set(['g2', 'g1', 'g0'].map(idOf)),
    );
  });
});
