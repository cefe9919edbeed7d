import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { EntryId } from '../../src/access/ids.ts';
import type { StoredUser } from '../../src/ledger/snapshots.ts';
import { publishedUsers } from '../../src/sync/published-users.ts';

const idOf = (number: number): EntryId => `user-${number}` as EntryId;
const stored = (number: number): StoredUser => ({
  number,
  id: idOf(number),
  digest: '',
  dnKey: number,
  uidKeys: [],
  managerKey: null,
  primaryKey: null,
  has: 0,
});

/** A picture of the users with these numbers, which counts how often it is asked. */
function pictureOf(numbers: readonly number[]) {
  const all = numbers.toSorted((a, b) => a - b).map(stored);
  const asked = { user: 0, users: 0 };
  return {
    asked,
    user(id: EntryId) {
      asked.user += 1;
      return all.find((one) => one.id === id) ?? null;
    },
    users({ after, limit }: { after: number; limit: number }) {
      asked.users += 1;
      return all.filter(({ number }) => number > after).slice(0, limit);
    },
  };
}

suite('the users of the base of a sync', () => {
  test('are found in whatever order they are asked for, and nobody else is', () => {
    const number = fc.integer({ min: 0, max: 400 });
    fc.assert(
      fc.property(fc.uniqueArray(number), fc.array(number), (numbers, asked) => {
        const { find } = publishedUsers(pictureOf(numbers));
        for (const one of [...asked, ...numbers.toSorted((a, b) => a - b)])
          assert.deepEqual(find(idOf(one)), numbers.includes(one) ? stored(one) : null);
      }),
    );
  });

  test('are read ahead where they come in their order, and not where they come in none', () => {
    const numbers = Array.from({ length: 1_000 }, (_, i) => i);
    const inOrder = pictureOf(numbers);
    const ordered = publishedUsers(inOrder);
    for (const one of numbers) ordered.find(idOf(one));
    assert.ok(inOrder.asked.user < 10, `${inOrder.asked.user} were looked up`);
    const reversed = pictureOf(numbers);
    const backwards = publishedUsers(reversed);
    for (const one of numbers.toReversed()) backwards.find(idOf(one));
    assert.ok(reversed.asked.users < 10, `${reversed.asked.users} times some were read ahead`);
  });
});
