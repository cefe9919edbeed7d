import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { FailPoint } from '../../src/access/fail-point.ts';
import { openLdapAdmin } from '../support/openldap-admin.ts';
import { assertToldOnce, granted, killed, startReady, succeeded } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

suite('a process killed where a crash hurts most', { concurrency: false }, () => {
  let s: System;

  before(async () => {
    s = await startSystem();
    await s.startStub();
    await startReady(s);
  });
  after(() => s[Symbol.asyncDispose]());

  async function restartKilling(at: FailPoint): Promise<void> {
    assert.equal(await s.stopConnector(), 0);
    await startReady(s, { killAt: at });
  }

  const membersOf = async (cn: string) => (await s.ldap.members(s.group(cn))).toSorted((a, b) => a.localeCompare(b));
  const change = (cn: string, lines: readonly string[]) =>
    s.ldap.modify(`${[`dn: ${s.group(cn)}`, 'changetype: modify', ...lines].join('\n')}\n`);

  for (const at of ['grant.intent-stored', 'grant.modify-answered', 'grant.probed-after'] as const) {
    test(`a recovery that is killed twice finds out a grant killed at ${at} all the same`, async () => {
      const initial = await membersOf('vpn-users');
      await restartKilling(at);
      const { grantId, jobId } = await s.grant({
        user: { username: 'liam' },
        group: { name: 'vpn-users' },
        durationSeconds: 300,
      });
      await killed(s);
      for (let time = 0; time < 2; time += 1) {
        await s.startConnector({ killAt: 'recovery.probed', welcome: false });
        await killed(s);
      }
      await startReady(s);
      assert.equal(await succeeded(s, jobId), 'granted');
      assert.deepEqual((await membersOf('vpn-users')).filter((value) => value === s.person('liam')).length, 1);
      const revoke = await s.revoke(grantId);
      assert.equal(await succeeded(s, revoke.jobId), 'revoked');
      assert.deepEqual(await membersOf('vpn-users'), initial);
      await assertToldOnce(s);
    });
  }

  for (const at of ['end.intent-stored', 'end.modify-answered'] as const) {
    test(`an ending killed at ${at}, and twice again while it is taken up, is done once`, async () => {
      const initial = await membersOf('vpn-users');
      const { grantId } = await granted(s, { user: { username: 'liam' }, group: { name: 'vpn-users' }, durationSeconds: 300 });
      await restartKilling(at);
      const { jobId } = await s.revoke(grantId);
      await killed(s);
      for (let time = 0; time < 2; time += 1) {
        await s.startConnector({ killAt: 'end.probed-before', welcome: false });
        await killed(s);
      }
      await startReady(s);
      assert.equal(await succeeded(s, jobId), 'revoked');
      assert.equal((await s.endOf(grantId)).membership, 'removed');
      assert.deepEqual(await membersOf('vpn-users'), initial);
      await assertToldOnce(s);
    });
  }

  for (const at of ['end.intent-stored', 'end.modify-answered', 'end.probed-after', 'end.claimed'] as const) {
    test(`the last member killed at ${at} leaves the placeholder, which leaves when somebody comes`, async () => {
      const admin = openLdapAdmin(s.ldap);
      const cn = `last-${at.replace('.', '-')}`;
      await admin.addGroup({ dn: s.group(cn) as never, name: cn, attribute: 'member', values: [s.person('amara')] });
      const { grantId } = await granted(s, { user: { username: 'liam' }, group: { name: cn }, durationSeconds: 300 });
      await change(cn, ['delete: member', `member: ${s.person('amara')}`]);
      assert.deepEqual(await membersOf(cn), [s.person('liam')]);
      // The plain delete is refused (result 65) and the swap follows; the kill at the second passing meets the swap.
      const passing = at === 'end.claimed' ? 1 : 2;
      assert.equal(await s.stopConnector(), 0);
      await startReady(s, { killAt: `${at}:${passing}` });
      const { jobId } = await s.revoke(grantId);
      await killed(s);
      await startReady(s);
      assert.equal(await succeeded(s, jobId), 'revoked');
      assert.equal((await s.endOf(grantId)).membership, 'removed');
      assert.deepEqual(await membersOf(cn), ['']);
      const next = await granted(s, { user: { username: 'maria' }, group: { name: cn }, durationSeconds: 300 });
      assert.deepEqual(await membersOf(cn), [s.person('maria')], 'the placeholder was ours, and went');
      assert.equal(await succeeded(s, (await s.revoke(next.grantId)).jobId), 'revoked');
      assert.deepEqual(await membersOf(cn), ['']);
      await assertToldOnce(s);
    });
  }

  for (const at of ['grant.intent-stored', 'grant.modify-answered', 'grant.probed-after', 'grant.claimed'] as const) {
    test(`the real member who takes a placeholder's place, killed at ${at}, is granted once and alone`, async () => {
      const admin = openLdapAdmin(s.ldap);
      const cn = `taken-${at.replace('.', '-')}`;
      await admin.addGroup({ dn: s.group(cn) as never, name: cn, attribute: 'member', values: [s.person('amara')] });
      const first = await granted(s, { user: { username: 'liam' }, group: { name: cn }, durationSeconds: 300 });
      await change(cn, ['delete: member', `member: ${s.person('amara')}`]);
      assert.equal(await succeeded(s, (await s.revoke(first.grantId)).jobId), 'revoked');
      assert.deepEqual(await membersOf(cn), ['']);
      await restartKilling(at);
      const { grantId, jobId } = await s.grant({ user: { username: 'maria' }, group: { name: cn }, durationSeconds: 300 });
      await killed(s);
      await startReady(s);
      assert.equal(await succeeded(s, jobId), 'granted');
      assert.deepEqual(await membersOf(cn), [s.person('maria')]);
      assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
      assert.deepEqual(await membersOf(cn), ['']);
      await assertToldOnce(s);
    });
  }

  for (const at of ['grant.intent-stored', 'grant.modify-answered', 'grant.probed-after', 'grant.claimed'] as const) {
    test(`an extension that restores a vanished membership, killed at ${at}, is told as updated once`, async () => {
      const initial = await membersOf('release-approvers');
      const user = { username: 'zoe' };
      const group = { name: 'release-approvers' };
      const { grantId, activatedAt } = await granted(s, { user, group, durationSeconds: 300 });
      await change('release-approvers', ['delete: member', `member: ${s.person('zoe')}`]);
      await restartKilling(at);
      const { jobId } = await s.grant({ grantId, user, group, durationSeconds: 600 });
      await killed(s);
      await startReady(s);
      assert.equal(await succeeded(s, jobId), 'updated');
      const told = (await s.outcome(jobId)).grant;
      assert.equal(told?.activatedAt, activatedAt);
      assert.equal(Date.parse(told?.expiresAt ?? ''), Date.parse(activatedAt) + 600_000);
      assert.ok((await membersOf('release-approvers')).includes(s.person('zoe')));
      const drifted = (await s.events()).filter(({ event }) => event.kind === 'grant.drifted' && event.grant.grantId === grantId);
      assert.deepEqual(
        drifted.map(({ event }) => event.kind === 'grant.drifted' && [event.observed, event.action]),
        [['absent', 'restored']],
        'a restored membership is told, once',
      );
      assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
      assert.deepEqual(await membersOf('release-approvers'), initial);
      await assertToldOnce(s);
    });
  }

  test('a cancelled grant killed after its modify is taken away again, and both jobs are told once', async () => {
    const initial = await membersOf('vpn-users');
    await restartKilling('grant.modify-answered');
    const { grantId, jobId } = await s.grant({ user: { username: 'nadia' }, group: { name: 'vpn-users' }, durationSeconds: 300 });
    await killed(s);
    assert.ok((await membersOf('vpn-users')).includes(s.person('nadia')));
    const revoke = await s.revoke(grantId);
    await startReady(s);
    assert.equal(await succeeded(s, revoke.jobId), 'revoked');
    const result = await s.outcome(jobId);
    const told = result.kind === 'job.failed' ? result.error.code : result.outcome;
    assert.ok(told === 'grant_revoked' || told === 'granted', told);
    assert.deepEqual(await membersOf('vpn-users'), initial);
    await assertToldOnce(s);
  });
});
