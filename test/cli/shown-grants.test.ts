import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import type { EntryId, GrantId } from '../../src/access/ids.ts';
import { instant } from '../../src/access/instant.ts';
import type { ShownGrant } from '../../src/access/operator.ts';
import { countdown } from '../../src/cli/progress.ts';
import { forMachines, grantTable, howEnded, span } from '../../src/cli/shown-grants.ts';

const grant = (grantId: string, others: Partial<ShownGrant> = {}): ShownGrant => ({
  grantId: grantId as GrantId,
  user: { id: 'u' as EntryId, dn: 'uid=ada' as Dn },
  group: { id: 'g' as EntryId, dn: 'cn=admins' as Dn },
  state: 'active',
  standing: false,
  activatedAt: instant(0),
  expiresAt: instant(3_600_000),
  ...others,
});

test('grants are shown the soonest end first, with the reason of what is not done yet beneath it', () => {
  const late = grant('late', {
    state: 'ending',
    expiresAt: instant(1),
    trouble: { code: 'directory_unavailable', message: 'away' },
  });
  const waiting = grant('waits', {
    state: 'pending',
    user: null,
    group: null,
    expiresAt: null,
    asked: { user: 'bob', group: 'dba' },
  });
  assert.deepEqual(grantTable([waiting, grant('g1'), late], 0).split('\n'), [
    'GRANT  STATE    ENDS            USER     GROUP',
    'late   ending   now             uid=ada  cn=admins',
    '    not done yet (directory_unavailable): away',
    'g1     active   in 1 h          uid=ada  cn=admins',
    'waits  pending  not active yet  bob      dba',
    '',
  ]);
});

test('how a grant ended is told as it was found, and standing access as what stays', () => {
  assert.match(
    howEnded(grant('g', { state: 'ended', membership: 'removed' })),
    /a probe shows that the user has left the group$/,
  );
  assert.match(howEnded(grant('g', { state: 'ended', membership: 'kept_standing' })), /STAYS in it$/);
  assert.match(
    howEnded(grant('g', { state: 'ended', membership: 'kept_by_grant' })),
    /another grant holds the membership still$/,
  );
  assert.match(howEnded(grant('g', { state: 'failed', code: 'grant_revoked' })), /^g: cancelled before it was made/);
});

test('a span is told in its two greatest units', () => {
  const spans = [999, 1000, 61_000, 3_600_000, 3_661_000, 90_000_000, 172_800_000];
  assert.deepEqual(spans.map(span), ['now', 'in 1 s', 'in 1 min 1 s', 'in 1 h', 'in 1 h 1 min', 'in 1 d 1 h', 'in 2 d']);
});

test('machines are given instants as text, and null where there is none', () => {
  const { activatedAt, endedAt } = forMachines(grant('g'));
  assert.deepEqual([activatedAt, endedAt], ['1970-01-01T00:00:00.000Z', null]);
});

test('a bar is shown on a terminal only, and taken away', () => {
  const shownOn = (isTTY: boolean) => {
    const written: string[] = [];
    const bar = countdown({ isTTY, write: (text) => written.push(text) });
    bar.done(1, 2);
    bar.end();
    bar.end();
    return written;
  };
  assert.deepEqual(shownOn(false), []);
  assert.deepEqual(shownOn(true), [`\r\x1b[K[${'#'.repeat(15)}${'.'.repeat(15)}] 1 of 2 ended`, '\r\x1b[K']);
});
