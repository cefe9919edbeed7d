import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProtectedTold } from '../../../src/directory/directory-reader.ts';
import { type Made, makeGroup, makeUser, never, type ReaderWorld } from './world.ts';

/** What is told of all groups, where these are protected. */
function ask({ reader }: ReaderWorld, ...groups: readonly Made[]): Promise<ProtectedTold> {
  const protects = ({ id }: Pick<Made, 'id'>): boolean => groups.some((group) => group.id === id);
  return reader.protectedGroups({ protects, protectsBuiltIn: () => false, releases: () => false }, never);
}

/** Which groups are protected since they are nested in protected ones. */
export function protectedTests(get: () => ReaderWorld): void {
  test('groups that are nested in a protected one are told, at any depth, wherever it lies, until the nesting is taken out', async () => {
    const world = get();
    const { admin } = world;
    const user = await makeUser(world);
    const low = await makeGroup(world, [user.dn]);
    const mid = await makeGroup(world, [low.dn, user.dn]);
    const upper = await makeGroup(world, [mid.dn], world.elsewhere);
    // In a circle, and above a protected one, which makes it no more than it is.
    await admin.change(low.dn, { attribute: 'member', add: [mid.dn] });
    const free = await makeGroup(world, [upper.dn, user.dn]);
    const all = [upper, mid, low, free];
    const told = async (...groups: readonly Made[]) => {
      const { ids, unknown } = await ask(world, ...groups);
      assert.equal(unknown, null);
      return all.map(({ id }) => ids.has(id));
    };
    assert.deepEqual(await told(), [false, false, false, false]);
    assert.deepEqual(await told(upper), [true, true, true, false]);
    await admin.hideMembers(upper.dn);
    try {
      const { ids, unknown } = await ask(world, upper);
      // By what the groups say of themselves, or since nobody says anything.
      assert.ok(unknown !== null || ids.has(low.id));
    } finally {
      await admin.showAll();
    }
    await admin.change(upper.dn, { attribute: 'member', add: [user.dn], remove: [mid.dn] });
    assert.deepEqual(await told(upper), [true, false, false, false]);
    assert.deepEqual(await told(low), [false, true, true, false]);
  });
}
