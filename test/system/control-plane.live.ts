import assert from 'node:assert/strict';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { assertToldOnce, granted, lastIndex, memberships, past, ready, startReady, succeeded } from '../support/survival.ts';
import { type System, startSystem, until } from '../support/system.ts';

suite('a control plane that goes, forgets, or knows more', { concurrency: false }, () => {
  let s: System;
  let initial: Awaited<ReturnType<typeof memberships>>;

  before(async () => {
    s = await startSystem();
    initial = await memberships(s);
    await s.startStub();
  });
  after(() => s[Symbol.asyncDispose]());

  const request = (durationSeconds: number) => ({ user: { username: 'grace' }, group: { name: 'on-call' }, durationSeconds });

  async function allIsAsBefore(): Promise<void> {
    assert.deepEqual(await memberships(s), initial);
    await assertToldOnce(s);
  }

  test('a connector that starts before its control plane and its directory works when they come', async () => {
    await s.stopStub();
    await s.ldap.kill('SIGTERM');
    const child = await s.startConnector({ welcome: false });
    await ready(child, ({ body }) => body['directory']?.['ready'] === false && body['controlPlane']?.['state'] === 'waiting');
    await s.ldap.start();
    await ready(child, ({ body }) => body['directory']?.['ready'] === true);
    await s.startStub();
    await ready(child, ({ status }) => status === 200);
    const { grantId } = await granted(s, request(300));
    assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
    await allIsAsBefore();
  });

  test('a control plane that is killed at any time loses nothing and is told nothing twice', async () => {
    const people = ['grace', 'liam', 'maria', 'nadia', 'oskar', 'rosa', 'sam', 'zoe'];
    const grants = [];
    for (const [index, username] of people.entries()) {
      grants.push(await s.grant({ user: { username }, group: { name: 'on-call' }, durationSeconds: index % 2 === 0 ? 3 : 300 }));
      if (index === 3) {
        await s.stopStub('SIGKILL');
        await s.startStub();
      }
    }
    for (const { jobId } of grants) assert.equal(await succeeded(s, jobId), 'granted');
    await s.stopStub('SIGKILL');
    // Those of three seconds end meanwhile.
    for (const [index, username] of people.entries())
      if (index % 2 === 0) await s.member(s.group('on-call'), s.person(username), false);
    await s.startStub();
    for (const [index, { grantId }] of grants.entries()) {
      if (index % 2 === 1) {
        const { jobId } = await s.revoke(grantId);
        if (index === 3) {
          await s.stopStub('SIGKILL');
          await s.startStub();
        }
        assert.equal(await succeeded(s, jobId), 'revoked');
      }
      assert.equal((await s.endOf(grantId)).membership, 'removed');
    }
    await allIsAsBefore();
  });

  test('what was not acknowledged is told to a control plane that has forgotten everything', async () => {
    const { grantId, jobId } = await granted(s, request(2));
    await s.stopStub('SIGKILL');
    await s.member(s.group('on-call'), s.person('grace'), false);
    await rm(join(s.folder, 'control-plane.json'));
    await s.startStub();
    const ended = await s.endOf(grantId);
    assert.deepEqual([ended.cause, ended.membership], ['expired', 'removed']);
    assert.ok(jobId !== '');
    const told = (await s.events()).filter(({ event }) => event.kind === 'grant.ended');
    assert.equal(told.length, 1);
    await until('connected', async () => (await s.connectors()).some(({ connected }) => connected));
    const next = await granted(s, request(300));
    assert.equal(await succeeded(s, (await s.revoke(next.grantId)).jobId), 'revoked');
    assert.deepEqual(await memberships(s), initial);
    assert.deepEqual(await s.violations(), []);
  });

  test('a token that is not accepted is retried at the cap, with advice, and leaves the connector up', async () => {
    assert.equal(await s.stopConnector(), 0);
    const tokenFile = join(s.folder, 'another-token');
    await writeFile(tokenFile, 'not-the-token\n', { mode: 0o600 });
    const child = await s.startConnector({ env: { LATCHKEY_CONTROL_PLANE_TOKEN_FILE: tokenFile }, welcome: false });
    const down = await ready(
      child,
      ({ body }) => body['controlPlane']?.['state'] === 'waiting' && body['directory']?.['ready'] === true,
    );
    assert.equal(down.status, 503);
    const { reason, since, nextAttemptAt } = down.body['controlPlane'] ?? {};
    assert.match(String(reason), /401.*LATCHKEY_CONTROL_PLANE_TOKEN/);
    // The cap is 30 s; drawn or whole, it is far beyond the first steps of the backoff.
    assert.ok(
      Date.parse(String(nextAttemptAt)) - Date.parse(String(since)) >= 10_000,
      `${String(since)} ${String(nextAttemptAt)}`,
    );
    assert.ok(child.lines.every((line) => !line.includes('not-the-token')));
    assert.equal(await s.stopConnector(), 0);
  });

  test('a ledger older than what was told takes a new id, says so first, and still ends what it knows', async () => {
    await startReady(s);
    const { ledgerId: previous } = (await s.connectors())[0] ?? assert.fail('no connector');
    const known = await granted(s, request(8));
    assert.equal(await s.stopConnector(), 0);
    const copy = join(s.folder, 'state-copy');
    await cp(s.stateDir, copy, { recursive: true });

    await startReady(s);
    const later = await s.grant({ user: { username: 'liam' }, group: { name: 'on-call' }, durationSeconds: 300 });
    assert.equal(await succeeded(s, later.jobId), 'granted');
    assert.equal(await succeeded(s, (await s.revoke(later.grantId)).jobId), 'revoked');
    assert.equal(await s.stopConnector(), 0);
    await rm(s.stateDir, { recursive: true });
    await cp(copy, s.stateDir, { recursive: true });

    const from = await lastIndex(s);
    const child = await s.startConnector();
    await child.line((line) => line.includes('"ledger.replaced"'));
    const { event } = await s.event(({ kind }) => kind === 'ledger.replaced', from);
    assert.ok(event.kind === 'ledger.replaced');
    assert.equal(event.previousLedgerId, previous);
    const fresh = (await s.events()).filter(({ ledgerId }) => ledgerId !== previous);
    const ofNewLedger = fresh.filter(({ index }) => index > from);
    assert.equal(ofNewLedger[0]?.event.kind, 'ledger.replaced', 'it is the first thing that the new ledger tells');
    await until('the new id', async () =>
      (await s.connectors()).some(({ ledgerId, connected }) => connected && ledgerId !== previous),
    );
    await past(known.expiresAt);
    const ended = await s.endOf(known.grantId);
    assert.deepEqual([ended.cause, ended.membership], ['expired', 'removed']);
    const next = await granted(s, request(300));
    assert.equal(await succeeded(s, (await s.revoke(next.grantId)).jobId), 'revoked');
    assert.deepEqual(await memberships(s), initial);
    assert.deepEqual(await s.violations(), []);
  });
});
