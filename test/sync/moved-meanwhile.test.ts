import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EntryId } from '../../src/access/ids.ts';
import type { SyncRecord } from '../../src/access/sync.ts';
import type { DirectoryReader } from '../../src/directory/directory-reader.ts';
import type { SyncChannel } from '../../src/sync/channel.ts';
import { syncUnderTest } from '../support/sync-under-test.ts';
import { syncedReceiver } from '../support/synced-receiver.ts';
import { syncedTree } from '../support/synced-tree.ts';

const USER = '00000000-0000-4000-8000-000000000001' as EntryId;
const GROUP = '00000000-0000-4000-8000-000000000002' as EntryId;

function company() {
  const tree = syncedTree({ told: 'changes', links: false });
  const user = { name: 'ada', container: 'people', mail: 'ada@example', manager: null, enabled: true, primary: null } as const;
  tree.users.set(USER, { id: USER, uids: ['ada'], ...user });
  const [ada] = tree.users.values();
  assert.ok(ada !== undefined);
  const values = [{ to: USER, text: tree.dnOf(ada) }];
  const group = { name: 'staff', container: 'groups', attribute: 'member', values, primaryName: null } as const;
  tree.groups.set(GROUP, { id: GROUP, owners: [], ...group });
  for (const id of [USER, GROUP]) tree.changed(id);
  return { tree, member: tree.dnOf(ada) };
}

for (const kind of ['user', 'group'] as const)
  test(`a ${kind} that is moved from one scope to the next while both are read is told once, as no receiver takes it twice`, async () => {
    const { tree, member } = company();
    const reader: DirectoryReader = {
      ...tree.reader,
      readAll: (sink, signal) =>
        tree.reader.readAll(
          {
            ...sink,
            user(user) {
              sink.user(user);
              if (kind === 'user') sink.user({ ...user, dn: 'uid=ada,ou=contractors,dc=example' });
            },
            group(group) {
              sink.group(group);
              if (kind === 'user') return;
              sink.members([member]);
              sink.group({ ...group, dn: 'cn=staff,ou=contractors,dc=example' });
            },
          },
          signal,
        ),
    };
    const told: string[] = [];
    const { channel } = syncedReceiver();
    const heard: SyncChannel = {
      async begin(beginning) {
        const stream = await channel.begin(beginning);
        return {
          ...stream,
          page(records) {
            for (const text of records) {
              const record = JSON.parse(text) as SyncRecord;
              if (record.record !== 'members') told.push(`${record.record} ${record.id}`);
            }
            return stream.page(records);
          },
        };
      },
    };
    await using sync = await syncUnderTest({ reader, channel: heard });
    const result = await sync.run({ mode: 'full', acceptRemovals: null });
    assert.equal(result.kind, 'published');
    assert.deepEqual(told, [`user ${USER}`, `group ${GROUP}`]);
  });
