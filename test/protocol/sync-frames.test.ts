import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SyncRecord } from '../../src/access/sync.ts';
import { readFrameFromConnector } from '../../src/protocol/frames.ts';
import {
  MAX_FRAME_BYTES,
  MAX_SYNC_DN,
  MAX_SYNC_EMAIL,
  MAX_SYNC_EMAILS,
  MAX_SYNC_MEMBERS,
  MAX_SYNC_OWNERS,
  MAX_SYNC_PAGE_BYTES,
  MAX_SYNC_RECORDS,
  MAX_SYNC_TEXT,
} from '../../src/protocol/limits.ts';
import { granted, SAMPLE, standing, syncFrames, syncGroup, syncMembers, syncUser, userId } from '../support/sync-samples.ts';

const read = (frame: unknown) => readFrameFromConnector(JSON.stringify(frame));
const pageOf = (records: readonly unknown[]) => ({ type: 'sync.page', syncId: 's-1', page: 1, records });

/** The longest text of so many characters: JSON spells each with six. */
const worst = (length: number): string => '\u0001'.repeat(length);

describe('the frames of a sync stream', () => {
  test('are read as they were written', () => {
    const { begin, pages, end } = syncFrames({ ...SAMPLE, mode: 'delta', baseCursor: 'before' });
    const abort = { type: 'sync.abort', syncId: 's-1', error: { code: 'internal', message: 'm', retryable: true } };
    for (const frame of [begin, ...pages, end, abort]) {
      const taken = read(frame);
      assert.ok(taken.ok, JSON.stringify(taken));
      assert.deepEqual(taken.frame, frame);
    }
  });

  test('drop what is not known, in records too', () => {
    const taken = read(pageOf([{ ...syncUser(1), later: 1 }]));
    assert.ok(taken.ok);
    assert.deepEqual(taken.frame, pageOf([syncUser(1)]));
  });

  const wrong: readonly [string, unknown][] = [
    ['an id that is none', pageOf([{ ...syncUser(1), id: 'x' }])],
    ['an unknown record', pageOf([{ record: 'printer', id: userId(1) }])],
    ['a user without a name', pageOf([{ ...syncUser(1), username: '' }])],
    ['a member by a grant that is not named', pageOf([syncMembers(1, [{ userId: userId(1), source: 'grant' } as never])])],
    ['too many records', pageOf(Array.from({ length: MAX_SYNC_RECORDS + 1 }, () => syncGroup(1)))],
    [
      'too many members',
      pageOf([
        syncMembers(
          1,
          Array.from({ length: MAX_SYNC_MEMBERS + 1 }, () => standing(1)),
        ),
      ]),
    ],
    ['a page before the first', { ...pageOf([]), page: 0 }],
    ['an end without a cursor', { ...syncFrames(SAMPLE).end, cursor: '' }],
    ['a begin of another mode', { type: 'sync.begin', syncId: 's-1', mode: 'half' }],
  ];
  for (const [title, frame] of wrong) {
    test(`${title}: refused, and the stream is named`, () => {
      const taken = read(frame);
      assert.ok(!taken.ok);
      assert.equal(taken.refused.ref, 's-1');
    });
  }

  test('without a legible syncId are named by their hash', () => {
    const taken = read({ ...pageOf([]), syncId: 'not an id' });
    assert.match(taken.ok ? '' : taken.refused.ref, /^[0-9a-f]{64}$/);
  });
});

describe('every legal page is taken', () => {
  /** As many of the record as a page may have. */
  function full(record: SyncRecord): string {
    const text = JSON.stringify(record);
    const room = MAX_SYNC_PAGE_BYTES - JSON.stringify(pageOf([])).length;
    const count = Math.min(MAX_SYNC_RECORDS, Math.floor(room / (Buffer.byteLength(text) + 1)));
    assert.ok(count > 0, 'a record is shorter than a page');
    return JSON.stringify(pageOf([])).replace('[]', () => `[${Array.from({ length: count }, () => text).join(',')}]`);
  }

  const addresses = (text: string) => ({ emails: Array.from({ length: MAX_SYNC_EMAILS }, () => text), email: text });
  const members = Array.from({ length: MAX_SYNC_MEMBERS }, (_, number) => granted(number, 'g'.repeat(128)));
  const densest: readonly [string, SyncRecord][] = [
    ['of addresses of one letter', syncUser(1, addresses('a'))],
    [
      'of the longest users',
      syncUser(1, {
        ...addresses(worst(MAX_SYNC_EMAIL)),
        dn: worst(MAX_SYNC_DN),
        username: worst(MAX_SYNC_TEXT),
        fullName: worst(MAX_SYNC_TEXT),
        managerId: userId(2),
      }),
    ],
    [
      'of the longest groups',
      syncGroup(1, {
        dn: worst(MAX_SYNC_DN),
        name: worst(MAX_SYNC_TEXT),
        description: worst(MAX_SYNC_TEXT),
        ownerIds: Array.from({ length: MAX_SYNC_OWNERS }, () => userId(1)),
      }),
    ],
    ['of the longest members', syncMembers(1, members, { remove: members.map((member) => member.userId) })],
    ['of members without anybody', syncMembers(1, [])],
  ];
  for (const [title, record] of densest) {
    test(title, () => {
      const text = full(record);
      assert.ok(Buffer.byteLength(text) <= MAX_SYNC_PAGE_BYTES && MAX_SYNC_PAGE_BYTES < MAX_FRAME_BYTES);
      const taken = readFrameFromConnector(text);
      assert.ok(taken.ok, taken.ok ? '' : taken.refused.message);
    });
  }
});
