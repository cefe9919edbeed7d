import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Dn, leafRdn } from '../../../src/access/dn.ts';
import type { EntryId, GrantId } from '../../../src/access/ids.ts';
import type { MemberAttribute } from '../../../src/access/membership.ts';
import type { DirectoryReader, ReadSink } from '../../../src/directory/directory-reader.ts';
import type { SyncResult } from '../../../src/sync/run.ts';
import { child, unique } from '../directory-contract/world.ts';
import { type SyncUnderTest, syncUnderTest } from '../sync-under-test.ts';
import type { Grants } from '../synced-history.ts';
import { type Made, makeGroup, makeUnit, makeUser, type ReaderLimit, type ReaderWorld, replace, userDn } from './world.ts';

const DELTA = { mode: 'delta', acceptRemovals: null } as const;
const FULL = { mode: 'full', acceptRemovals: null } as const;
/** Two such halves are more than ten entries each, and more than any share below a half. */
const HALF = 12;

/** What whole syncs of a real server come to. */
export function syncTests(get: () => ReaderWorld, limits: readonly ReaderLimit[]): void {
  test('after each change of the directory, what syncs have told comes to what a first sync tells', async () => {
    await stepByStep(get());
  });

  test('half of the tree that is hidden fails the sync, and what was told stays', async () => {
    const world = get();
    const people = await makeUnit(world, world.usersScope);
    const halves = [await makeUnit(world, people), await makeUnit(world, people)] as const;
    for (const half of halves)
      await world.admin.addUsers(
        Array.from({ length: HALF }, () => unique('half')).map((name) => ({
          dn: userDn(world, name, half),
          uids: [name],
          mails: [],
        })),
      );
    const reader = await world.readerWith({ usersScope: [people] });
    await using sync = await syncUnderTest({ reader, maxRemovedPercent: 30 });
    publishedBy(await sync.run(FULL));
    const before = sync.receiver.picture();
    assert.equal(before.users.size, 2 * HALF);
    await world.admin.hide(halves[0]);
    try {
      const failed = await sync.run(FULL);
      assert.ok(failed.kind === 'failed' && failed.error.code === 'removals_held', JSON.stringify(failed));
      // One that asks only for changes sees them all as gone, or as unchanged.
      const delta = await sync.run(DELTA);
      assert.ok(delta.kind === 'published' ? delta.removed === 0 : failed.error.code === 'removals_held');
      assert.deepEqual(sync.receiver.picture(), before);
    } finally {
      await world.admin.showAll();
    }
    assert.equal(publishedBy(await sync.run(FULL)).removed, 0);
  });

  test('members that the account must not read fail the sync: their group does not count as empty', async () => {
    const world = get();
    const teams = await makeUnit(world, world.groupsScope);
    const user = await makeUser(world);
    const team = await makeGroup(world, [user.dn], teams);
    if (!world.differences.demandsMember) await makeGroup(world, [], teams);
    const reader = await world.readerWith({ groupsScope: [teams] });
    await using sync = await syncUnderTest({ reader });
    publishedBy(await sync.run(FULL));
    const before = sync.receiver.picture();
    await world.admin.hideMembers(team.dn);
    try {
      const failed = await sync.run(FULL);
      assert.ok(failed.kind === 'failed' && failed.error.code === 'directory_refused', JSON.stringify(failed));
      assert.match(failed.error.message, /members/);
      assert.equal(sync.receiver.picture(), before);
    } finally {
      await world.admin.showAll();
    }
    assert.equal(publishedBy(await sync.run(FULL)).changed, 0);
  });

  for (const { name, set, said } of limits) {
    test(`${name} fails the sync, which says so, and what was told stays`, async () => {
      const { reader, server } = get();
      await using sync = await syncUnderTest({ reader });
      publishedBy(await sync.run(FULL));
      const before = sync.receiver.picture();
      const lift = await set(server);
      try {
        const failed = await sync.run(FULL);
        assert.ok(failed.kind === 'failed', JSON.stringify(failed));
        assert.match(failed.error.message, said);
        assert.match(failed.error.message, /Nothing of this read is used/);
        assert.equal(sync.receiver.picture(), before);
      } finally {
        await lift();
      }
      publishedBy(await sync.run(FULL));
    });
  }

  test('what changes while a sync reads is told by the next one', async () => {
    const world = get();
    const [people, teams] = [await makeUnit(world, world.usersScope), await makeUnit(world, world.groupsScope)];
    const users: Made[] = [];
    for (let i = 0; i < 8; i += 1) users.push(await makeUser(world, people));
    const [changed, gone, other] = users as [Made, Made, Made];
    const team = await makeGroup(world, [changed.dn, gone.dn], teams);
    const plain = await world.readerWith({ usersScope: [people], groupsScope: [teams], pageSize: 3 });
    const reader = interrupted(plain, async () => {
      await replace(world, changed.dn, 'mail', 'meanwhile@example.test');
      await world.admin.delete(gone.dn);
      await world.admin.change(team.dn, { attribute: 'member', add: [other.dn] });
      await makeUser(world, people);
    });
    await using sync = await syncUnderTest({ reader });
    publishedBy(await sync.run(FULL));
    publishedBy(await sync.run(DELTA));
    await sameAsFirst(sync, plain);
    assert.match(sync.receiver.picture().users.get(changed.id) ?? '', /meanwhile@/);
    assert.equal(sync.receiver.picture().members.get(team.id)?.get(other.id), 'standing');
  });

  test('a cursor of another mapping makes the sync read everything, which says why and tells what differs', async () => {
    const world = get();
    const teams = await makeUnit(world, world.groupsScope);
    const narrow = await world.readerWith({ groupsScope: [teams] });
    const wide = await world.readerWith({ groupsScope: [world.groupsScope] });
    let reader = narrow;
    await makeGroup(world, [(await makeUser(world)).dn], teams);
    await using sync = await syncUnderTest({ reader: { ...narrow, ...delegated(() => reader) } });
    publishedBy(await sync.run(FULL));
    reader = wide;
    assert.equal(publishedBy(await sync.run(DELTA)).mode, 'delta');
    await sameAsFirst(sync, wide);
    const said = sync.log.lines.find(({ event }) => event === 'sync.reads-everything');
    assert.match(String(said?.['reason']), world.differences.means === null ? /no way to find/ : /others than then/);
  });

  test('a server that is restarted while a sync reads fails it, and the next one is whole', async () => {
    const world = get();
    const plain = await world.readerWith({ pageSize: 5 });
    const reader = interrupted(plain, async () => {
      await world.server.kill('SIGKILL');
      await world.server.start();
    });
    await using sync = await syncUnderTest({ reader });
    const failed = await sync.run(FULL);
    assert.ok(failed.kind === 'failed' && failed.error.code === 'directory_unavailable', JSON.stringify(failed));
    assert.deepEqual([sync.receiver.counts(), sync.receiver.aborted()], [null, ['directory_unavailable']]);
    publishedBy(await sync.run(FULL));
    await sameAsFirst(sync, plain);
  });
}

/** Creation, change, renaming, move, deletion and re-creation of users and groups, members by each attribute. */
async function stepByStep(world: ReaderWorld): Promise<void> {
  const { admin, differences } = world;
  const links = !differences.hasPosixGroups;
  const [people, teams] = [await makeUnit(world, world.usersScope), await makeUnit(world, world.groupsScope)];
  const reader = await world.readerWith({ usersScope: [people], groupsScope: [teams] });
  const grants: Grants = new Map();
  await using sync = await syncUnderTest({ reader, grants: () => grants });
  const labels = new Map<EntryId, string>();
  const known = (label: string, made: Made): Made => (labels.set(made.id, label), made);

  /** Who is in which group, by labels, as the control plane has it after a delta; a fresh control plane must have the same. */
  async function told(): Promise<Readonly<Record<string, readonly string[]>>> {
    publishedBy(await sync.run(DELTA));
    // A count follows an entry that was deleted elsewhere only with the next full sync, where values go with their entries.
    await sameAsFirst(sync, reader, { grants, counts: !links });
    const { members, groups } = sync.receiver.picture();
    const labelOf = (id: string): string => labels.get(id as EntryId) ?? id;
    const entries = [...groups.keys()].map((id) => {
      const those = [...(members.get(id) ?? [])].map(([user, by]) =>
        by === 'standing' ? labelOf(user) : `${labelOf(user)} by ${by}`,
      );
      return [labelOf(id), those.toSorted()] as const;
    });
    return Object.fromEntries(entries);
  }

  /** A value that names nobody any more is put right by hand, where none follows by itself. */
  async function follow(group: Made, was: Made, is: Made): Promise<void> {
    if (!links) await admin.change(group.dn, { attribute: 'member', add: [is.dn], remove: [was.dn] });
  }

  const outsider = await makeUser(world, world.elsewhere);
  let ann = known('ann', await makeUser(world, people));
  let bob = known('bob', await makeUser(world, people));
  const cid = known('cid', await makeUser(world, people));
  let team = known('team', await makeGroup(world, [ann.dn, outsider.dn], teams));
  const outer = known('outer', await makeGroup(world, [team.dn, cid.dn], teams));
  assert.deepEqual(await told(), { outer: ['cid'], team: ['ann'] });
  assert.equal(sync.receiver.counts()?.membersOutOfScope, 2);

  await replace(world, ann.dn, 'mail', 'changed@example.test');
  await admin.change(team.dn, { attribute: 'member', add: [bob.dn] });
  grants.set(team.id, new Map([[bob.id, 'g-1' as GrantId]]));
  assert.deepEqual(await told(), { outer: ['cid'], team: ['ann', 'bob by g-1'] });
  assert.match(sync.receiver.picture().users.get(ann.id) ?? '', /changed@example\.test/);

  const renamed = { ...bob, dn: userDn(world, unique('renamed'), people) };
  await admin.rename(bob.dn, renamed.dn);
  await follow(team, bob, renamed);
  bob = renamed;
  grants.clear();
  assert.deepEqual(await told(), { outer: ['cid'], team: ['ann', 'bob'] });

  const sub = await makeUnit(world, people);
  const moved = { ...ann, dn: childOf(ann, sub) };
  await admin.rename(ann.dn, moved.dn);
  await follow(team, ann, moved);
  ann = moved;
  assert.deepEqual(await told(), { outer: ['cid'], team: ['ann', 'bob'] });

  const left = { ...bob, dn: childOf(bob, world.elsewhere) };
  await admin.rename(bob.dn, left.dn);
  assert.deepEqual(await told(), { outer: ['cid'], team: ['ann'] });
  assert.equal(sync.receiver.counts()?.membersOutOfScope, 3);
  await admin.rename(left.dn, bob.dn);
  assert.deepEqual(await told(), { outer: ['cid'], team: ['ann', 'bob'] });

  await admin.delete(ann.dn);
  assert.deepEqual(await told(), { outer: ['cid'], team: ['bob'] });
  ann = known('another ann', await makeUser(world, sub, ann.name));
  assert.deepEqual(await told(), { outer: ['cid'], team: links ? ['bob'] : ['another ann', 'bob'] });
  if (links) await admin.change(team.dn, { attribute: 'member', add: [ann.dn] });

  const called = { ...team, dn: child({ type: 'cn', value: unique('called') }, teams) };
  await admin.rename(team.dn, called.dn);
  await follow(outer, team, called);
  team = called;
  assert.deepEqual(await told(), { outer: ['cid'], team: ['another ann', 'bob'] });
  const away = childOf(team, world.elsewhere);
  await admin.rename(team.dn, away);
  assert.deepEqual(await told(), { outer: ['cid'] });
  await admin.rename(away, team.dn);
  assert.deepEqual(await told(), { outer: ['cid'], team: ['another ann', 'bob'] });
  await admin.delete(team.dn);
  assert.deepEqual(await told(), { outer: ['cid'] });
  team = known('another team', await makeGroup(world, [bob.dn], teams));
  assert.deepEqual(await told(), { 'another team': ['bob'], outer: ['cid'] });

  if (links) return;
  for (const [attribute, valueOf] of OTHER_STYLES) {
    const group = await makeStyled(world, { attribute, values: [valueOf(cid)], under: teams });
    labels.set(group.id, attribute);
    await told();
    await admin.change(group.dn, { attribute, add: [valueOf(ann), valueOf(outsider)] });
    assert.deepEqual((await told())[attribute], ['another ann', 'cid']);
    await admin.change(group.dn, { attribute, remove: [valueOf(cid)] });
    assert.deepEqual((await told())[attribute], ['another ann']);
  }
}

const OTHER_STYLES = [
  ['uniqueMember', (user: Made) => user.dn],
  ['memberUid', (user: Made) => user.name],
] as const satisfies readonly (readonly [MemberAttribute, (user: Made) => string])[];

async function makeStyled(
  { admin }: ReaderWorld,
  { attribute, values, under }: { attribute: MemberAttribute; values: readonly string[]; under: Dn },
): Promise<Made> {
  const name = unique('team');
  const at = child({ type: 'cn', value: name }, under);
  await admin.addGroup({ dn: at, name, attribute, values });
  return { id: await admin.idOf(at), dn: at, name };
}

/** The same entry beneath another one. */
function childOf({ dn }: Made, under: Dn): Dn {
  const [part] = leafRdn(dn);
  assert.ok(part !== undefined);
  return child(part, under);
}

/** What a control plane is told that knows nothing yet is what this one has. */
async function sameAsFirst(
  sync: SyncUnderTest,
  reader: DirectoryReader,
  { grants = new Map(), counts = true }: { grants?: Grants; counts?: boolean } = {},
): Promise<void> {
  await using first = await syncUnderTest({ reader, grants: () => grants });
  publishedBy(await first.run(FULL));
  assert.deepEqual(sync.receiver.picture(), first.receiver.picture());
  if (counts) assert.deepEqual(sync.receiver.counts(), first.receiver.counts());
}

function publishedBy(result: SyncResult): Extract<SyncResult, { kind: 'published' }> {
  assert.ok(result.kind === 'published', JSON.stringify(result));
  return result;
}

/** Does something once, when the first user of a full read has come and before anything more is read. */
function interrupted(reader: DirectoryReader, act: () => Promise<void>): DirectoryReader {
  let isDone = false;
  return {
    ...reader,
    async readAll(sink, signal) {
      let isBegun = false;
      const watched: ReadSink = {
        ...sink,
        user(user) {
          isBegun = true;
          sink.user(user);
        },
        room() {
          if (!isBegun || isDone) return sink.room();
          isDone = true;
          return act();
        },
      };
      return await reader.readAll(watched, signal);
    },
  };
}

/** A reader that is another one later. */
function delegated(now: () => DirectoryReader): Pick<DirectoryReader, 'readAll' | 'readChanges'> {
  return {
    readAll: (sink, signal) => now().readAll(sink, signal),
    readChanges: (cursor, sink, signal) => now().readChanges(cursor, sink, signal),
  };
}
