import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EntryId } from '../../src/access/ids.ts';
import { counts, syncSums, toldSync } from '../../src/cli/sync-sums.ts';

const id = (text: string) => text as EntryId;

test('what a sync would do is told in numbers, one of a kind in the singular', () => {
  const sums = syncSums();
  const add = [{ userId: id('u1'), source: 'standing' } as const];
  sums.add({ record: 'user', id: id('u1'), dn: 'uid=u1', username: 'u1', emails: [], enabled: true });
  sums.add({ record: 'members', groupId: id('g1'), add, remove: [id('u2'), id('u3')] });
  sums.add({ record: 'gone', entity: 'group', id: id('g2') });
  assert.equal(
    sums.wouldDo('delta'),
    'add or change 1 user, 0 groups and 1 membership, and remove 0 users, 1 group and 2 memberships',
  );
  assert.equal(sums.wouldDo('full'), 'tell everything: 1 user, 0 groups and 1 membership');
});

test('what is there, and what was told, is told in numbers', () => {
  const there = { users: 84, groups: 1, memberships: 2, membersOutOfScope: 1 };
  assert.equal(counts(there), '84 users, 1 group and 2 memberships; 1 member out of scope');
  assert.equal(
    toldSync({ syncId: 'b8b9164e', mode: 'delta', counts: there, changed: 2, removed: 0 }),
    'delta b8b9164e: 2 added or changed, nothing removed; the control plane has 84 users, 1 group and 2 memberships',
  );
});
