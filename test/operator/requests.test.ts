import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { isNews, parseAnswer, parseRequest } from '../../src/operator/requests.ts';

const WHO = { by: 'ops', reason: null };
const ID = '0b1c2d3e-0000-4000-8000-000000000001';

suite('what is asked over the socket', () => {
  test('is read as it was written', () => {
    for (const request of [
      { request: 'sync', mode: 'full', acceptRemovals: null },
      { request: 'health' },
      { request: 'grants', isEndedToo: true },
      { request: 'show', grantId: 'g1' },
      { request: 'choose', choice: { by: 'all' } },
      { request: 'revoke', choice: { by: 'grant', grantId: 'g1' }, waitMs: 0, ...WHO },
      { request: 'revoke', choice: { by: 'user', named: 'ada', id: ID }, waitMs: 1000, by: 'ops', reason: 'why' },
      { request: 'adopt', grantId: 'g1', isStanding: true, ...WHO },
      { request: 'pause', ...WHO },
      { request: 'resume', ...WHO },
      { request: 'accept_clock', ...WHO },
    ])
      assert.deepEqual(parseRequest(JSON.stringify(request)), request);
  });

  test('is none where a field is missing or is something else: a revoke never means more than was said', () => {
    for (const request of [
      null,
      { request: 'stop' },
      { request: 'revoke', choice: { by: 'all' }, waitMs: 0 },
      { request: 'revoke', choice: {}, waitMs: 0, ...WHO },
      { request: 'revoke', waitMs: 0, ...WHO },
      { request: 'revoke', choice: { by: 'user' }, waitMs: 0, ...WHO },
      { request: 'revoke', choice: { by: 'user', named: ' ' }, waitMs: 0, ...WHO },
      { request: 'revoke', choice: { by: 'user', named: 'ada', id: 'x' }, waitMs: 0, ...WHO },
      { request: 'revoke', choice: { by: 'grant', grantId: 'a b' }, waitMs: 0, ...WHO },
      { request: 'revoke', choice: { by: 'all' }, waitMs: -1, ...WHO },
      { request: 'revoke', choice: { by: 'all' }, waitMs: 1e12, ...WHO },
      { request: 'pause', by: 'x'.repeat(5000), reason: null },
      { request: 'show', grantId: '' },
      { request: 'adopt', ...WHO },
    ])
      assert.equal(parseRequest(JSON.stringify(request)), null, JSON.stringify(request));
  });
});

suite('what is answered', () => {
  test('is news on the way, or the result that ends it', () => {
    const grant = { grantId: 'g1', state: 'ended' };
    const counts = { users: 3, groups: 2, memberships: 4, membersOutOfScope: 0 };
    const sync = { syncId: 's1', mode: 'delta', counts, changed: 2, removed: 1 };
    for (const [answer, isOnTheWay] of [
      [{ answer: 'progress', records: 5 }, true],
      [{ answer: 'accepted', grants: 2 }, true],
      [{ answer: 'ended', grant }, true],
      [{ answer: 'left', grant }, true],
      [{ answer: 'told', line: { seq: 1, at: 0, kind: 'k', text: 't' } }, true],
      [{ answer: 'done' }, false],
      [{ answer: 'done', message: 'already' }, false],
      [{ answer: 'done', sync }, false],
      [{ answer: 'chosen', choice: { by: 'all' } }, false],
      [{ answer: 'refused', message: 'no' }, false],
      [{ answer: 'failed', error: { code: 'internal', message: 'm' } }, false],
      [{ answer: 'unlinked' }, false],
      [{ answer: 'health', isReady: false, parts: { clock: 'ahead' } }, false],
    ] as const) {
      const read = parseAnswer(JSON.stringify(answer));
      assert.deepEqual(read, answer);
      assert.ok(read !== null);
      assert.equal(isNews(read), isOnTheWay);
    }
  });

  test('is none where it is something else', () => {
    for (const line of [
      '',
      'null',
      '[]',
      '{"answer":"ended"}',
      '{"answer":"accepted"}',
      '{"answer":"told","line":{}}',
      '{"answer":"chosen"}',
      '{"answer":"x"}',
    ])
      assert.equal(parseAnswer(line), null, line);
  });
});
