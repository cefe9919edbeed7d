import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { ready } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

suite('a ledger that was restored from an older copy', { concurrency: false }, () => {
  let s: System;
  const group = { name: 'vpn-users' };
  const issuedBefore = new Date().toISOString();

  before(async () => {
    s = await startSystem();
    await s.startStub();
    await s.startConnector();
    await s.outcome((await s.grant({ user: { username: 'dana' }, group, durationSeconds: 600 })).jobId);
    assert.equal(await s.stopConnector(), 0);
    await cp(s.stateDir, join(s.folder, 'copy'), { recursive: true });
    await s.startConnector();
    // The directory keeps what the copy does not know.
    await s.outcome((await s.grant({ user: { username: 'chen' }, group, durationSeconds: 600 })).jobId);
    assert.equal(await s.stopConnector(), 0);
    await rm(s.stateDir, { recursive: true });
    await cp(join(s.folder, 'copy'), s.stateDir, { recursive: true });
    await s.startConnector();
    await s.event(({ kind }) => kind === 'ledger.replaced');
  });
  after(() => s[Symbol.asyncDispose]());

  const ask = (grantId: string, username: string, issuedAt: string) =>
    s.job({ kind: 'grant', grantId, issuedAt, user: { username }, group, durationSeconds: 600 });

  test('a membership that may be ours from the lost time is neither claimed as standing nor taken away', async () => {
    const { jobId } = await ask('grant-of-the-lost-time', 'chen', issuedBefore);
    const outcome = await s.outcome(jobId);
    assert.ok(outcome.kind === 'job.succeeded');
    assert.equal(outcome.outcome, 'already_standing');
    assert.equal(outcome.grant?.standing, 'unknown');
    await s.event(
      (event) => event.kind === 'grant.drifted' && event.observed === 'ownership_unknown' && event.action === 'reported',
    );
    const child = s.connector();
    assert.ok(child !== null);
    await ready(child, ({ status, body }) => status === 503 && body['ledger']?.['ready'] === false);

    const { jobId: revoke } = await s.revoke('grant-of-the-lost-time');
    await s.event((event) => event.kind === 'job.delayed' && event.jobId === revoke && event.error.code === 'ownership_unknown');
    await s.event((event) => event.kind === 'grant.overdue' && event.error.code === 'ownership_unknown');
    await s.member(s.group('vpn-users'), s.person('chen'), true);

    const taken = ['dn: ' + s.group('vpn-users'), 'changetype: modify', 'delete: member', 'member: ' + s.person('chen'), '-', ''];
    await s.ldap.modify(taken.join('\n'));
    const ended = await s.outcome(revoke);
    assert.ok(ended.kind === 'job.succeeded');
    assert.equal(ended.outcome, 'already_absent');
    await ready(child, ({ status }) => status === 200);
  });

  test('a membership that the copy knows is ours as before', async () => {
    const { jobId } = await ask('grant-beside-a-known-one', 'dana', issuedBefore);
    const outcome = await s.outcome(jobId);
    assert.ok(outcome.kind === 'job.succeeded');
    assert.equal(outcome.outcome, 'covered_by_grant');
    assert.equal(outcome.grant?.standing, false);
  });

  test('an absent membership is written and ours, whenever the grant was issued', async () => {
    const { jobId } = await ask('grant-of-an-absent-one', 'zoe', issuedBefore);
    const outcome = await s.outcome(jobId);
    assert.ok(outcome.kind === 'job.succeeded');
    assert.equal(outcome.outcome, 'granted');
    const { jobId: revoke } = await s.revoke('grant-of-an-absent-one');
    assert.equal((await s.outcome(revoke)).kind, 'job.succeeded');
    await s.member(s.group('vpn-users'), s.person('zoe'), false);
  });

  test('a member that a grant of well after the restore finds is standing', async () => {
    const { jobId } = await ask('grant-of-later', 'tomas', new Date(Date.now() + 600_000).toISOString());
    const outcome = await s.outcome(jobId);
    assert.ok(outcome.kind === 'job.succeeded', JSON.stringify(outcome));
    assert.equal(outcome.outcome, 'already_standing');
    assert.equal(outcome.grant?.standing, true);
  });
});
