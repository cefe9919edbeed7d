import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DirectoryError, type GroupAbove, type Protector } from '../../../src/directory/directory.ts';
import { FULL_SCALE } from '../scale.ts';
import { type Get, type MadeGroup, makeGroup, nameAttributes, type ServerDifferences, signal, type World } from './world.ts';

/** Which of these the group is nested in. */
function ask(world: World, group: MadeGroup, protectedGroups: readonly MadeGroup[]): Promise<Protector | null> {
  const ids = new Set(protectedGroups.map(({ id }) => id));
  return world.directory.protectorOf(
    { group: { id: group.id, dn: group.dn }, isProtected: ({ id }) => ids.has(id), mustBeTold: [...ids] },
    signal,
  );
}

/** The group, and one above it for each of the levels, each with the one before as its member. */
async function nested(world: World, levels: number, attribute?: MadeGroup['attribute']): Promise<readonly MadeGroup[]> {
  const groups = [await makeGroup(world)];
  for (let left = levels; left > 0; left -= 1)
    groups.push(await makeGroup(world, { values: [groups.at(-1)?.dn ?? ''], ...(attribute === undefined ? {} : { attribute }) }));
  return groups;
}

const ends = (groups: readonly MadeGroup[]) => {
  const [lowest, highest] = [groups[0], groups.at(-1)];
  assert.ok(lowest !== undefined && highest !== undefined);
  return { lowest, highest };
};

async function untold(answer: Promise<Protector | null>): Promise<void> {
  await assert.rejects(answer, (error) => error instanceof DirectoryError && !error.sent);
}

/** Groups in groups. */
export function nestingTests(get: Get, differences: ServerDifferences): void {
  describe('the protected group above a group', () => {
    test('is none where it is in none, and where what it is in is not protected', async () => {
      const { lowest } = ends(await nested(get(), 2));
      assert.equal(await ask(get(), lowest, [await makeGroup(get())]), null);
    });

    test('is found at any depth, with the way to it, and as it is named and spelt now', async () => {
      const groups = await nested(get(), 4);
      const { lowest, highest } = ends(groups);
      const protector = await ask(get(), lowest, [highest]);
      assert.deepEqual([protector?.group.id, protector?.group.name], [highest.id, highest.name]);
      // Servers have spellings of their own for the type of a name.
      assert.deepEqual(
        protector?.chain.map((dn) => dn.toLowerCase()),
        groups.map(({ dn }) => dn.toLowerCase()),
      );
    });

    test('is the group that it is in, whatever the two share with others', async () => {
      const lowest = await makeGroup(get());
      const shared = await makeGroup(get(), { values: [lowest.dn] });
      const one = await makeGroup(get(), { values: [shared.dn, lowest.dn] });
      await makeGroup(get(), { values: [shared.dn] });
      const protector = await ask(get(), lowest, [one]);
      assert.equal(protector?.group.id, one.id);
      assert.deepEqual(
        [protector?.chain[0], protector?.chain.at(-1)].map((dn) => dn?.toLowerCase()),
        [lowest.dn.toLowerCase(), one.dn.toLowerCase()],
      );
    });

    for (const attribute of nameAttributes(differences))
      test(`is found by ${attribute}`, async () => {
        const { lowest, highest } = ends(await nested(get(), 2, attribute));
        assert.equal((await ask(get(), lowest, [highest]))?.group.id, highest.id);
      });

    test('is not itself', async () => {
      const group = await makeGroup(get());
      assert.equal(await ask(get(), group, [group]), null);
    });

    test('lies outside the groups scope too', async () => {
      const lowest = await makeGroup(get());
      const outside = await makeGroup(get(), { under: get().elsewhere, values: [lowest.dn] });
      assert.equal((await ask(get(), lowest, [outside]))?.group.id, outside.id);
    });

    test('ends the search in a circle', async () => {
      const groups = await nested(get(), 2);
      const { lowest, highest } = ends(groups);
      await get().admin.change(lowest.dn, { attribute: 'member', add: [highest.dn] });
      assert.equal(await ask(get(), lowest, []), null);
      assert.equal((await ask(get(), lowest, [highest]))?.group.id, highest.id);
    });

    test('is none once the nesting is taken out', async () => {
      const { lowest, highest } = ends(await nested(get(), 1));
      await get().admin.change(highest.dn, { attribute: 'member', add: [get().usersScope], remove: [lowest.dn] });
      assert.equal(await ask(get(), lowest, [highest]), null);
    });

    test('is told of as its entry tells of itself, and nobody is asked about more than the groups above', async () => {
      const { lowest, highest } = ends(await nested(get(), 2));
      const seen: GroupAbove[] = [];
      const isProtected = (above: GroupAbove) => {
        seen.push(above);
        return false;
      };
      assert.equal(await get().directory.protectorOf({ group: lowest, isProtected, mustBeTold: [] }, signal), null);
      assert.equal(seen.length, 2);
      assert.ok(seen.some(({ id, name, builtIn }) => id === highest.id && name === highest.name && builtIn === null));
    });

    test('has no answer by a name that is not the group’s any more', async () => {
      const group = await makeGroup(get());
      const other = await makeGroup(get());
      await untold(
        get().directory.protectorOf({ group: { ...group, dn: other.dn }, isProtected: () => false, mustBeTold: [] }, signal),
      );
    });

    test('is never none where whether the group is in it must not be read', async () => {
      const { lowest, highest } = ends(await nested(get(), 1));
      await get().admin.hideMembers(highest.dn);
      try {
        const answer = await ask(get(), lowest, [highest]).catch((error: unknown) => {
          assert.ok(error instanceof DirectoryError);
          return error;
        });
        assert.notEqual(answer, null);
      } finally {
        await get().admin.showAll();
      }
    });

    if (differences.hasReferentialIntegrity)
      test('has no answer where the group says itself that it is in one which must not be read', async () => {
        const { lowest, highest } = ends(await nested(get(), 1));
        await get().admin.hide(highest.dn);
        try {
          await untold(ask(get(), lowest, []));
        } finally {
          await get().admin.showAll();
        }
      });

    // So many groups take a real server seconds; the way up itself is tried in `test/directory/ldap/nesting.test.ts`.
    if (!FULL_SCALE) return;
    const deep = 'where the nesting is deeper than anybody nests on purpose';
    test(differences.findsAnyDepth ? `is found ${deep}` : `has no answer ${deep}`, async () => {
      const { lowest, highest } = ends(await nested(get(), 34));
      if (differences.findsAnyDepth) assert.equal((await ask(get(), lowest, [highest]))?.group.id, highest.id);
      else await untold(ask(get(), lowest, [highest]));
    });
  });
}
