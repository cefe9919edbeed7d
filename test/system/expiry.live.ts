import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { assertToldOnce, granted, memberships, past, startReady } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

/** How late an ending may be where nothing is in its way: a timer, three round trips, and a loaded machine. */
const PROMPT_MS = 2_500;

suite('an end that nobody is there to see', { concurrency: false }, () => {
  let s: System;
  let initial: Awaited<ReturnType<typeof memberships>>;

  before(async () => {
    s = await startSystem({ env: { LDAP_READ_TIMEOUT: '1s', LDAP_CONNECT_TIMEOUT: '1s' } });
    initial = await memberships(s);
    await s.startStub();
    await startReady(s);
  });
  after(() => s[Symbol.asyncDispose]());

  async function member(uid: string, cn: string, durationSeconds: number) {
    const grant = await granted(s, { user: { username: uid }, group: { name: cn }, durationSeconds });
    const dn = s.person(uid);
    assert.ok((await s.ldap.members(s.group(cn))).includes(dn));
    return {
      ...grant,
      isMember: async () => (await s.ldap.members(s.group(cn))).includes(dn),
      gone: () => s.member(s.group(cn), dn, false),
    };
  }

  async function endedPromptly(grant: { grantId: string; expiresAt: string }, since: number | string): Promise<void> {
    const told = await s.endOf(grant.grantId);
    assert.deepEqual([told.cause, told.membership], ['expired', 'removed']);
    const endedAt = Date.parse(told.grant.endedAt ?? '');
    const from = typeof since === 'number' ? since : Date.parse(since);
    assert.ok(endedAt >= Date.parse(grant.expiresAt), 'not before its end');
    assert.ok(endedAt - from < PROMPT_MS, `ended ${endedAt - from} ms after it could have`);
    assert.deepEqual(await memberships(s), initial);
    await assertToldOnce(s);
  }

  test('expiry needs no control plane, and is told when it is back', async () => {
    const grant = await member('grace', 'on-call', 2);
    await s.stopStub();
    assert.ok(await grant.isMember());
    await grant.gone();
    assert.ok(Date.now() >= Date.parse(grant.expiresAt));
    await s.startStub();
    await endedPromptly(grant, grant.expiresAt);
  });

  test('expiry goes on after a clean restart', async () => {
    const grant = await member('grace', 'on-call', 3);
    assert.equal(await s.stopConnector(), 0);
    assert.ok(await grant.isMember(), 'a stop takes nothing away');
    await startReady(s);
    await endedPromptly(grant, grant.expiresAt);
  });

  test('what came due while the process was dead ends as soon as it starts', async () => {
    const grant = await member('grace', 'on-call', 1);
    assert.equal(await s.stopConnector('SIGKILL'), 'SIGKILL');
    await past(grant.expiresAt);
    assert.ok(await grant.isMember());
    const startedAt = Date.now();
    await s.startConnector();
    await endedPromptly(grant, startedAt);
  });

  test('what came due while the process was suspended ends as soon as it goes on', async () => {
    const grant = await member('grace', 'on-call', 2);
    s.connector()?.signal('SIGSTOP');
    await past(Date.parse(grant.expiresAt) + 1_500);
    assert.ok(await grant.isMember());
    const continuedAt = Date.now();
    s.connector()?.signal('SIGCONT');
    await endedPromptly(grant, continuedAt);
  });

  test('an ending that finds no directory is overdue, and done within 3 s of its return', async () => {
    const grant = await member('grace', 'on-call', 2);
    await s.ldap.kill('SIGTERM');
    const { event: overdue } = await s.event((told) => told.kind === 'grant.overdue' && told.grant.grantId === grant.grantId);
    assert.ok(overdue.kind === 'grant.overdue');
    assert.equal(overdue.since, grant.expiresAt);
    assert.equal(overdue.error.code, 'directory_unavailable');
    await s.ldap.start();
    const backAt = Date.now();
    await grant.gone();
    assert.ok(Date.now() - backAt < 3_000, `took ${Date.now() - backAt} ms`);
    await endedPromptly(grant, backAt);
  });

  test('an ending that meets a directory which does not answer is overdue, and done when it answers', async () => {
    const grant = await member('grace', 'on-call', 2);
    await s.ldap.kill('SIGSTOP');
    await s.event((told) => told.kind === 'grant.overdue' && told.grant.grantId === grant.grantId);
    const backAt = Date.now();
    await s.ldap.kill('SIGCONT');
    await grant.gone();
    assert.ok(Date.now() - backAt < 3_500, `took ${Date.now() - backAt} ms`);
    const told = await s.endOf(grant.grantId);
    assert.deepEqual([told.cause, told.membership], ['expired', 'removed']);
    assert.deepEqual(await memberships(s), initial);
    await assertToldOnce(s);
  });

  test('an ending needs the directory only, when that and the control plane were away', async () => {
    const grant = await member('grace', 'on-call', 1);
    await s.stopStub();
    await s.ldap.kill('SIGTERM');
    await s.connector()?.line((line) => line.includes('"grant.overdue"') && line.includes(grant.grantId));
    await s.ldap.start();
    const backAt = Date.now();
    await grant.gone();
    assert.ok(Date.now() - backAt < 3_000, `took ${Date.now() - backAt} ms`);
    await s.startStub();
    await endedPromptly(grant, backAt);
  });

  test('standing access is kept by an expiry that the process slept through', async () => {
    const { grantId, jobId } = await s.grant({ user: { username: 'dana' }, group: { name: 'on-call' }, durationSeconds: 1 });
    const result = await s.outcome(jobId);
    assert.ok(result.kind === 'job.succeeded' && result.outcome === 'already_standing');
    assert.equal(await s.stopConnector('SIGKILL'), 'SIGKILL');
    await past(result.grant?.expiresAt);
    await s.startConnector();
    assert.equal((await s.endOf(grantId)).membership, 'kept_standing');
    assert.deepEqual(await memberships(s), initial);
    await assertToldOnce(s);
  });
});
