import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EntryId } from '../../src/access/ids.ts';
import type { SyncGroup } from '../../src/access/sync.ts';
import { DirectoryError } from '../../src/directory/directory.ts';
import { type SyncUnderTest, syncUnderTest } from '../support/sync-under-test.ts';
import { addPerson, type SyncedTree, syncedTree, treeId } from '../support/synced-tree.ts';

const DELTA = { mode: 'delta', acceptRemovals: null } as const;
const FULL = { mode: 'full', acceptRemovals: null } as const;
const MODES = [DELTA, FULL];

/** Groups `g1`, `g2` and so on, and each in those that `within` names. */
function nested(
  within: Readonly<Record<string, readonly string[]>>,
): SyncedTree & { nest(upper: string, lowers: string[]): void } {
  const tree = syncedTree({ told: 'changes', links: false });
  addPerson(tree, { id: treeId(1), name: 'ada' });
  const names = Object.keys(within);
  const idOf = (name: string): EntryId => treeId(9_000_000 + names.indexOf(name));
  for (const name of names)
    tree.groups.set(idOf(name), {
      id: idOf(name),
      name,
      container: name.startsWith('outside') ? 'elsewhere' : 'groups',
      attribute: 'member',
      values: [],
      owners: [],
      primaryName: null,
    });
  const nest = (upper: string, lowers: readonly string[]): void => {
    const group = tree.groups.get(idOf(upper));
    assert.ok(group !== undefined);
    group.values = lowers.map((lower) => ({ to: idOf(lower), text: `cn=${lower},ou=groups,dc=example` }));
    tree.changed(group.id);
  };
  for (const [upper, lowers] of Object.entries(within)) nest(upper, lowers);
  return Object.assign(tree, { nest });
}

const syncOf = (tree: SyncedTree) =>
  syncUnderTest({
    reader: tree.reader,
    rules: { protects: ({ name }) => name.endsWith('admins'), protectsBuiltIn: () => false, releases: () => false },
  });

async function publishedBy(sync: SyncUnderTest, wish: typeof DELTA | typeof FULL) {
  const result = await sync.run(wish);
  assert.ok(result.kind === 'published', JSON.stringify(result));
  return result;
}

/** The names of the groups that were told as protected. */
function protectedIn({ receiver }: SyncUnderTest): readonly string[] {
  const groups = [...receiver.picture().groups.values()].map((record) => JSON.parse(record) as SyncGroup);
  return groups.filter((group) => group.protected).map(({ name }) => name);
}

test('a group that is nested in a protected one is told as protected, at any depth and from outside the scope', async () => {
  const tree = nested({ admins: ['mid'], mid: ['low'], low: [], 'outside-admins': ['theirs'], theirs: [], free: ['admins'] });
  await using sync = await syncOf(tree);
  await publishedBy(sync, FULL);
  assert.deepEqual(protectedIn(sync), ['admins', 'mid', 'low', 'theirs']);
  assert.equal((await publishedBy(sync, DELTA)).changed, 0);
});

for (const wish of MODES)
  test(`a group that is nested since, and those beneath it, are told with the next sync though they did not change (${wish.mode})`, async () => {
    const tree = nested({ 'outside-admins': [], mid: ['low'], low: [], other: [] });
    await using sync = await syncOf(tree);
    await publishedBy(sync, FULL);
    assert.deepEqual(protectedIn(sync), []);
    tree.nest('outside-admins', ['mid']);
    assert.equal((await publishedBy(sync, wish)).changed, 2);
    assert.deepEqual(protectedIn(sync), ['mid', 'low']);
    tree.nest('outside-admins', ['other']);
    assert.equal((await publishedBy(sync, wish)).changed, 3);
    assert.deepEqual(protectedIn(sync), ['other']);
    sync.restart();
    assert.equal((await publishedBy(sync, wish)).changed, 0);
  });

for (const wish of MODES)
  test(`every group is told as protected where it cannot be told which are nested, and the log says why (${wish.mode})`, async () => {
    const tree = nested({ admins: ['mid'], mid: [], free: [] });
    await using sync = await syncOf(tree);
    await publishedBy(sync, FULL);
    tree.nestingUnknown = 'the account may not search the members of "cn=admins"';
    await publishedBy(sync, wish);
    assert.deepEqual(protectedIn(sync), ['admins', 'mid', 'free']);
    const said = sync.log.lines.filter((line) => line['event'] === 'sync.nesting-unknown');
    assert.match(String(said[0]?.message), /may not search the members of "cn=admins"/);
    tree.nestingUnknown = null;
    await publishedBy(sync, wish);
    assert.deepEqual(protectedIn(sync), ['admins', 'mid']);
  });

test('a sync fails where the directory cannot be asked who is nested, and what was told stays', async () => {
  const tree = nested({ admins: ['mid'], mid: [] });
  let away = false;
  const protectedGroups: typeof tree.reader.protectedGroups = async (...asked) => {
    if (away) throw new DirectoryError('unavailable', 'It went away.');
    return await tree.reader.protectedGroups(...asked);
  };
  await using sync = await syncOf({ ...tree, reader: { ...tree.reader, protectedGroups } });
  await publishedBy(sync, FULL);
  const before = sync.receiver.picture();
  away = true;
  for (const wish of MODES) {
    const result = await sync.run(wish);
    assert.ok(result.kind === 'failed' && result.error.code === 'directory_unavailable', JSON.stringify(result));
  }
  assert.equal(sync.receiver.picture(), before);
});
