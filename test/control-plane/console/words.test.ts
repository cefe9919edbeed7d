import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GrantRow } from '../../../src/control-plane/console/answers.ts';
import { leftWords, timeWords } from '../../../src/control-plane/console/countdown.ts';
import { eventWords, firstValue, stateDetail, stateWord } from '../../../src/control-plane/console/words.ts';

const SECOND = 1000;
const HOUR = 3_600 * SECOND;

test('a countdown shows zero only once nothing is left', () => {
  const cases: [number, string][] = [
    [0, '0:00'],
    [-5 * SECOND, '0:00'],
    [1, '0:01'],
    [59 * SECOND + 1, '1:00'],
    [61 * SECOND, '1:01'],
    [10 * 60 * SECOND, '10:00'],
    [HOUR, '1:00:00'],
    [24 * HOUR - 1, '1 d 00:00:00'],
    [51 * HOUR + 4 * 60 * SECOND + 5 * SECOND, '2 d 03:04:05'],
  ];
  for (const [leftMs, words] of cases) assert.equal(leftWords(leftMs), words);
});

test('a time of another day has its date, and what is no time stays as it is', () => {
  const now = Date.parse('2026-11-22T12:00:00Z');
  assert.match(timeWords('2026-11-22T12:00:05.000Z', now), /^\d\d:\d\d:05$/);
  assert.match(timeWords('2026-11-25T12:00:05.000Z', now), /^2026-11-25 \d\d:\d\d:05$/);
  assert.equal(timeWords('soon', now), 'soon');
});

test('a DN is named by its first value, with the escapes of RFC 4514 undone', () => {
  assert.equal(firstValue('uid=grace,ou=people,dc=example'), 'grace');
  assert.equal(firstValue('cn=Smith\\, John \\+ Co,ou=people'), 'Smith, John + Co');
  assert.equal(firstValue('cn=Zo\\C3\\AB van den Berg+uid=zoe,ou=people'), 'Zoë van den Berg');
  assert.equal(firstValue('no DN'), 'no DN');
});

test('an ending that is due and cannot be done is told as overdue, with why', () => {
  const overdue = { since: '2026-01-01T00:00:00.000Z', error: { code: 'directory_unavailable', message: 'no route' } };
  const state = { kind: 'ending', expiresAt: null, overdue } as const;
  assert.deepEqual(stateWord(state), { word: 'overdue', tone: 'bad' });
  assert.equal(stateDetail(state), 'directory_unavailable: no route');
});

test('an event is told by the names of its grant, and one of an unknown kind by its fields', () => {
  const grant = { grantId: 'g-1', user: { dn: 'uid=grace,ou=people' }, group: { dn: 'cn=on-call,ou=groups' } };
  const row = (event: { kind: string; [field: string]: unknown }) => ({ index: 1, connectorId: 'c-1', at: '', event });
  const ended = row({ kind: 'grant.ended', grant, cause: 'expired', membership: 'removed' });
  assert.equal(eventWords(ended, new Map()), 'grace in on-call: expired, membership removed');
  const named = {
    grantId: 'g-1',
    user: { name: 'Grace Mbeki', dn: null, asked: '' },
    group: { name: null, dn: 'cn=on-call', asked: '' },
  };
  assert.equal(eventWords(ended, new Map([['g-1', named as GrantRow]])), 'Grace Mbeki in on-call: expired, membership removed');
  assert.equal(eventWords(row({ kind: 'later.kind', what: 'a', more: [1] }), new Map()), 'what a, more [1]');
  assert.equal(eventWords(row({ kind: 'grant.ended', grant: 7, cause: 'revoked' }), new Map()), 'revoked');
});
