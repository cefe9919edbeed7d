import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { GrantId } from '../../src/access/ids.ts';
import type { Others, SyncWish } from '../../src/access/sync.ts';
import { syncUnderTest } from '../support/sync-under-test.ts';
import { addPerson, syncedTree, treeId } from '../support/synced-tree.ts';

const FULL = { mode: 'full', acceptRemovals: null } as const;
const WISHES: readonly SyncWish[] = [FULL, { mode: 'delta', acceptRemovals: null }];
const GROUP = treeId(9_000_001);
const NOT_READ = treeId(9_000_002);

/** Three users in one exclusive group, the first by a grant. */
async function scene() {
  const tree = syncedTree({ told: 'changes', links: false });
  for (let number = 1; number <= 3; number += 1) addPerson(tree, { id: treeId(number), name: `u${number}` });
  const users = [...tree.users.values()];
  const values = users.map((user) => ({ to: user.id, text: tree.dnOf(user) }));
  const [first] = users;
  assert.ok(first !== undefined);
  tree.groups.set(GROUP, {
    id: GROUP,
    name: 'exclusive',
    container: 'groups',
    attribute: 'member',
    values,
    owners: [],
    primaryName: null,
  });
  tree.changed(GROUP);
  const found: Others[] = [];
  let fails = false;
  const sync = await syncUnderTest({
    reader: tree.reader,
    grants: () => new Map([[GROUP, new Map([[first.id, 'g1' as GrantId]])]]),
    others: {
      groups: async () => [GROUP, NOT_READ],
      async found(others) {
        if (fails) throw new Error('the disk is broken');
        found.push(others);
      },
    },
  });
  return {
    tree,
    sync,
    users,
    found,
    breakIt: () => void (fails = true),
    [Symbol.asyncDispose]: () => sync[Symbol.asyncDispose](),
  };
}

for (const wish of WISHES)
  suite(`a ${wish.mode} sync`, () => {
    test('tells who is in an exclusive group without a grant, and how many values mean nobody in scope', async () => {
      await using s = await scene();
      await s.sync.run(FULL);
      const others = s.users
        .slice(1)
        .map(({ id }) => id)
        .toSorted();
      assert.deepEqual(s.found, [{ groupId: GROUP, userIds: others, users: 2, outside: 0 }]);
      const group = s.tree.groups.get(GROUP);
      assert.ok(group !== undefined);
      s.tree.groups.set(GROUP, { ...group, values: [...group.values.slice(0, 2), { to: null, text: 'cn=far,dc=away' }] });
      s.tree.changed(GROUP);
      await s.sync.run(wish);
      assert.deepEqual(s.found.at(-1), { groupId: GROUP, userIds: [s.users[1]?.id], users: 1, outside: 1 });
    });

    test('is whole where that cannot be told', async () => {
      await using s = await scene();
      s.breakIt();
      assert.equal((await s.sync.run(wish)).kind, 'published');
      assert.ok(s.sync.log.lines.some(({ event }) => event === 'sync.others-unknown'));
    });
  });
