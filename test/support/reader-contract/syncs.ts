import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DirectoryReader, ReadSink } from '../../../src/directory/directory-reader.ts';
import { unique } from '../directory-contract/world.ts';
import { syncUnderTest } from '../sync-under-test.ts';
import { stepByStep } from './sync-steps.ts';
import { DELTA, FULL, publishedBy, sameAsFirst } from './synced.ts';
import { type Made, makeGroup, makeUnit, makeUser, type ReaderLimit, type ReaderWorld, replace, userDn } from './world.ts';

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
