import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SyncRecord } from '../../src/access/sync.ts';
import type { OwnPicture } from '../../src/control-plane/picture.ts';
import { openStream } from '../../src/control-plane/stream.ts';
import {
  goneGroup,
  goneUser,
  granted,
  groupId,
  SAMPLE,
  type StreamWords,
  standing,
  syncCounts,
  syncFrames,
  syncGroup,
  syncMembers,
  syncUser,
  userId,
} from '../support/sync-samples.ts';

const AT = '2026-01-01T00:00:00.000Z';

/** The picture after the stream, or the rule that it breaks. */
function after(words: StreamWords, before: OwnPicture | null = null): OwnPicture | string {
  const { begin, pages, end } = syncFrames(words);
  const stream = openStream(begin, before);
  for (const page of pages) {
    const broken = stream.takePage(page);
    if (broken !== null) return broken.rule;
  }
  const judged = stream.end(end);
  return judged.broken === null ? judged.store(AT) : judged.broken.rule;
}

function pictureOf(words: StreamWords, before: OwnPicture | null = null): OwnPicture {
  const made = after(words, before);
  if (typeof made === 'string') throw new Error(made);
  return made;
}

function sample(): OwnPicture {
  return pictureOf(SAMPLE);
}

function delta(records: readonly SyncRecord[], counts: StreamWords['counts']): StreamWords {
  return { syncId: 's-2', mode: 'delta', baseCursor: 'after-s-1', pages: [records], counts };
}

describe('a full stream', () => {
  test('is the whole picture: what it does not tell no longer exists', () => {
    const picture = sample();
    assert.deepEqual([...picture.users.keys()], [userId(1), userId(2)]);
    assert.deepEqual([...(picture.members.get(groupId(1))?.keys() ?? [])], [userId(1), userId(2)]);
    assert.deepEqual(picture.members.get(groupId(2))?.get(userId(2)), granted(2, 'g-1'));
    const next = pictureOf({ syncId: 's-2', pages: [[syncUser(3)]], counts: syncCounts(1, 0, 0) }, picture);
    assert.deepEqual([...next.users.keys()], [userId(3)]);
    assert.equal(next.groups.size + next.members.size, 0);
    assert.equal(next.state.previousCursor, 'after-s-1');
    assert.equal(picture.users.size, 2, 'the picture before is another');
  });

  test('members of a group may come in several chunks', () => {
    const pages = [[syncUser(1), syncUser(2), syncGroup(1)], [syncMembers(1, [standing(1)])], [syncMembers(1, [standing(2)])]];
    assert.equal(pictureOf({ syncId: 's', pages, counts: syncCounts(2, 1, 2) }).members.get(groupId(1))?.size, 2);
  });
});

describe('a delta', () => {
  test('tells what changed, and leaves the rest as it was', () => {
    const records = [
      syncUser(2, { fullName: 'Zoë Maier' }),
      syncUser(3),
      syncGroup(3),
      syncMembers(1, [standing(3)], { remove: [userId(2)] }),
      syncMembers(3, [standing(1)], { reset: true }),
    ];
    const picture = pictureOf(delta(records, syncCounts(3, 3, 4)), sample());
    assert.equal(picture.users.get(userId(1))?.username, 'user1');
    assert.equal(picture.users.get(userId(2))?.fullName, 'Zoë Maier');
    assert.deepEqual([...(picture.members.get(groupId(1))?.keys() ?? [])], [userId(1), userId(3)]);
    assert.equal(picture.members.get(groupId(2))?.size, 1);
  });

  test('a reset forgets the members that were told earlier', () => {
    const picture = pictureOf(delta([syncMembers(1, [standing(2)], { reset: true })], syncCounts(2, 2, 2)), sample());
    assert.deepEqual([...(picture.members.get(groupId(1))?.keys() ?? [])], [userId(2)]);
  });

  test('a user who is gone takes the memberships along, in groups that were told and in others', () => {
    const records = [syncMembers(1, [granted(2, 'g-2')]), goneUser(2)];
    const picture = pictureOf(delta(records, syncCounts(1, 2, 1)), sample());
    assert.deepEqual([...(picture.members.get(groupId(1))?.keys() ?? [])], [userId(1)]);
    assert.equal(picture.members.get(groupId(2))?.size, 0);
  });

  test('a group that is gone takes its members along', () => {
    const picture = pictureOf(delta([syncMembers(1, [], { remove: [userId(1)] }), goneGroup(1)], syncCounts(2, 1, 1)), sample());
    assert.equal(picture.groups.has(groupId(1)), false);
    assert.equal(picture.members.has(groupId(1)), false);
  });

  test('nothing is changed before it has ended in order', () => {
    const before = sample();
    const expected = structuredClone(before);
    assert.equal(
      after(delta([syncMembers(1, [], { remove: [userId(1)] }), goneUser(2)], syncCounts(9, 9, 9)), before),
      'wrong counts',
    );
    assert.deepEqual(before, expected);
  });

  test('without anything to tell it only moves the cursor', () => {
    const words = { syncId: 's-2', mode: 'delta' as const, pages: [], counts: syncCounts(2, 2, 3, 1), cursor: 'later' };
    const picture = pictureOf(words, sample());
    assert.deepEqual([picture.state.cursor, picture.state.previousCursor], ['later', 'after-s-1']);
  });
});

describe('a stream is refused', () => {
  const wrong: readonly [string, StreamWords][] = [
    ['records out of order', { syncId: 's', pages: [[syncGroup(1)], [syncUser(1)]], counts: syncCounts(1, 1, 0) }],
    ['records out of order', delta([goneUser(2), syncMembers(1, [])], syncCounts(1, 2, 2))],
    ['an entry told twice', { syncId: 's', pages: [[syncUser(1), syncUser(1)]], counts: syncCounts(1, 0, 0) }],
    ['an entry told twice', { syncId: 's', pages: [[syncGroup(1)], [syncGroup(1)]], counts: syncCounts(0, 1, 0) }],
    [
      'members of an unknown group',
      { syncId: 's', pages: [[syncUser(1), syncMembers(1, [standing(1)])]], counts: syncCounts(1, 0, 0) },
    ],
    [
      'an unknown user as a member',
      { syncId: 's', pages: [[syncGroup(1), syncMembers(1, [standing(1)])]], counts: syncCounts(0, 1, 1) },
    ],
    [
      'reset after the first chunk of a group',
      delta([syncMembers(1, []), syncMembers(1, [], { reset: true })], syncCounts(2, 2, 3)),
    ],
    ['removal of who is no member', delta([syncMembers(2, [], { remove: [userId(1)] })], syncCounts(2, 2, 3))],
    ['gone in a full stream', { syncId: 's', pages: [[goneUser(1)]], counts: syncCounts(0, 0, 0) }],
    ['an unknown entry gone', delta([goneUser(7)], syncCounts(2, 2, 3))],
    ['an unknown entry gone', delta([goneGroup(1), goneGroup(1)], syncCounts(2, 1, 1))],
    ['told and gone in one stream', delta([syncUser(1), goneUser(1)], syncCounts(1, 2, 2))],
    ['an unknown manager', { syncId: 's', pages: [[syncUser(1, { managerId: userId(2) })]], counts: syncCounts(1, 0, 0) }],
    ['an unknown owner', { syncId: 's', pages: [[syncGroup(1, { ownerIds: [userId(2)] })]], counts: syncCounts(0, 1, 0) }],
    ['wrong counts', { ...SAMPLE, counts: syncCounts(2, 2, 2, 1) }],
    ['wrong counts', { ...SAMPLE, counts: syncCounts(3, 2, 3, 1) }],
  ];
  for (const [rule, words] of wrong)
    test(`${rule}: ${words.mode ?? 'full'}`, () => assert.equal(after(words, words.mode === 'delta' ? sample() : null), rule));

  test('a page that is missing, and one that comes twice', () => {
    const { begin, pages } = syncFrames(SAMPLE);
    const stream = openStream(begin, null);
    const [first, , third] = pages;
    assert.ok(first !== undefined && third !== undefined);
    assert.equal(stream.takePage(first), null);
    assert.equal(stream.takePage(first)?.rule, 'pages out of order');
    assert.equal(stream.takePage(third)?.rule, 'pages out of order');
  });

  test('an end that counts other pages than came', () => {
    const { begin, end } = syncFrames(SAMPLE);
    const judged = openStream(begin, null).end(end);
    assert.equal(judged.broken?.rule, 'wrong number of pages');
  });
});
