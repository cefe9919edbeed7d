import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type System, startSystem } from '../support/system.ts';
import { answer, byHand, grantOf, readOnly, told } from '../support/told.ts';

suite('standing access and overlapping grants', () => {
  let s: System;
  let vpn: string;
  const isMember = async (uid: string) => (await s.ldap.members(vpn)).includes(s.person(uid));
  const grant = (uid: string, end: { durationSeconds: number } | { expiresAt: string } = { durationSeconds: 3600 }) =>
    s.grant({ user: { username: uid }, group: { name: 'vpn-users' }, ...end });
  const granted = async (uid: string, end?: { durationSeconds: number } | { expiresAt: string }) => {
    const asked = await grant(uid, end);
    return { ...asked, outcome: await answer(s, asked.jobId) };
  };
  const revoked = async (grantId: string) => answer(s, (await s.revoke(grantId)).jobId);
  const membershipAtEnd = async (grantId: string) => (await s.endOf(grantId)).membership;

  before(async () => {
    s = await startSystem({ ldap: { people: 30 } });
    vpn = s.group('vpn-users');
    await s.startStub();
    await s.startConnector();
  });
  after(() => s[Symbol.asyncDispose]());

  test('standing access survives the grant that found it, at its expiry and at its revoke', async () => {
    await byHand(s, { group: vpn, add: s.person('u0001') });
    const expiring = await granted('u0001', { durationSeconds: 1 });
    assert.equal(expiring.outcome, 'already_standing');
    assert.equal((await grantOf(s, expiring.jobId)).standing, true);
    const ended = await s.endOf(expiring.grantId);
    assert.equal(ended.membership, 'kept_standing');
    assert.equal(ended.grant.standing, true);
    const revoking = await granted('u0001');
    assert.equal(revoking.outcome, 'already_standing');
    assert.equal(await revoked(revoking.grantId), 'kept_standing');
    assert.ok(await isMember('u0001'));
  });

  test('what is put in by hand after a grant of ours has ended is standing again', async () => {
    const ours = await granted('u0002');
    assert.equal(ours.outcome, 'granted');
    assert.equal(await revoked(ours.grantId), 'revoked');
    await byHand(s, { group: vpn, add: s.person('u0002') });
    const next = await granted('u0002');
    assert.equal(next.outcome, 'already_standing');
    assert.equal(await revoked(next.grantId), 'kept_standing');
    assert.ok(await isMember('u0002'));
  });

  test('standing access that was taken away in between is over: what the next grant writes is ours, for both', async () => {
    await byHand(s, { group: vpn, add: s.person('u0003') });
    const first = await granted('u0003');
    assert.equal(first.outcome, 'already_standing');
    await byHand(s, { group: vpn, delete: s.person('u0003') });
    const second = await granted('u0003');
    assert.equal(second.outcome, 'granted');
    assert.equal((await grantOf(s, second.jobId)).standing, false);
    assert.ok(await isMember('u0003'));
    assert.equal(await revoked(second.grantId), 'kept_by_grant');
    assert.ok(await isMember('u0003'));
    assert.equal(await revoked(first.grantId), 'revoked');
    assert.equal(await isMember('u0003'), false);
    assert.equal((await s.endOf(first.grantId)).grant.standing, false);
    assert.deepEqual(await told(s, first.grantId), [
      'succeeded already_standing',
      'drifted absent restored',
      'ended revoked removed',
      'succeeded revoked',
    ]);
  });

  test('standing access that was taken away is not given back by the end of its grant', async () => {
    await byHand(s, { group: vpn, add: s.person('u0004') });
    const only = await granted('u0004');
    await byHand(s, { group: vpn, delete: s.person('u0004') });
    assert.equal(await revoked(only.grantId), 'already_absent');
    assert.equal(await isMember('u0004'), false);
  });

  test('overlapping grants hold the membership together, and the last one to end takes it away, whichever began it', async () => {
    const first = await granted('u0005');
    const second = await granted('u0005');
    const third = await granted('u0005', { durationSeconds: 1 });
    assert.deepEqual([first.outcome, second.outcome, third.outcome], ['granted', 'covered_by_grant', 'covered_by_grant']);
    for (const { jobId } of [first, second, third]) assert.equal((await grantOf(s, jobId)).standing, false);
    assert.equal(await membershipAtEnd(third.grantId), 'kept_by_grant');
    assert.ok(await isMember('u0005'));
    assert.equal(await revoked(first.grantId), 'kept_by_grant');
    assert.ok(await isMember('u0005'));
    const fourth = await granted('u0005', { durationSeconds: 1 });
    assert.equal(fourth.outcome, 'covered_by_grant');
    assert.equal(await revoked(second.grantId), 'kept_by_grant');
    assert.ok(await isMember('u0005'));
    assert.equal(await membershipAtEnd(fourth.grantId), 'removed');
    assert.equal(await isMember('u0005'), false);
    assert.deepEqual(await told(s, fourth.grantId), ['succeeded covered_by_grant', 'ended expired removed']);
  });

  test('of grants that end at the same instant exactly one removes the membership', async () => {
    const expiresAt = new Date(Date.now() + 3000).toISOString();
    const three = await Promise.all([1, 2, 3].map(() => granted('u0006', { expiresAt })));
    assert.deepEqual(three.map(({ outcome }) => outcome).toSorted(), ['covered_by_grant', 'covered_by_grant', 'granted']);
    const ends = await Promise.all(three.map(({ grantId }) => membershipAtEnd(grantId)));
    assert.deepEqual(ends.toSorted(), ['kept_by_grant', 'kept_by_grant', 'removed']);
    assert.equal(await isMember('u0006'), false);
    for (const { jobId } of three) assert.equal((await grantOf(s, jobId)).expiresAt, expiresAt);
  });

  test('a grant whose ending is refused still leaves the membership to another that comes meanwhile', async () => {
    const first = await granted('u0007');
    await readOnly(s, true);
    const revoke = await s.revoke(first.grantId);
    await s.event((one) => one.kind === 'grant.overdue' && one.grant.grantId === first.grantId);
    const second = await granted('u0007');
    assert.equal(second.outcome, 'covered_by_grant');
    assert.equal(await answer(s, revoke.jobId), 'kept_by_grant');
    await readOnly(s, false);
    assert.ok(await isMember('u0007'));
    assert.equal(await revoked(second.grantId), 'revoked');
    assert.equal(await isMember('u0007'), false);
  });

  test('every grant of a standing period finds it standing, and the last one keeps it', async () => {
    await byHand(s, { group: vpn, add: s.person('u0008') });
    const first = await granted('u0008');
    const second = await granted('u0008', { durationSeconds: 1 });
    assert.deepEqual([first.outcome, second.outcome], ['already_standing', 'already_standing']);
    assert.equal(await membershipAtEnd(second.grantId), 'kept_by_grant');
    const third = await granted('u0008');
    assert.equal(third.outcome, 'already_standing');
    assert.equal(await revoked(first.grantId), 'kept_by_grant');
    assert.equal(await revoked(third.grantId), 'kept_standing');
    assert.ok(await isMember('u0008'));
  });

  test('standing is of a user and a group: another group and another user know nothing of it', async () => {
    await byHand(s, { group: vpn, add: s.person('u0009') });
    assert.equal((await granted('u0009')).outcome, 'already_standing');
    const other = await s.grant({ user: { username: 'u0009' }, group: { name: 'on-call' }, durationSeconds: 3600 });
    assert.equal(await answer(s, other.jobId), 'granted');
    assert.equal(await revoked(other.grantId), 'revoked');
    assert.ok(!(await s.ldap.members(s.group('on-call'))).includes(s.person('u0009')));
    assert.ok(await isMember('u0009'));
    assert.equal((await granted('u0010')).outcome, 'granted');
  });

  test('standing and overlap survive a restart of the connector', async () => {
    await byHand(s, { group: vpn, add: s.person('u0011') });
    const standing = await granted('u0011');
    const one = await granted('u0012');
    const two = await granted('u0012');
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector();
    assert.equal(await revoked(standing.grantId), 'kept_standing');
    assert.equal(await revoked(one.grantId), 'kept_by_grant');
    assert.equal(await revoked(two.grantId), 'revoked');
    assert.ok(await isMember('u0011'));
    assert.equal(await isMember('u0012'), false);
  });

  test('no rule of the protocol was broken on the way', async () => {
    assert.deepEqual(await s.violations(), []);
  });
});
