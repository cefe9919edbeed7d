import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { Dn } from '../../src/access/dn.ts';
import { closeGrant, endGrant, expiryOf, type Grant, meetGrantJob, meetRevokeJob } from '../../src/access/grant.ts';
import type { EntryId, GrantId } from '../../src/access/ids.ts';
import { instant } from '../../src/access/instant.ts';

const pair = { user: { id: 'u' as EntryId, dn: 'uid=u' as Dn }, group: { id: 'g' as EntryId, dn: 'cn=g' as Dn } };
const grantId = 'grant-1' as GrantId;
const active: Grant = { state: 'active', grantId, pair, standing: false, activatedAt: instant(0), expiresAt: instant(10) };
const pending: Grant = { state: 'pending', grantId, pair: null, end: { kind: 'after', durationMs: 1 }, deadline: instant(1) };
const ending: Grant = endGrant(active, 'expired', instant(10));
const revoked: Grant = endGrant(active, 'revoked', instant(5));
const ended = (cause: 'expired' | 'revoked'): Grant =>
  closeGrant(endGrant(active, cause, instant(10)), { membership: 'removed', standing: false, endedAt: instant(11) });
const failed = (code: 'grant_revoked' | 'user_not_found'): Grant => ({
  state: 'failed',
  grantId,
  pair: null,
  code,
  failedAt: instant(1),
});

suite('the table of what a job does to a known grant', () => {
  const rows: [string, Grant | null, string, string][] = [
    ['unknown', null, 'new', 'remember'],
    ['pending', pending, 'join', 'cancel'],
    ['active', active, 'update', 'end'],
    ['ending by expiry', ending, 'grant_conflict', 'join'],
    ['ending by revoke', revoked, 'grant_conflict', 'join'],
    ['ended by expiry', ended('expired'), 'grant_conflict', 'already_ended'],
    ['ended by revoke', ended('revoked'), 'grant_revoked', 'already_ended'],
    ['failed', failed('user_not_found'), 'grant_conflict', 'already_ended'],
    ['failed since it was revoked', failed('grant_revoked'), 'grant_revoked', 'already_ended'],
  ];
  for (const [title, grant, grantJob, revokeJob] of rows) {
    test(`${title}: a grant job meets ${grantJob}, a revoke meets ${revokeJob}`, () => {
      assert.equal(meetGrantJob({ grant, revokedBefore: false }), grantJob);
      assert.equal(meetRevokeJob({ grant, revokedBefore: false }), revokeJob);
    });
  }

  test('a grant whose revoke came first is grant_revoked, and another revoke is remembered again', () => {
    assert.equal(meetGrantJob({ grant: null, revokedBefore: true }), 'grant_revoked');
    assert.equal(meetRevokeJob({ grant: null, revokedBefore: true }), 'remember');
  });
});

test('a duration counts from the activation, and an instant does not', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 40 }), fc.integer({ min: 1, max: 2 ** 31 - 1 }), (at, seconds) => {
      assert.equal(expiryOf({ kind: 'after', durationMs: seconds * 1000 }, instant(at)), at + seconds * 1000);
      assert.equal(expiryOf({ kind: 'at', expiresAt: instant(seconds) }, instant(at)), seconds);
    }),
  );
});

test('an ending keeps who, what and until when, and its close adds only the facts of the end', () => {
  const over = closeGrant(endGrant(active, 'operator', instant(7)), {
    membership: 'already_absent',
    standing: true,
    endedAt: instant(8),
  });
  assert.deepEqual(over, {
    state: 'ended',
    grantId,
    pair,
    standing: true,
    activatedAt: 0,
    expiresAt: 10,
    cause: 'operator',
    membership: 'already_absent',
    endedAt: 8,
  });
});
