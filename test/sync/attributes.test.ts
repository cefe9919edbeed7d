import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EntryId } from '../../src/access/ids.ts';
import { keptSteps } from '../../src/connector/sync-told.ts';
import type { DirectoryReader, ReadSink, ReadUser } from '../../src/directory/directory-reader.ts';
import type { SyncResult } from '../../src/sync/run-result.ts';
import { syncUnderTest } from '../support/sync-under-test.ts';
import { syncedTree } from '../support/synced-tree.ts';

const DELTA = { mode: 'delta', acceptRemovals: null } as const;
const FULL = { mode: 'full', acceptRemovals: null } as const;
const ALL = { fullName: true, emails: true, username: true, managerDn: true, uids: true };

/** So many people with everything but a manager, whom only the first so many have; `shown` is what the account may read of them. */
function company(people: number, managed = 0) {
  const tree = syncedTree({ told: 'changes', links: false });
  const ids = Array.from({ length: people }, (_, n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}` as EntryId);
  for (const [n, id] of ids.entries()) {
    const name = `user${n}`;
    const manager = n < managed ? { to: null, text: 'uid=user0,ou=people,dc=example' } : null;
    tree.users.set(id, {
      id,
      name,
      container: 'people',
      mail: `${name}@example`,
      uids: [name],
      manager,
      enabled: true,
      primary: null,
    });
    tree.changed(id);
  }
  const shown = { ...ALL };
  const seen = (user: ReadUser): ReadUser => ({
    ...user,
    username: shown.username ? user.username : user.dn,
    namedBy: shown.username ? 'attribute' : 'dn',
    fullName: shown.fullName ? `Name of ${user.username}` : null,
    emails: shown.emails ? user.emails : [],
    managerDn: shown.managerDn ? user.managerDn : null,
    uids: shown.uids ? user.uids : [],
  });
  const through = (sink: ReadSink): ReadSink => ({
    user: (user) => sink.user(seen(user)),
    members: (values) => sink.members(values),
    group: (group) => sink.group(group),
    gone: (id) => sink.gone(id),
    present: (id) => sink.present(id),
    room: () => sink.room(),
  });
  const reader: DirectoryReader = {
    ...tree.reader,
    readAll: (sink, signal) => tree.reader.readAll(through(sink), signal),
    readChanges: (cursor, sink, signal) => tree.reader.readChanges(cursor, through(sink), signal),
    readUsers: (some, sink, signal) => tree.reader.readUsers(some, through(sink), signal),
  };
  const change = (count: number) => {
    for (const id of ids.slice(0, count)) tree.changed(id);
  };
  return { tree, reader, shown, change };
}

function heldOf(result: SyncResult) {
  assert.ok(result.kind === 'failed' && result.held !== null, JSON.stringify(result));
  assert.equal(result.error.code, 'removals_held');
  return { ...result.held, message: result.error.message };
}

function published(result: SyncResult): void {
  assert.equal(result.kind, 'published', JSON.stringify(result));
}

for (const [hidden, called] of [
  ['emails', /e-mail address \(LDAP_USER_EMAIL_ATTRIBUTE\): 20 users had it .* and none has it now/],
  ['fullName', /full name \(LDAP_FULL_NAME_ATTRIBUTE\): 20 users had it .* and none has it now/],
  ['username', /username \(LDAP_USERNAME_ATTRIBUTE\): 20 users had it .* and none has it now/],
  ['managerDn', /manager \(LDAP_MANAGER_ATTRIBUTE\): 6 users had it .* and none has it now/],
  ['uids', /uid: 20 users had it .* and none has it now/],
] as const)
  test(`a whole read in which nobody has ${hidden} any more is held, and what was told stays`, async () => {
    const { reader, shown } = company(20, 6);
    await using sync = await syncUnderTest({ reader });
    published(await sync.run(FULL));
    const before = sync.receiver.picture();
    shown[hidden] = false;
    const held = heldOf(await sync.run(FULL));
    assert.match(held.message, called);
    assert.match(held.message, new RegExp(`"latchkey sync --accept-removals ${held.syncId}" within 24 h$`));
    assert.equal(sync.receiver.picture(), before);
    sync.restart();
    const [step] = keptSteps({ folder: sync.folder, log: sync.log.logger, now: sync.clock.wall() });
    assert.deepEqual([step?.status, /nobody who has it any more/.test(step?.detail ?? '')], ['fail', true]);
    // One that asks for changes alone would tell nothing of it, and take back that it is held.
    heldOf(await sync.run(DELTA));
    shown[hidden] = true;
    published(await sync.run(DELTA));
    assert.deepEqual(sync.held(), []);
  });

test('an attribute that is gone indeed is accepted by a person, once', async () => {
  const { reader, shown } = company(20);
  await using sync = await syncUnderTest({ reader });
  published(await sync.run(FULL));
  shown.emails = false;
  const { syncId } = heldOf(await sync.run(FULL));
  shown.fullName = false;
  const second = heldOf(await sync.run({ ...DELTA, acceptRemovals: syncId }));
  assert.match(second.message, /^full name/);
  published(await sync.run({ ...DELTA, acceptRemovals: second.syncId }));
  published(await sync.run(FULL));
  assert.ok([...sync.receiver.picture().users.values()].every((user) => !user.includes('"email"')));
});

test('in a company of four it is held where each had it, and not where few of many had it', async () => {
  const small = company(4);
  await using four = await syncUnderTest({ reader: small.reader });
  published(await four.run(FULL));
  small.shown.emails = false;
  heldOf(await four.run(FULL));
  const large = company(20, 4);
  await using twenty = await syncUnderTest({ reader: large.reader });
  published(await twenty.run(FULL));
  large.shown.managerDn = false;
  published(await twenty.run(FULL));
});

test('what was had is known where the picture of before is lost', async () => {
  const { reader, shown } = company(20);
  await using sync = await syncUnderTest({ reader });
  published(await sync.run(FULL));
  sync.receiver.forget();
  shown.emails = false;
  heldOf(await sync.run(DELTA));
});

test('a delta whose changed users have all lost an attribute reads everything, and is held', async () => {
  const { reader, shown, change } = company(20);
  await using sync = await syncUnderTest({ reader });
  published(await sync.run(FULL));
  shown.emails = false;
  change(5);
  heldOf(await sync.run(DELTA));
  assert.ok(
    sync.log.lines.some(({ event, reason }) => event === 'sync.reads-everything' && /e-mail address/.test(String(reason))),
  );
});
