import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { changeLedger } from '../support/ledgers-under-test.ts';
import { type System, startSystem } from '../support/system.ts';
import { answer, grantJob, grantOf } from '../support/told.ts';

const NOWHERE = { dn: 'uid=nobody,dc=elsewhere,dc=test' };
const NOBODY = { username: 'nobody-of-that-name' };
const NO_GROUP = { name: 'no-group-of-that-name' };
const PROTECTED = { name: 'domain-admins' };
const VPN = { name: 'vpn-users' };
const user = (uid: string) => ({ username: uid });
/** One second more than LATCHKEY_MAX_GRANT allows here. */
const TOO_LONG = { durationSeconds: 601 };
const OLD = { issuedAt: '2020-01-01T00:00:00.000Z' };

suite('which error is told where two apply', () => {
  let s: System;
  const sent = async (fields: Readonly<Record<string, unknown>>) => {
    const job = grantJob({ durationSeconds: 300, ...fields });
    await s.job(job);
    return job;
  };
  const answered = async (fields: Readonly<Record<string, unknown>>) => answer(s, (await sent(fields)).jobId);
  const setClockMark = (mark: number) =>
    changeLedger(s.stateDir, (database) => database.run('UPDATE identity SET clock_mark = :mark', { mark }));
  const granted = async (uid: string) => {
    const job = await sent({ user: user(uid), group: VPN });
    assert.equal(await answer(s, job.jobId), 'granted');
    return job.grantId;
  };
  const revoked = async (uid: string) => {
    const grantId = await granted(uid);
    assert.equal(await answer(s, (await s.revoke(grantId)).jobId), 'revoked');
    return grantId;
  };
  const resultAfter = async (jobId: string, from: number) => {
    const { event } = await s.event(
      (one) => (one.kind === 'job.succeeded' || one.kind === 'job.failed') && one.jobId === jobId,
      from,
    );
    return event.kind === 'job.failed' ? event.error.code : `${event.kind} ${'repeat' in event && event.repeat === true}`;
  };
  const lastIndex = async () => (await s.events()).at(-1)?.index ?? 0;

  before(async () => {
    s = await startSystem({ ldap: { people: 30 }, env: { LATCHKEY_MAX_GRANT: '10m' } });
    await s.startStub();
    await s.startConnector();
  });
  after(() => s[Symbol.asyncDispose]());

  test('invalid_job before job_conflict, job_conflict before job_expired, a stored result before job_expired', async () => {
    const job = await sent({ user: user('u0001'), group: VPN, notAfter: new Date(Date.now() + 3_600_000).toISOString() });
    await s.outcome(job.jobId);
    let from = await lastIndex();
    await s.job({ ...job, durationSeconds: 0 });
    assert.equal(await resultAfter(job.jobId, from), 'invalid_job');
    from = await lastIndex();
    await s.job({ ...job, ...OLD });
    assert.equal(await resultAfter(job.jobId, from), 'job_conflict');
    const late = await sent({ user: user('u0002'), group: VPN, notAfter: new Date(Date.now() + 3000).toISOString() });
    assert.equal(await answer(s, late.jobId), 'granted');
    await s.revoke(late.grantId);
    await s.endOf(late.grantId);
    // The notAfter of this one has passed by the time it comes again: a grant of three seconds has ended since.
    const { grantId } = await sent({ user: user('u0003'), group: VPN, durationSeconds: 3 });
    await s.endOf(grantId);
    from = await lastIndex();
    await s.job(late);
    assert.equal(await resultAfter(late.jobId, from), 'job.succeeded true');
  });

  test('job_expired before grant_revoked, grant_conflict and everything that is found out later', async () => {
    assert.equal(await answered({ grantId: await revoked('u0004'), user: user('u0004'), group: VPN, ...OLD }), 'job_expired');
    const unknown = randomUUID();
    await s.outcome((await s.job({ kind: 'revoke', grantId: unknown })).jobId);
    assert.equal(await answered({ grantId: unknown, user: user('u0004'), group: VPN, ...OLD }), 'job_expired');
    const failed = await sent({ user: NOBODY, group: VPN });
    await s.outcome(failed.jobId);
    assert.equal(await answered({ grantId: failed.grantId, user: NOBODY, group: VPN, ...OLD }), 'job_expired');
    assert.equal(await answered({ user: NOWHERE, group: PROTECTED, ...OLD }), 'job_expired');
  });

  test('grant_revoked before out_of_scope, and before grant_conflict by another pair', async () => {
    const grantId = await revoked('u0005');
    assert.equal(await answered({ grantId, user: NOWHERE, group: VPN }), 'grant_revoked');
    assert.equal(await answered({ grantId, user: user('u0006'), group: VPN }), 'grant_revoked');
    assert.equal(await answered({ grantId, user: user('u0005'), group: PROTECTED }), 'grant_revoked');
  });

  test("grant_conflict by the grant's state before out_of_scope, …_not_found and group_protected", async () => {
    const { grantId } = await sent({ user: user('u0007'), group: VPN, durationSeconds: 1 });
    await s.endOf(grantId);
    assert.equal(await answered({ grantId, user: NOWHERE, group: VPN }), 'grant_conflict');
    assert.equal(await answered({ grantId, user: NOBODY, group: VPN }), 'grant_conflict');
    assert.equal(await answered({ grantId, user: user('u0007'), group: PROTECTED }), 'grant_conflict');
  });

  test('out_of_scope, of the user or of the group, before …_not_found and …_ambiguous', async () => {
    assert.equal(await answered({ user: NOWHERE, group: NO_GROUP }), 'out_of_scope');
    assert.equal(await answered({ user: NOBODY, group: { dn: 'cn=x,dc=elsewhere' } }), 'out_of_scope');
    const shared = { email: 'shared@example.test' };
    assert.equal(await answered({ user: shared, group: { dn: 'cn=x,dc=elsewhere' } }), 'out_of_scope');
    assert.equal(await answered({ user: NOWHERE, group: PROTECTED }), 'out_of_scope');
  });

  test('the user before the group, and both before group_protected', async () => {
    assert.equal(await answered({ user: NOBODY, group: NO_GROUP }), 'user_not_found');
    assert.equal(await answered({ user: { email: 'shared@example.test' }, group: NO_GROUP }), 'user_ambiguous');
    assert.equal(await answered({ user: NOBODY, group: PROTECTED }), 'user_not_found');
    assert.equal(await answered({ user: user('u0008'), group: NO_GROUP }), 'group_not_found');
  });

  test('…_not_found before grant_conflict by another pair, and that before group_protected and policy_denied', async () => {
    const grantId = await granted('u0009');
    assert.equal(await answered({ grantId, user: NOBODY, group: VPN }), 'user_not_found');
    assert.equal(await answered({ grantId, user: user('u0009'), group: NO_GROUP }), 'group_not_found');
    assert.equal(await answered({ grantId, user: user('u0010'), group: NO_GROUP }), 'group_not_found');
    assert.equal(await answered({ grantId, user: user('u0009'), group: PROTECTED }), 'grant_conflict');
    assert.equal(await answered({ grantId, user: user('u0010'), group: VPN, ...TOO_LONG }), 'grant_conflict');
  });

  test('group_protected before policy_denied', async () => {
    assert.equal(await answered({ user: user('u0011'), group: VPN, ...TOO_LONG }), 'policy_denied');
    assert.equal(await answered({ user: user('u0011'), group: PROTECTED, ...TOO_LONG }), 'group_protected');
  });

  test('clock_untrusted after what the ledger knows and before what the directory knows; shortening and ending go on', async () => {
    const active = await granted('u0012');
    const over = await revoked('u0013');
    assert.equal(await s.stopConnector(), 0);
    const ahead = Date.now() + 400_000;
    setClockMark(ahead);
    const connector = await s.startConnector();
    assert.equal(await answered({ user: NOWHERE, group: PROTECTED }), 'clock_untrusted');
    assert.equal(await answered({ grantId: over, user: user('u0013'), group: VPN }), 'grant_revoked');
    assert.equal(await answered({ user: NOBODY, group: VPN, ...OLD }), 'job_expired');
    // The trusted time jumped past the end of that grant.
    assert.equal((await s.endOf(active)).membership, 'removed');
    const line = connector.lines.find((text) => text.includes('"connector.started"')) ?? '{}';
    const { healthUrl } = JSON.parse(line) as { healthUrl: string };
    const ready = await fetch(`${healthUrl}/readyz`);
    assert.equal(ready.status, 503);
    assert.equal(((await ready.json()) as { clock: { ready: boolean } }).clock.ready, false);
  });

  test('an extension is clock_untrusted before its references are looked up, and the grant stands as before', async () => {
    assert.equal(await s.stopConnector(), 0);
    setClockMark(Date.now());
    await s.startConnector();
    const first = await sent({ user: user('u0014'), group: VPN, durationSeconds: 590 });
    assert.equal(await answer(s, first.jobId), 'granted');
    assert.equal(await s.stopConnector(), 0);
    setClockMark(Date.now() + 320_000);
    await s.startConnector();
    const { grantId } = first;
    for (const named of [user('u0014'), NOBODY]) {
      const longer = await sent({ grantId, user: named, group: VPN, durationSeconds: 600 });
      assert.equal(await answer(s, longer.jobId), 'clock_untrusted');
      assert.deepEqual(await grantOf(s, longer.jobId), await grantOf(s, first.jobId));
    }
    const shorter = await sent({ grantId, user: user('u0014'), group: VPN, durationSeconds: 580 });
    assert.equal(await answer(s, shorter.jobId), 'updated');
    assert.equal(await answer(s, (await s.revoke(grantId)).jobId), 'revoked');
    assert.ok(!(await s.ldap.members(s.group('vpn-users'))).includes(s.person('u0014')));
  });

  test('no rule of the protocol was broken on the way', async () => {
    assert.deepEqual(await s.violations(), []);
  });
});
