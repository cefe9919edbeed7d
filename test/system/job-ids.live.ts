import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import type { WireEvent } from '../../src/protocol/event-frame.ts';
import { type System, startSystem, until } from '../support/system.ts';
import { answer, delayOf, grantJob, grantOf, told } from '../support/told.ts';

type Result = Extract<WireEvent, { kind: 'job.succeeded' | 'job.failed' }>;

suite('job ids and the age of jobs', () => {
  let s: System;
  let vpn: string;
  const isMember = async (uid: string) => (await s.ldap.members(vpn)).includes(s.person(uid));
  const forUser = (uid: string, more: Readonly<Record<string, unknown>> = {}) =>
    grantJob({ user: { username: uid }, group: { name: 'vpn-users' }, ...more });
  /** The n-th result that was told under a job id, from 1. */
  const result = async (jobId: string, nth: number) => {
    let seen = 0;
    const { event } = await s.event((one) => {
      if ((one.kind !== 'job.succeeded' && one.kind !== 'job.failed') || one.jobId !== jobId) return false;
      seen += 1;
      return seen === nth;
    });
    return event as Result;
  };
  const ago = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();

  before(async () => {
    s = await startSystem({ ldap: { people: 30 } });
    vpn = s.group('vpn-users');
    await s.startStub();
    await s.startConnector();
  });
  after(() => s[Symbol.asyncDispose]());

  test('the same job again is answered with its stored result, in whatever order its members come, and has no second effect', async () => {
    const job = forUser('u0001');
    await s.job(job);
    const first = await result(job.jobId, 1);
    await s.job(Object.fromEntries(Object.entries(job).toReversed()));
    assert.deepEqual(await result(job.jobId, 2), { ...first, repeat: true });
    await s.revoke(job.grantId);
    await s.endOf(job.grantId);
    await s.job(job);
    assert.deepEqual(await result(job.jobId, 3), { ...first, repeat: true });
    assert.equal(await isMember('u0001'), false);
    assert.deepEqual(await told(s, job.grantId), [
      'succeeded granted',
      'succeeded granted again',
      'ended revoked removed',
      'succeeded revoked',
      'succeeded granted again',
    ]);
  });

  test('a repeated revoke has no second effect either, and tells what the first came to', async () => {
    const job = forUser('u0002');
    await s.job(job);
    await s.outcome(job.jobId);
    const revoke = { kind: 'revoke', jobId: randomUUID(), grantId: job.grantId, issuedAt: new Date().toISOString() };
    await s.job(revoke);
    const first = await result(revoke.jobId, 1);
    await s.job(revoke);
    assert.deepEqual(await result(revoke.jobId, 2), { ...first, repeat: true });
    assert.deepEqual(await told(s, job.grantId), [
      'succeeded granted',
      'ended revoked removed',
      'succeeded revoked',
      'succeeded revoked again',
    ]);
  });

  test('a stored failure is repeated, even where the same job would succeed now', async () => {
    const job = forUser('newcomer');
    await s.job(job);
    assert.equal(await answer(s, job.jobId), 'user_not_found');
    await s.ldap.modify(
      `dn: ${s.person('newcomer')}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: newcomer\ncn: New\nsn: Comer\n`,
    );
    await s.job(job);
    const again = await result(job.jobId, 2);
    assert.equal(again.repeat, true);
    assert.equal(again.kind === 'job.failed' && again.error.code, 'user_not_found');
    assert.equal(await isMember('newcomer'), false);
  });

  test('the same job again, while it waits, gets one result', async () => {
    const job = forUser('u0003');
    await s.ldap.kill('SIGINT');
    await s.job(job);
    await delayOf(s, job.jobId);
    await s.job(job);
    const received = async () =>
      (await s.api<{ jobId: string; receivedAt: string | null }[]>('/jobs')).filter((one) => one.jobId === job.jobId);
    await until('the repetition is received', async () => (await received()).every(({ receivedAt }) => receivedAt !== null));
    await s.ldap.start();
    assert.equal((await result(job.jobId, 1)).kind, 'job.succeeded');
    await s.revoke(job.grantId);
    await s.endOf(job.grantId);
    assert.deepEqual(await told(s, job.grantId), ['succeeded granted', 'ended revoked removed', 'succeeded revoked']);
  });

  test('other content under a known id is a conflict, changes nothing, and leaves the first untouched', async () => {
    const job = forUser('u0004');
    await s.job(job);
    const first = await result(job.jobId, 1);
    const other = { ...job, grantId: randomUUID(), user: { username: 'u0005' } };
    await s.job(other);
    const conflict = await result(job.jobId, 2);
    assert.equal(conflict.kind === 'job.failed' && conflict.error.code, 'job_conflict');
    assert.equal(await isMember('u0005'), false);
    assert.ok(await isMember('u0004'));
    await s.job({ ...job, durationSeconds: 1 });
    assert.equal((await result(job.jobId, 3)).kind, 'job.failed');
    await s.job(job);
    assert.deepEqual(await result(job.jobId, 4), { ...first, repeat: true });
    const free = forUser('u0005', { grantId: other.grantId });
    await s.job(free);
    assert.equal(await answer(s, free.jobId), 'granted');
  });

  test('a job that cannot be read is invalid, names what is wrong, and uses up no grant id', async () => {
    const wrong: [string, Readonly<Record<string, unknown>>, RegExp][] = [
      ['no such kind', { kind: 'grunt' }, /kind/],
      ['no user', { user: undefined }, /user/],
      ['two references', { user: { username: 'u0006', email: 'u0006@example.test' } }, /user.*exactly one/],
      ['an empty reference', { group: {} }, /group.*exactly one/],
      ['a group by e-mail', { group: { email: 'a@example.test' } }, /group/],
      ['two ends', { durationSeconds: 60, expiresAt: new Date(Date.now() + 60_000).toISOString() }, /expiresAt/],
      ['no end', { durationSeconds: undefined }, /expiresAt|durationSeconds/],
      ['no time at all', { durationSeconds: 0 }, /durationSeconds/],
      ['half a second', { durationSeconds: 1.5 }, /durationSeconds/],
      ['more than 2^31-1 s', { durationSeconds: 2_147_483_648 }, /durationSeconds/],
      ['a time without a zone', { notAfter: '2099-01-01T00:00:00' }, /notAfter/],
      ['a day that is none', { durationSeconds: undefined, expiresAt: '2099-02-30T00:00:00.000Z' }, /expiresAt/],
      ['an id in upper case', { user: { id: randomUUID().toUpperCase() } }, /user/],
      ['a name that is no DN', { user: { dn: 'u0006' } }, /user/],
      ['a grant id with a blank', { grantId: 'a b' }, /grantId/],
    ];
    const grantId = randomUUID();
    for (const [what, fields, names] of wrong) {
      const job = forUser('u0006', { grantId, ...fields });
      await s.job(job);
      const failed = await s.outcome(job.jobId);
      assert.ok(failed.kind === 'job.failed', what);
      assert.equal(failed.error.code, 'invalid_job', what);
      assert.match(failed.error.message, names, what);
    }
    assert.equal(await isMember('u0006'), false);
    const right = forUser('u0006', { grantId });
    await s.job(right);
    assert.equal(await answer(s, right.jobId), 'granted');
  });

  test('a revoke fails as invalid where it cannot be read', async () => {
    const { jobId } = await s.job({ kind: 'revoke' });
    assert.equal(await answer(s, jobId), 'invalid_job');
  });

  test('the same unreadable job again repeats its refusal, and a readable one under its id is a conflict', async () => {
    const job = forUser('u0007', { durationSeconds: 0 });
    await s.job(job);
    const first = await result(job.jobId, 1);
    await s.job(job);
    assert.deepEqual(await result(job.jobId, 2), { ...first, repeat: true });
    await s.job({ ...job, durationSeconds: 60 });
    const conflict = await result(job.jobId, 3);
    assert.equal(conflict.kind === 'job.failed' && conflict.error.code, 'job_conflict');
    assert.equal(await isMember('u0007'), false);
  });

  test('a sync of no known mode is invalid', async () => {
    const { jobId } = await s.job({ kind: 'sync', mode: 'half' });
    assert.equal(await answer(s, jobId), 'invalid_job');
  });

  test('a job without a legible id is refused as a frame, and has no effect', async () => {
    const job = forUser('u0008', { jobId: 'not an id' });
    await s.job(job);
    type Job = { jobId: string; state: string; error?: { code: string } };
    const shown = async () => (await s.api<Job[]>('/jobs')).find(({ jobId }) => jobId === job.jobId);
    await until('the frame is refused', async () => (await shown())?.state === 'refused');
    assert.equal((await shown())?.error?.code, 'invalid_frame');
    assert.equal(await isMember('u0008'), false);
  });

  test('a job issued longer ago than the retention is expired, a revoke excepted', async () => {
    const job = forUser('u0009', { issuedAt: ago(91) });
    await s.job(job);
    assert.equal(await answer(s, job.jobId), 'job_expired');
    assert.equal(await isMember('u0009'), false);
    for (const kind of ['check', 'list']) {
      const { jobId } = await s.job({ kind, issuedAt: ago(91) });
      assert.equal(await answer(s, jobId), 'job_expired', kind);
    }
    const fresh = forUser('u0010', { issuedAt: ago(89) });
    await s.job(fresh);
    assert.equal(await answer(s, fresh.jobId), 'granted');
    const { jobId } = await s.job({ kind: 'revoke', grantId: fresh.grantId, issuedAt: ago(91) });
    assert.equal(await answer(s, jobId), 'revoked');
    assert.equal(await isMember('u0010'), false);
  });

  test('a job whose notAfter or whose end has passed is expired, and its grant id is used up', async () => {
    const past = new Date(Date.now() - 1000).toISOString();
    for (const fields of [{ notAfter: past }, { expiresAt: past }]) {
      const job = forUser('u0011', fields);
      await s.job(job);
      assert.equal(await answer(s, job.jobId), 'job_expired', JSON.stringify(fields));
      const next = forUser('u0011', { grantId: job.grantId });
      await s.job(next);
      assert.equal(await answer(s, next.jobId), 'grant_conflict');
    }
    for (const kind of ['check', 'list']) {
      const { jobId } = await s.job({ kind, notAfter: past });
      assert.equal(await answer(s, jobId), 'job_expired', kind);
    }
    assert.equal(await isMember('u0011'), false);
  });

  test('a change of an active grant that comes too late leaves it as before', async () => {
    const job = forUser('u0012');
    await s.job(job);
    const late = forUser('u0012', {
      grantId: job.grantId,
      durationSeconds: 60,
      notAfter: new Date(Date.now() - 1000).toISOString(),
    });
    await s.outcome(job.jobId);
    await s.job(late);
    assert.equal(await answer(s, late.jobId), 'job_expired');
    assert.deepEqual(await grantOf(s, late.jobId), await grantOf(s, job.jobId));
    assert.ok(await isMember('u0012'));
  });

  test('a grant that cannot be written in time expires while the directory is away, and is not written afterwards', async () => {
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector({ env: { LATCHKEY_MAX_PENDING: '2s' } });
    await s.ldap.kill('SIGINT');
    const soon = () => new Date(Date.now() + 1500).toISOString();
    const waiting = [forUser('u0013'), forUser('u0014', { notAfter: soon() }), forUser('u0015', { expiresAt: soon() })];
    for (const job of waiting) await s.job(job);
    for (const job of waiting) {
      assert.equal(await answer(s, job.jobId), 'job_expired');
      assert.deepEqual(await told(s, job.grantId), ['failed job_expired']);
      assert.equal((await grantOf(s, job.jobId)).state, 'failed');
    }
    await s.ldap.start();
    const next = forUser('u0016');
    await s.job(next);
    assert.equal(await answer(s, next.jobId), 'granted');
    for (const uid of ['u0013', 'u0014', 'u0015']) assert.equal(await isMember(uid), false, uid);
  });

  test('no rule of the protocol was broken on the way', async () => {
    assert.deepEqual(await s.violations(), []);
  });
});
