import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { foldDn, parseDn } from '../../src/access/dn.ts';
import type { EntryId, GrantId } from '../../src/access/ids.ts';
import type { HeldMembership } from '../../src/ledger/ledger.ts';
import { MAX_SYNC_PAGE_BYTES } from '../../src/protocol/limits.ts';
import { heldGrants, heldMeanwhile } from '../../src/sync/held-grants.ts';
import { inbox } from '../../src/sync/inbox.ts';
import { foldedDn, nameKeys } from '../../src/sync/name-keys.ts';
import { nameTable } from '../../src/sync/name-table.ts';
import { pager } from '../../src/sync/pager.ts';
import { spool } from '../../src/sync/spool.ts';
import { samplePair } from '../support/ledger-samples.ts';
import { scratchFolder } from '../support/ledgers-under-test.ts';

const word = fc.string({ minLength: 1, maxLength: 6, unit: fc.constantFrom(...Array.from('aB9._@- é,=+\\#"ß\t')) });
const typedRdn = fc.tuple(fc.constantFrom('uid', 'CN', 'ou', 'dc', '2.5.4.3'), word).map(([type, value]) => `${type}=${value}`);
const name = fc.array(typedRdn, { minLength: 1, maxLength: 4 }).map((rdns) => rdns.join(','));

test('the short way to fold a plain name folds it as any other is folded', () => {
  fc.assert(
    fc.property(name, (text) => {
      const parsed = parseDn(text);
      assert.equal(foldedDn(text), parsed.ok ? foldDn(parsed.value) : text);
    }),
    { numRuns: 2_000 },
  );
});

test('names that are spelt alike have one key, and a name of one kind is none of another', () => {
  const keys = nameKeys(81_985_529_216_486);
  assert.equal(keys.dn('UID=Ann, OU=People,dc=x'), keys.dn('uid=ann,ou=people,DC=X'));
  assert.notEqual(keys.dn('ann'), keys.plain('uid', 'ann'));
  assert.notEqual(keys.plain('uid', 'ann'), keys.plain('uid', 'Ann'));
  assert.notEqual(keys.dn('uid=ann'), nameKeys(1).dn('uid=ann'));
  const many = new Set(Array.from({ length: 200_000 }, (_, number) => keys.plain('id', `user${number}`)));
  assert.equal(many.size, 200_000);
});

test('a table of names finds each of them, and knows which mean two', () => {
  const table = nameTable();
  const keys = nameKeys(7);
  for (let number = 0; number < 5_000; number += 1) assert.equal(table.put(keys.plain('uid', `u${number}`), number), null);
  for (let number = 0; number < 5_000; number += 1) assert.equal(table.find(keys.plain('uid', `u${number}`)), number);
  assert.equal(table.find(keys.plain('uid', 'u5000')), 'none');
  assert.equal(table.put(keys.plain('uid', 'u1'), 1), null);
  assert.equal(table.put(keys.plain('uid', 'u1'), 2), 1);
  assert.equal(table.find(keys.plain('uid', 'u1')), 'ambiguous');
});

test('what has to wait comes back as it was, from memory or from a file that has no name', async (t) => {
  const folder = await scratchFolder();
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const count of [0, 10, 40_000]) {
    const lines = Array.from({ length: count }, (_, number) => `${number} ${'ü'.repeat(number % 97)}`);
    const waiting = spool(folder, 'waiting.tmp');
    for (const line of lines) waiting.add(line);
    assert.deepEqual([...waiting.lines()], lines);
    assert.deepEqual(readdirSync(folder), []);
    waiting.close();
  }
});

test('a page has no more bytes than its frame may, and loses no record', async () => {
  const pages: (readonly string[])[] = [];
  const out = pager({
    async page(records) {
      pages.push(records);
    },
  });
  const records = Array.from({ length: 1_300 }, (_, number) =>
    JSON.stringify({ number, text: 'é'.repeat((number * 37) % 4_000) }),
  );
  for (const record of records) await (out.add(record) ?? undefined);
  await out.flush();
  assert.deepEqual(pages.flat(), records);
  for (const page of pages) assert.ok(page.length <= 500 && Buffer.byteLength(page.join(',')) < MAX_SYNC_PAGE_BYTES - 256);
});

test('a reader is told to wait while too much is untaken, and goes on when half of it is', async () => {
  const box = inbox();
  assert.equal(box.sink.room(), null);
  const values = Array.from({ length: 1_000 }, (_, number) => `uid=u${number}`);
  for (let i = 0; i < 4; i += 1) box.sink.members(values);
  const room = box.sink.room();
  assert.ok(room !== null);
  let isThere = false;
  void room.then(() => (isThere = true));
  box.next();
  await Promise.resolve();
  assert.equal(isThere, false);
  box.next();
  await room;
  assert.equal(box.sink.room(), null);
});

test('what grants hold is read page by page, and one that ended during a read counts as held', async () => {
  const all: HeldMembership[] = Array.from({ length: 1_203 }, (_, number) => {
    const { user, group } = samplePair(number, 1);
    return { userId: user.id, groupId: group.id, grantId: `g${number}` as GrantId };
  });
  const held = await heldGrants({
    heldMemberships: async ({ after, limit }) => {
      const from = after === null ? 0 : all.findIndex(({ userId }) => userId === after.userId) + 1;
      return all.slice(from, from + limit);
    },
  });
  const groupId: EntryId = samplePair(0, 1).group.id;
  assert.equal(held.get(groupId)?.size, 1_203);
  const [first] = all;
  assert.ok(first !== undefined);
  const after = new Map([[groupId, new Map([[first.userId, 'another' as GrantId]])]]);
  const meanwhile = heldMeanwhile(held, after);
  assert.equal(meanwhile.get(groupId)?.get(first.userId), 'another');
  assert.equal(meanwhile.get(groupId)?.size, 1_203);
});
