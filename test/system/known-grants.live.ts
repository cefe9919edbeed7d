import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { type System, startSystem, until } from '../support/system.ts';
import { answer, byHand, delayOf, grantOf, idOf, lastsSeconds, overdueOf, readOnly, told } from '../support/told.ts';

suite('what a job does to a known grant', () => {
  let s: System;
  let vpn: string;
  const members = () => s.ldap.members(vpn);
  const grant = (uid: string, more: { grantId?: string; durationSeconds?: number; group?: string } = {}) =>
    s.grant({
      user: { username: uid },
      group: { name: more.group ?? 'vpn-users' },
      durationSeconds: more.durationSeconds ?? 3600,
      ...(more.grantId === undefined ? {} : { grantId: more.grantId }),
    });
  const isMember = async (uid: string) => (await members()).includes(s.person(uid));

  before(async () => {
    s = await startSystem({ ldap: { people: 32 } });
    vpn = s.group('vpn-users');
    await s.startStub();
    await s.startConnector();
  });
  after(() => s[Symbol.asyncDispose]());

  test('unknown, grant: a new grant, and the whole grant is told', async () => {
    const { grantId, jobId } = await grant('u0001');
    assert.equal(await answer(s, jobId), 'granted');
    const view = await grantOf(s, jobId);
    const { activatedAt, expiresAt, ...others } = view;
    assert.deepEqual(others, {
      grantId,
      user: { id: await idOf(s, s.person('u0001')), dn: s.person('u0001') },
      group: { id: await idOf(s, vpn), dn: vpn },
      state: 'active',
      standing: false,
    });
    assert.equal(lastsSeconds(view), 3600);
    assert.ok(Math.abs(Date.now() - Date.parse(activatedAt ?? '')) < 60_000, `${activatedAt} … ${expiresAt}`);
    assert.ok(await isMember('u0001'));
    assert.deepEqual(await told(s, grantId), ['succeeded granted']);
  });

  test('unknown, revoke: remembered, and a later grant with that id is refused', async () => {
    const grantId = randomUUID();
    const revoke = () => s.job({ kind: 'revoke', grantId });
    const first = await revoke();
    assert.equal(await answer(s, first.jobId), 'already_absent');
    assert.equal((await s.outcome(first.jobId)).grant, undefined);
    const refused = await grant('u0002', { grantId });
    assert.equal(await answer(s, refused.jobId), 'grant_revoked');
    assert.equal(await answer(s, (await revoke()).jobId), 'already_absent');
    const again = await grant('u0002', { grantId });
    assert.equal(await answer(s, again.jobId), 'grant_revoked');
    assert.equal(await isMember('u0002'), false);
  });

  test('pending, grant of the same pair: replaces the end, and both jobs get the one outcome', async () => {
    await s.ldap.kill('SIGINT');
    const first = await grant('u0003');
    const delayed = await delayOf(s, first.jobId);
    assert.equal(delayed.error.code, 'directory_unavailable');
    assert.equal(delayed.grant?.state, 'pending');
    assert.equal(delayed.grant?.expiresAt, null);
    const second = await s.grant({
      grantId: first.grantId,
      user: { email: 'u0003@example.test' },
      group: { dn: vpn },
      durationSeconds: 1800,
    });
    await delayOf(s, second.jobId);
    await s.ldap.start();
    assert.deepEqual(await grantOf(s, first.jobId), await grantOf(s, second.jobId));
    assert.equal(lastsSeconds(await grantOf(s, second.jobId)), 1800);
    assert.deepEqual(await told(s, first.grantId), ['succeeded granted', 'succeeded granted']);
    assert.ok(await isMember('u0003'));
  });

  test('pending, grant of another pair: a conflict, and the first stands with its own end', async () => {
    await s.ldap.kill('SIGINT');
    const first = await grant('u0004');
    await delayOf(s, first.jobId);
    const group = await grant('u0004', { grantId: first.grantId, group: 'on-call', durationSeconds: 60 });
    await delayOf(s, group.jobId);
    const user = await grant('u0005', { grantId: first.grantId, durationSeconds: 60 });
    await delayOf(s, user.jobId);
    await s.ldap.start();
    assert.equal(await answer(s, first.jobId), 'granted');
    assert.equal(lastsSeconds(await grantOf(s, first.jobId)), 3600);
    assert.equal(await answer(s, group.jobId), 'grant_conflict');
    assert.equal(await answer(s, user.jobId), 'grant_conflict');
    assert.ok(await isMember('u0004'));
    assert.equal(await isMember('u0005'), false);
    assert.ok(!(await s.ldap.members(s.group('on-call'))).includes(s.person('u0004')));
  });

  test('pending, grant of another pair with a nearer notAfter: the first keeps its own time', async () => {
    await s.ldap.kill('SIGINT');
    const first = await grant('u0031');
    await delayOf(s, first.jobId);
    const notAfter = Date.now() + 500;
    const request = { user: { username: 'u0032' }, group: { name: 'vpn-users' }, durationSeconds: 60 };
    const other = await s.grant({ ...request, grantId: first.grantId, notAfter: new Date(notAfter).toISOString() });
    await delayOf(s, other.jobId);
    await until('the notAfter has passed', async () => Date.now() > notAfter);
    await s.ldap.start();
    assert.equal(await answer(s, first.jobId), 'granted');
    assert.equal(await answer(s, other.jobId), 'grant_conflict');
  });

  test('pending, revoke: cancels it, even without the directory', async () => {
    await s.ldap.kill('SIGINT');
    const { grantId, jobId } = await grant('u0006');
    await delayOf(s, jobId);
    const revoke = await s.revoke(grantId);
    assert.equal(await answer(s, revoke.jobId), 'revoked');
    assert.deepEqual(await told(s, grantId), ['failed grant_revoked', 'succeeded revoked']);
    assert.equal((await grantOf(s, revoke.jobId)).state, 'failed');
    await s.ldap.start();
    const later = await grant('u0006', { grantId });
    assert.equal(await answer(s, later.jobId), 'grant_revoked');
    assert.equal(await answer(s, (await s.revoke(grantId)).jobId), 'already_ended');
    assert.equal(await isMember('u0006'), false);
  });

  test('active, grant of the same pair: extends and shortens, however the pair is named', async () => {
    const { grantId, jobId } = await grant('u0007');
    const earlier = await grantOf(s, jobId);
    const longer = await s.grant({ grantId, user: { id: earlier.user?.id ?? '' }, group: { dn: vpn }, durationSeconds: 7200 });
    assert.equal(await answer(s, longer.jobId), 'updated');
    assert.deepEqual(await grantOf(s, longer.jobId), {
      ...earlier,
      expiresAt: new Date(Date.parse(earlier.activatedAt ?? '') + 7_200_000).toISOString(),
    });
    const shorter = await grant('u0007', { grantId, durationSeconds: 900 });
    assert.equal(await answer(s, shorter.jobId), 'updated');
    assert.equal(lastsSeconds(await grantOf(s, shorter.jobId)), 900);
    assert.ok(await isMember('u0007'));
    assert.deepEqual(await told(s, grantId), ['succeeded granted', 'succeeded updated', 'succeeded updated']);
  });

  test('active, grant of another pair: a conflict, and it stands as before', async () => {
    const { grantId, jobId } = await grant('u0008');
    await s.outcome(jobId);
    const user = await grant('u0009', { grantId });
    const group = await grant('u0008', { grantId, group: 'on-call' });
    for (const other of [user, group]) {
      assert.equal(await answer(s, other.jobId), 'grant_conflict');
      assert.deepEqual(await grantOf(s, other.jobId), await grantOf(s, jobId));
    }
    assert.ok(await isMember('u0008'));
    assert.equal(await isMember('u0009'), false);
    assert.ok(!(await s.ldap.members(s.group('on-call'))).includes(s.person('u0008')));
  });

  test('active, revoke: the membership is taken away, and its end is told before the outcome', async () => {
    const { grantId, jobId } = await grant('u0010');
    await s.outcome(jobId);
    const revoke = await s.revoke(grantId);
    assert.equal(await answer(s, revoke.jobId), 'revoked');
    assert.equal(await isMember('u0010'), false);
    assert.deepEqual(await told(s, grantId), ['succeeded granted', 'ended revoked removed', 'succeeded revoked']);
    const ended = await grantOf(s, revoke.jobId);
    assert.equal(ended.state, 'ended');
    assert.ok(Date.parse(ended.endedAt ?? '') >= Date.parse(ended.activatedAt ?? ''));
    assert.deepEqual((await s.endOf(grantId)).grant, ended);
  });

  test('active, revoke: a standing membership is kept', async () => {
    const { grantId, jobId } = await grant('tomas');
    assert.equal(await answer(s, jobId), 'already_standing');
    assert.equal(await answer(s, (await s.revoke(grantId)).jobId), 'kept_standing');
    assert.ok(await isMember('tomas'));
    assert.deepEqual(await told(s, grantId), [
      'succeeded already_standing',
      'ended revoked kept_standing',
      'succeeded kept_standing',
    ]);
  });

  test('active, revoke: a membership that another grant holds is kept', async () => {
    const one = await grant('u0011');
    await s.outcome(one.jobId);
    const other = await grant('u0011');
    assert.equal(await answer(s, other.jobId), 'covered_by_grant');
    assert.equal(await answer(s, (await s.revoke(one.grantId)).jobId), 'kept_by_grant');
    assert.ok(await isMember('u0011'));
    assert.equal(await answer(s, (await s.revoke(other.grantId)).jobId), 'revoked');
    assert.equal(await isMember('u0011'), false);
  });

  test('active, revoke: a membership that somebody else took away is told as absent', async () => {
    const { grantId, jobId } = await grant('u0012');
    await s.outcome(jobId);
    await byHand(s, { group: vpn, delete: s.person('u0012') });
    assert.equal(await answer(s, (await s.revoke(grantId)).jobId), 'already_absent');
    assert.deepEqual(await told(s, grantId), ['succeeded granted', 'ended revoked already_absent', 'succeeded already_absent']);
  });

  test('ending, grant of the same or another pair: a conflict; revoke: joins the ending', async () => {
    const { grantId, jobId } = await grant('u0013');
    await s.outcome(jobId);
    await readOnly(s, true);
    const revoke = await s.revoke(grantId);
    const overdue = await overdueOf(s, grantId);
    assert.equal(overdue.error.code, 'directory_refused');
    assert.equal(overdue.error.ldap?.resultCode, 53);
    assert.equal(overdue.grant.state, 'ending');
    assert.equal((await delayOf(s, revoke.jobId)).error.code, 'directory_refused');
    const same = await grant('u0013', { grantId });
    const other = await grant('u0014', { grantId });
    const join = await s.revoke(grantId);
    assert.equal(await answer(s, same.jobId), 'grant_conflict');
    assert.equal(await answer(s, other.jobId), 'grant_conflict');
    await delayOf(s, join.jobId);
    assert.ok(await isMember('u0013'));
    await readOnly(s, false);
    assert.equal(await answer(s, revoke.jobId), 'revoked');
    assert.equal(await answer(s, join.jobId), 'revoked');
    assert.equal(await isMember('u0013'), false);
    assert.deepEqual(await told(s, grantId), [
      'succeeded granted',
      'failed grant_conflict',
      'failed grant_conflict',
      'ended revoked removed',
      'succeeded revoked',
      'succeeded revoked',
    ]);
  });

  test('ending, revoke: an expiry stays the cause of what it began', async () => {
    const { grantId, jobId } = await grant('u0015');
    await s.outcome(jobId);
    await readOnly(s, true);
    await grant('u0015', { grantId, durationSeconds: 1 });
    const overdue = await overdueOf(s, grantId);
    assert.equal(overdue.since, overdue.grant.expiresAt);
    const revoke = await s.revoke(grantId);
    await delayOf(s, revoke.jobId);
    assert.ok(await isMember('u0015'));
    await readOnly(s, false);
    assert.equal(await answer(s, revoke.jobId), 'revoked');
    assert.equal(await isMember('u0015'), false);
    assert.deepEqual(await told(s, grantId), [
      'succeeded granted',
      'succeeded updated',
      'ended expired removed',
      'succeeded revoked',
    ]);
  });

  test('ended by expiry, grant: a conflict; revoke: already ended', async () => {
    const { grantId } = await grant('u0016', { durationSeconds: 1 });
    assert.equal((await s.endOf(grantId)).membership, 'removed');
    const same = await grant('u0016', { grantId });
    const other = await grant('u0017', { grantId });
    assert.equal(await answer(s, same.jobId), 'grant_conflict');
    assert.equal((await grantOf(s, same.jobId)).state, 'ended');
    assert.equal(await answer(s, other.jobId), 'grant_conflict');
    assert.equal(await answer(s, (await s.revoke(grantId)).jobId), 'already_ended');
    assert.equal(await isMember('u0016'), false);
    assert.equal(await isMember('u0017'), false);
  });

  test('ended by a revoke, grant: was revoked, whatever pair it names; revoke: already ended', async () => {
    const { grantId, jobId } = await grant('u0018');
    await s.outcome(jobId);
    await s.outcome((await s.revoke(grantId)).jobId);
    assert.equal(await answer(s, (await grant('u0018', { grantId })).jobId), 'grant_revoked');
    assert.equal(await answer(s, (await grant('u0019', { grantId })).jobId), 'grant_revoked');
    assert.equal(await answer(s, (await s.revoke(grantId)).jobId), 'already_ended');
    assert.equal(await isMember('u0018'), false);
  });

  test('failed, grant: a conflict, also once the reason is gone; revoke: already ended, and no revocation', async () => {
    const { grantId, jobId } = await grant('nobody-of-that-name');
    assert.equal(await answer(s, jobId), 'user_not_found');
    assert.deepEqual(await grantOf(s, jobId), {
      grantId,
      user: null,
      group: null,
      state: 'failed',
      standing: false,
      activatedAt: null,
      expiresAt: null,
    });
    assert.equal(await answer(s, (await grant('u0020', { grantId })).jobId), 'grant_conflict');
    assert.equal(await answer(s, (await s.revoke(grantId)).jobId), 'already_ended');
    assert.equal(await answer(s, (await grant('u0020', { grantId })).jobId), 'grant_conflict');
    assert.equal(await isMember('u0020'), false);
  });

  test('a grant that the directory refuses is final, and leaves no membership', async () => {
    await readOnly(s, true);
    const { grantId, jobId } = await grant('u0021');
    assert.equal(await answer(s, jobId), 'directory_refused');
    await readOnly(s, false);
    assert.equal(await answer(s, (await grant('u0021', { grantId })).jobId), 'grant_conflict');
    assert.equal(await isMember('u0021'), false);
  });

  test('no rule of the protocol was broken on the way', async () => {
    assert.deepEqual(await s.violations(), []);
  });
});
