import assert from 'node:assert/strict';
import { readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { keptSteps } from '../../src/connector/sync-told.ts';
import { DirectoryError } from '../../src/directory/directory.ts';
import type { DirectoryReader } from '../../src/directory/directory-reader.ts';
import { sqliteSnapshots } from '../../src/ledger/sqlite/sqlite-snapshots.ts';
import { SyncChannelError } from '../../src/sync/channel.ts';
import type { SyncResult } from '../../src/sync/run-result.ts';
import { type SyncUnderTest, syncUnderTest } from '../support/sync-under-test.ts';
import { syncedReceiver } from '../support/synced-receiver.ts';
import { addPerson, type SyncedTree, syncedTree, treeId } from '../support/synced-tree.ts';

const DELTA = { mode: 'delta', acceptRemovals: null } as const;
const FULL = { mode: 'full', acceptRemovals: null } as const;
const DAY_MS = 86_400_000;

/** A tree with so many users, all in one group. */
function company(users: number): SyncedTree {
  const tree = syncedTree({ told: 'changes', links: false });
  for (let number = 1; number <= users; number += 1) addUser(tree, number);
  const id = treeId(9_000_001);
  const values = [...tree.users.values()].map((user) => ({ to: user.id, text: tree.dnOf(user) }));
  tree.groups.set(id, {
    id,
    name: 'everybody',
    container: 'groups',
    attribute: 'member',
    values,
    owners: [],
    primaryName: null,
  });
  tree.changed(id);
  return tree;
}

function addUser(tree: SyncedTree, number: number): void {
  addPerson(tree, { id: treeId(number), name: `user${number}` });
}

function remove(tree: SyncedTree, users: number): void {
  for (const id of [...tree.users.keys()].slice(0, users)) {
    tree.users.delete(id);
    tree.changed(id);
  }
}

/** What another process finds in the folder. */
function keptIn({ folder, log }: SyncUnderTest): string {
  const snapshots = sqliteSnapshots({ folder, receiver: null, onlyLook: true, logger: log.logger });
  try {
    return snapshots.published().kind;
  } finally {
    snapshots.close();
  }
}

function failure(result: SyncResult): Extract<SyncResult, { kind: 'failed' }> {
  assert.ok(result.kind === 'failed', JSON.stringify(result));
  return result;
}

function publishedAs(result: SyncResult): string {
  assert.equal(result.kind, 'published', JSON.stringify(result));
  return result.kind === 'published' ? result.mode : '';
}

for (const wish of [DELTA, FULL])
  test(`removals beyond the share are held, change nothing, and are published once they are accepted (${wish.mode})`, async () => {
    const tree = company(40);
    await using sync = await syncUnderTest({ reader: tree.reader, maxRemovedPercent: 30 });
    await sync.run(FULL);
    const before = sync.receiver.picture();
    remove(tree, 13);
    const held = failure(await sync.run(wish));
    assert.equal(held.error.code, 'removals_held');
    assert.equal(held.held?.syncId, held.syncId);
    assert.match(held.error.message, /13 of 40 users and 13 of 40 memberships/);
    assert.match(held.error.message, new RegExp(`accept it with "latchkey sync --accept-removals ${held.syncId}" within 24 h`));
    assert.equal(sync.receiver.picture(), before);
    assert.deepEqual(sync.receiver.aborted(), ['removals_held']);
    sync.restart();
    assert.deepEqual(
      sync.held().map(({ syncId }) => syncId),
      [held.syncId],
    );
    assert.equal(publishedAs(await sync.run({ ...wish, acceptRemovals: held.syncId })), wish.mode);
    assert.equal(sync.receiver.counts()?.users, 27);
    assert.deepEqual(sync.held(), []);
    assert.equal(failure(await sync.run({ ...wish, acceptRemovals: held.syncId })).error.code, 'removals_held');
  });

test('accepted removals cover what was held and no more, for a day', async () => {
  const tree = company(40);
  await using sync = await syncUnderTest({ reader: tree.reader, maxRemovedPercent: 30 });
  await sync.run(FULL);
  remove(tree, 13);
  const first = failure(await sync.run(DELTA)).syncId;
  remove(tree, 1);
  const second = failure(await sync.run({ ...DELTA, acceptRemovals: first }));
  assert.notEqual(second.held?.syncId, first);
  sync.clock.advance(DAY_MS + 1);
  assert.match(failure(await sync.run({ ...DELTA, acceptRemovals: second.syncId })).error.message, /older than 24 h/);
  assert.equal(sync.receiver.counts()?.users, 40);
});

test('ten removals are never held, however few there were', async () => {
  const tree = company(11);
  await using sync = await syncUnderTest({ reader: tree.reader, maxRemovedPercent: 0 });
  await sync.run(FULL);
  remove(tree, 10);
  publishedAs(await sync.run(DELTA));
  assert.equal(sync.receiver.counts()?.users, 1);
});

test('a directory that shows nobody where there were some is not believed, and nobody can accept it', async () => {
  const tree = company(3);
  await using sync = await syncUnderTest({ reader: tree.reader });
  await sync.run(FULL);
  remove(tree, 3);
  for (const wish of [FULL, DELTA]) {
    const { error, held } = failure(await sync.run(wish));
    assert.deepEqual([error.code, held], ['directory_refused', null]);
  }
  assert.equal(sync.receiver.counts()?.users, 3);
});

test('a read that fails in its middle publishes nothing, and leaves nothing behind', async () => {
  const tree = company(3);
  const reader: DirectoryReader = {
    ...tree.reader,
    async readAll(sink) {
      for (const user of tree.users.values()) sink.user(tree.readUserOf(user));
      throw new DirectoryError('refused', 'the size limit of the server was met');
    },
  };
  await using sync = await syncUnderTest({ reader });
  const { error } = failure(await sync.run(FULL));
  assert.deepEqual([error.code, error.message], ['directory_refused', 'the size limit of the server was met']);
  assert.equal(sync.receiver.counts(), null);
  assert.deepEqual(sync.receiver.aborted(), ['directory_refused']);
  // What a check tells of it.
  assert.deepEqual(readdirSync(sync.folder), ['sync-last.json']);
});

const SPOILED: Readonly<Record<string, (path: string) => void>> = {
  'is no database': (path) => writeFileSync(path, 'not a database at all, but long enough to be taken for one'),
  'was cut off': (path) => truncateSync(path, 8_192),
  'is empty': (path) => truncateSync(path, 0),
};
for (const [how, spoil] of Object.entries(SPOILED))
  test(`a file of the last sync that ${how} is thrown away, and everything is told`, async () => {
    const tree = company(200);
    await using sync = await syncUnderTest({ reader: tree.reader });
    await sync.run(FULL);
    sync.close();
    spoil(join(sync.folder, 'sync.db'));
    sync.restart();
    assert.equal(publishedAs(await sync.run(DELTA)), 'full');
    assert.ok(sync.log.lines.some(({ event }) => event === 'sync.snapshot-thrown-away'));
    assert.equal(publishedAs(await sync.run(DELTA)), 'delta');
  });

test('a control plane that has another picture refuses the difference, and is told everything', async () => {
  const tree = company(3);
  await using sync = await syncUnderTest({ reader: tree.reader });
  await sync.run(FULL);
  sync.receiver.forget();
  assert.equal(publishedAs(await sync.run(DELTA)), 'full');
  assert.equal(sync.receiver.counts()?.users, 3);
});

/** What leaves a connector without a picture to compare with, though it knows how much there was. */
const PICTURE_LOST: Readonly<Record<string, (sync: SyncUnderTest) => Promise<unknown>>> = {
  'the acknowledgement of an end was lost': async (sync) => {
    sync.receiver.loseNext('after_end');
    assert.equal((await sync.run(FULL)).kind, 'unlinked');
  },
  'the connector was killed while it waited for the end': async (sync) => {
    sync.receiver.loseNext('before_end');
    assert.equal((await sync.run(FULL)).kind, 'unlinked');
    sync.restart();
  },
  'the file of the last sync was damaged': async (sync) => {
    sync.close();
    writeFileSync(join(sync.folder, 'sync.db'), 'not a database at all, but long enough to be taken for one');
    sync.restart();
  },
  'the control plane has another picture': async (sync) => sync.receiver.forget(),
};
for (const [how, lose] of Object.entries(PICTURE_LOST))
  test(`what is removed is judged by how much there was, where ${how}`, async () => {
    const tree = company(40);
    await using sync = await syncUnderTest({ reader: tree.reader, maxRemovedPercent: 30 });
    await sync.run(FULL);
    await lose(sync);
    const before = sync.receiver.picture();
    const everybody = new Map(tree.users);
    remove(tree, 40);
    assert.equal(failure(await sync.run(DELTA)).error.code, 'directory_refused');
    for (const [id, user] of everybody) tree.users.set(id, user);
    remove(tree, 13);
    const held = failure(await sync.run(DELTA));
    assert.deepEqual([held.error.code, held.held?.syncId], ['removals_held', held.syncId]);
    assert.equal(sync.receiver.picture(), before);
    sync.restart();
    publishedAs(await sync.run({ ...DELTA, acceptRemovals: held.syncId }));
    assert.equal(sync.receiver.counts()?.users, 27);
  });

test('two accounts with one address or name, and managers in a circle, are said and are no failure', async () => {
  const tree = company(4);
  const [one, two, three] = [...tree.users.values()];
  assert.ok(one !== undefined && two !== undefined && three !== undefined);
  two.mail = one.mail.toUpperCase();
  for (const [user, manager] of [
    [one, two],
    [two, three],
    [three, one],
  ] as const)
    user.manager = { to: manager.id, text: tree.dnOf(manager) };
  await using sync = await syncUnderTest({ reader: tree.reader });
  const result = await sync.run(FULL);
  assert.ok(result.kind === 'published');
  assert.deepEqual(
    Object.entries(result.findings ?? {}).map(([kind, { count }]) => [kind, count]),
    [
      ['duplicate_email', 1],
      ['duplicate_username', 0],
      ['ambiguous_uid', 0],
      ['manager_unresolved', 0],
      ['manager_loop', 1],
    ],
  );
  assert.match(result.findings?.duplicate_email.first[0] ?? '', /^email user1@example, .*userId .*, otherUserId /i);
  assert.deepEqual(
    sync.log.lines.filter(({ event }) => event === 'sync.found').map(({ finding }) => finding),
    ['duplicate_email', 'manager_loop'],
  );
});

test('until the end is acknowledged, a process that dies has nothing to build on', async () => {
  const tree = company(3);
  const seen: string[] = [];
  const receiver = syncedReceiver();
  await using sync: SyncUnderTest = await syncUnderTest({
    reader: tree.reader,
    channel: {
      async begin(words) {
        const stream = await receiver.channel.begin(words);
        return {
          ...stream,
          async end(facts) {
            seen.push(keptIn(sync));
            await stream.end(facts);
            seen.push(keptIn(sync));
          },
        };
      },
    },
  });
  for (const wish of [FULL, DELTA, FULL]) {
    addUser(tree, 100 + seen.length);
    publishedAs(await sync.run(wish));
  }
  assert.deepEqual(new Set(seen), new Set(['none']));
  assert.equal(keptIn(sync), 'picture');
});

test('what a killed process has left of a picture that it made is no part of the next', async () => {
  const tree = company(3);
  await using sync = await syncUnderTest({ reader: tree.reader });
  for (const name of ['sync-next.db', 'sync-users.tmp', 'sync-groups.tmp', 'sync-last.json.tmp'])
    writeFileSync(join(sync.folder, name), 'left behind');
  publishedAs(await sync.run(FULL));
  publishedAs(await sync.run(DELTA));
  assert.equal(sync.receiver.counts()?.users, 3);
});

test('a large directory goes in pages of 500 records and chunks of 1,000 members', async () => {
  const tree = company(1_600);
  await using sync = await syncUnderTest({ reader: tree.reader });
  publishedAs(await sync.run(FULL));
  assert.equal(sync.receiver.last()?.records, 1_600 + 1 + 2);
  assert.equal(sync.receiver.counts()?.memberships, 1_600);
});

test('a sync that is told to stop rejects, and publishes nothing', async () => {
  const tree = company(2);
  const stop = new AbortController();
  const reader: DirectoryReader = {
    ...tree.reader,
    readAll: (_sink, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
        stop.abort(new Error('stopped'));
      }),
  };
  await using sync: SyncUnderTest = await syncUnderTest({ reader });
  await assert.rejects(sync.run(FULL, stop.signal), /stopped/);
  assert.equal(sync.receiver.counts(), null);
});

test('a stop does not wait for a control plane that does not acknowledge', async () => {
  const tree = company(2);
  const stop = new AbortController();
  const waits = Promise.withResolvers<never>();
  const aborted: string[] = [];
  await using sync = await syncUnderTest({
    reader: tree.reader,
    channel: {
      begin: async () => ({
        page: () => {
          stop.abort(new Error('stopped'));
          return waits.promise;
        },
        end: () => waits.promise,
        abort(error) {
          aborted.push(error.message);
          waits.reject(new SyncChannelError('lost', 'the sync was aborted'));
        },
      }),
    },
  });
  await assert.rejects(sync.run(FULL, stop.signal));
  assert.equal(aborted[0], 'the connector stopped the sync');
});

test('a run that tells nobody says so, and offers nothing to be accepted', async () => {
  const tree = company(40);
  await using told = await syncUnderTest({ reader: tree.reader, maxRemovedPercent: 30 });
  await told.run(FULL);
  remove(tree, 13);
  const snapshots = sqliteSnapshots({ folder: told.folder, receiver: null, onlyLook: true, logger: told.log.logger });
  await using dry = await syncUnderTest({ reader: tree.reader, maxRemovedPercent: 30, snapshots, isTold: false });
  const { error } = failure(await dry.run(FULL));
  assert.match(error.message, /13 of 40 users.*a sync would be held$/);
  snapshots.close();
  await using read = await syncUnderTest({ reader: tree.reader, isTold: false });
  publishedAs(await read.run(FULL));
  assert.deepEqual(
    read.log.lines.filter(({ event }) => ['sync.completed', 'sync.read'].includes(event)).map(({ message }) => message),
    ['the directory was read; nobody was told'],
  );
});

test('a check tells the last failure, though nothing runs any more, until a run is published', async () => {
  const tree = company(3);
  let isBroken = false;
  const reader: DirectoryReader = {
    ...tree.reader,
    readAll: async (sink, signal) => {
      if (isBroken) throw new DirectoryError('unavailable', 'nobody answers');
      return await tree.reader.readAll(sink, signal);
    },
  };
  await using sync = await syncUnderTest({ reader });
  const step = () => {
    sync.restart();
    return keptSteps({ folder: sync.folder, log: sync.log.logger, now: sync.clock.wall() })[0];
  };
  await sync.run(FULL);
  assert.equal(step()?.status, 'ok');
  sync.clock.advance(60_000);
  isBroken = true;
  failure(await sync.run(FULL));
  assert.equal(step()?.status, 'warn');
  assert.match(step()?.detail ?? '', /failed at .*nobody answers.*what was told at .*"latchkey sync"/);
  isBroken = false;
  publishedAs(await sync.run(FULL));
  assert.equal(step()?.status, 'ok');
});
