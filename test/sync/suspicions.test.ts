import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import type { GrantId } from '../../src/access/ids.ts';
import type { SyncWish } from '../../src/access/sync.ts';
import { type ActiveMembership, LedgerError } from '../../src/ledger/ledger.ts';
import { type SyncUnderTest, syncUnderTest } from '../support/sync-under-test.ts';
import { addPerson, type SyncedTree, syncedTree, treeId } from '../support/synced-tree.ts';

const FULL = { mode: 'full', acceptRemovals: null } as const;
const WISHES: readonly SyncWish[] = [FULL, { mode: 'delta', acceptRemovals: null }];
const GROUP = treeId(9_000_001);

/** A tree with some users, each in the one group by a grant, and what the ledger believes of it. */
interface Scene extends AsyncDisposable {
  readonly tree: SyncedTree;
  readonly sync: SyncUnderTest;
  readonly believed: ActiveMembership[];
  readonly suspected: readonly (readonly GrantId[])[];
  /** From the end of the next run on. */
  ledgerFails(): void;
}

async function scene({ restores = false, users = 3, maxRemovedPercent = 100 } = {}): Promise<Scene> {
  const tree = syncedTree({ told: 'changes', links: false });
  for (let number = 1; number <= users; number += 1) addUser(tree, number);
  const values = [...tree.users.values()].map((user) => ({ to: user.id, text: tree.dnOf(user) }));
  const group = {
    id: GROUP,
    name: 'all',
    container: 'groups',
    attribute: 'member',
    values,
    owners: [],
    primaryName: null,
  } as const;
  tree.groups.set(GROUP, { ...group, values, owners: [] });
  tree.changed(GROUP);
  // A directory that has lost its last group is not believed.
  const other = treeId(9_000_002);
  tree.groups.set(other, { ...group, id: other, name: 'others', values: [], owners: [] });
  tree.changed(other);
  const believed = [...tree.users.values()].map(
    (user, i): ActiveMembership => ({
      grantId: grantOf(i + 1),
      pair: { user: { id: user.id, dn: tree.dnOf(user) as Dn }, group: { id: GROUP, dn: 'CN=All, ou=groups,dc=example' as Dn } },
      isBelieved: true,
    }),
  );
  const suspected: (readonly GrantId[])[] = [];
  let asked = 0;
  let failsAfter = Number.POSITIVE_INFINITY;
  const sync = await syncUnderTest({
    reader: tree.reader,
    maxRemovedPercent,
    drift: {
      restores,
      suspect: (grantIds) => void suspected.push(grantIds),
      activeMemberships: async ({ after, limit }) => {
        asked += 1;
        if (asked > failsAfter) throw new LedgerError('failed', 'the disk is broken');
        return believed.filter(({ grantId }) => after === null || grantId > after).slice(0, limit);
      },
    },
  });
  await sync.run(FULL);
  assert.deepEqual(suspected, []);
  const ledgerFails = (): void => {
    // It is asked at the beginning of a run too.
    failsAfter = asked + 1;
  };
  return { tree, sync, believed, suspected, ledgerFails, [Symbol.asyncDispose]: () => sync[Symbol.asyncDispose]() };
}

for (const wish of WISHES)
  suite(`a ${wish.mode} sync`, () => {
    test('suspects whose membership it did not read, each time until that is known', async () => {
      await using s = await scene();
      leave(s.tree, 2);
      await s.sync.run(wish);
      await s.sync.run(wish);
      assert.deepEqual(s.suspected, [[grantOf(2)], [grantOf(2)]]);
      believe(s, 2, false);
      await s.sync.run(wish);
      assert.equal(s.suspected.length, 2);
    });

    test('suspects who came back', async () => {
      await using s = await scene();
      believe(s, 3, false);
      await s.sync.run(wish);
      assert.deepEqual(s.suspected, [[grantOf(3)]]);
    });

    test('suspects what is away each time where it would be restored', async () => {
      await using s = await scene({ restores: true });
      leave(s.tree, 2);
      believe(s, 2, false);
      await s.sync.run(wish);
      assert.deepEqual(s.suspected, [[grantOf(2)]]);
    });

    test('suspects whoever is gone, renamed or moved', async () => {
      await using s = await scene({ users: 4 });
      s.tree.users.delete(treeId(1));
      s.tree.changed(treeId(1));
      rename(s.tree, 2, 'other');
      const third = s.tree.users.get(treeId(3));
      assert.ok(third !== undefined);
      third.container = 'elsewhere';
      s.tree.changed(third.id);
      await s.sync.run(wish);
      assert.deepEqual(
        s.suspected.map((one) => one.toSorted()),
        [[grantOf(1), grantOf(2), grantOf(3)]],
      );
    });

    test('suspects every grant of a group that has another name, and of one that is gone', async () => {
      await using s = await scene();
      const group = s.tree.groups.get(GROUP);
      assert.ok(group !== undefined);
      group.name = 'everyone';
      s.tree.changed(GROUP);
      await s.sync.run(wish);
      s.tree.groups.delete(GROUP);
      s.tree.changed(GROUP);
      await s.sync.run(wish);
      const all = [grantOf(1), grantOf(2), grantOf(3)];
      assert.deepEqual(s.suspected, [all, all]);
    });

    for (const { what, fail } of [
      { what: 'loses its connection', fail: ({ sync }: Scene) => sync.receiver.loseNext('before_end') },
      { what: 'is held', fail: ({ tree }: Scene) => removeMost(tree) },
    ])
      test(`that ${what} suspects nothing`, async () => {
        await using s = await scene({ users: 20, maxRemovedPercent: 30 });
        leave(s.tree, 2);
        fail(s);
        const result = await s.sync.run(wish);
        assert.notEqual(result.kind, 'published');
        assert.deepEqual(s.suspected, []);
      });

    test('that cannot read the ledger at its end is published all the same', async () => {
      await using s = await scene();
      leave(s.tree, 2);
      s.ledgerFails();
      assert.equal((await s.sync.run(wish)).kind, 'published');
      assert.deepEqual(s.suspected, []);
    });
  });

function addUser(tree: SyncedTree, number: number): void {
  addPerson(tree, { id: treeId(number), name: `user${number}` });
}

function rename(tree: SyncedTree, number: number, name: string): void {
  const user = tree.users.get(treeId(number));
  assert.ok(user !== undefined);
  user.name = name;
  tree.changed(user.id);
}

function removeMost(tree: SyncedTree): void {
  for (const id of [...tree.users.keys()].slice(0, 15)) {
    tree.users.delete(id);
    tree.changed(id);
  }
}

/** Somebody takes the user out of the group. */
function leave(tree: SyncedTree, number: number): void {
  const group = tree.groups.get(GROUP);
  assert.ok(group !== undefined);
  group.values = group.values.filter(({ to }) => to !== treeId(number));
  tree.changed(GROUP);
}

function believe({ believed }: Scene, number: number, isBelieved: boolean): void {
  const [one] = believed.splice(number - 1, 1);
  assert.ok(one !== undefined);
  believed.splice(number - 1, 0, { ...one, isBelieved });
}

function grantOf(number: number): GrantId {
  return `g${number}` as GrantId;
}
