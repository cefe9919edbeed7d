import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { envelopeOf, REQUEST } from '../support/ldap-messages.ts';
import { type LdapProxy, startLdapProxy } from '../support/ldap-proxy.ts';
import { assertToldOnce, granted, memberships, startReady, succeeded } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

suite('a modify whose answer never comes', { concurrency: false }, () => {
  let s: System;
  let proxy: LdapProxy;
  let initial: Awaited<ReturnType<typeof memberships>>;

  before(async () => {
    s = await startSystem();
    proxy = await startLdapProxy(s.ldap);
    initial = await memberships(s);
    await s.startStub();
    await startReady(s, {
      env: { LDAP_URL: proxy.url, LDAP_READ_TIMEOUT: '1s', LDAP_CONNECT_TIMEOUT: '1s' },
    });
  });
  after(async () => {
    await s[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  });

  const groups = [
    { attribute: 'member', cn: 'on-call', value: () => s.person('grace') },
    { attribute: 'uniqueMember', cn: 'payroll-readers', value: () => s.person('grace') },
    { attribute: 'memberUid', cn: 'db-operators', value: () => 'grace' },
  ];

  async function allIsAsBefore(): Promise<void> {
    assert.deepEqual(await memberships(s), initial);
    await assertToldOnce(s);
  }

  for (const { attribute, cn, value } of groups) {
    for (const fate of attribute === 'member' ? (['lose-answer', 'cut', 'hold'] as const) : (['lose-answer', 'cut'] as const)) {
      test(`${attribute}: a grant is found out after ${fate}, and lasts from the modify that took effect`, async () => {
        const count = async () => (await s.ldap.members(s.group(cn))).filter((one) => one === value()).length;
        const modifies = proxy.modifies();
        proxy.spoil(fate);
        const askedAt = Date.now();
        const { grantId, jobId } = await s.grant({ user: { username: 'grace' }, group: { name: cn }, durationSeconds: 300 });
        await proxy.spoilt();
        const spoiltAt = Date.now();
        const result = await s.outcome(jobId);
        assert.ok(result.kind === 'job.succeeded', JSON.stringify(result));
        assert.equal(result.outcome, 'granted');
        assert.equal(result.grant?.standing, false, 'what we find after our own write is ours');
        assert.equal(await count(), 1);
        const activatedAt = Date.parse(result.grant?.activatedAt ?? '');
        assert.equal(Date.parse(result.grant?.expiresAt ?? ''), activatedAt + 300_000);
        // Where the modify took effect its own intent counts, else that of the one which did.
        assert.ok(activatedAt >= askedAt);
        assert.equal(activatedAt <= spoiltAt, fate === 'lose-answer', `${activatedAt - spoiltAt} ms after the fault`);
        assert.equal(proxy.modifies() - modifies, fate === 'lose-answer' ? 1 : 2);
        assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
        await allIsAsBefore();
      });

      test(`${attribute}: a revoke is found out after ${fate}, and told as revoked once`, async () => {
        const { grantId } = await granted(s, { user: { username: 'grace' }, group: { name: cn }, durationSeconds: 300 });
        proxy.spoil(fate);
        const { jobId } = await s.revoke(grantId);
        await proxy.spoilt();
        assert.equal(await succeeded(s, jobId), 'revoked');
        const ended = await s.endOf(grantId);
        assert.deepEqual([ended.cause, ended.membership], ['revoked', 'removed']);
        await allIsAsBefore();
      });
    }
  }

  test('an expiry whose answer is lost is told as removed once', async () => {
    const { grantId } = await granted(s, { user: { username: 'grace' }, group: { name: 'on-call' }, durationSeconds: 2 });
    proxy.spoil('lose-answer');
    await proxy.spoilt();
    const ended = await s.endOf(grantId);
    assert.deepEqual([ended.cause, ended.membership], ['expired', 'removed']);
    await allIsAsBefore();
  });

  test('a grant that is revoked while its modify is unknown leaves nothing behind', async () => {
    proxy.spoil('hold');
    const { grantId, jobId } = await s.grant({ user: { username: 'grace' }, group: { name: 'on-call' }, durationSeconds: 300 });
    await proxy.spoilt();
    const revoke = await s.revoke(grantId);
    assert.equal(await succeeded(s, revoke.jobId), 'revoked');
    const result = await s.outcome(jobId);
    assert.equal(result.kind === 'job.failed' ? result.error.code : result.outcome, 'grant_revoked');
    await allIsAsBefore();
  });
});

test('a grant that follows a revoke whose modify takes effect late is not undone by it', async () => {
  await using s = await startSystem();
  await using proxy = await startLdapProxy(s.ldap);
  await s.startStub();
  const env = { LDAP_URL: proxy.url, LDAP_READ_TIMEOUT: '1s', LDAP_CONNECT_TIMEOUT: '1s', TEST_LATE_WRITE_MS: '4000' };
  await startReady(s, { env });
  const request = { user: { username: 'grace' }, group: { name: 'on-call' }, durationSeconds: 300 };
  const first = await granted(s, request);
  const of = (message: Buffer): boolean => envelopeOf(message).tag === REQUEST.modify;
  const late = proxy.strike({ place: { at: 'request', of }, fault: 'late', delayMs: 2000 });
  assert.equal(await succeeded(s, (await s.revoke(first.grantId)).jobId), 'revoked');
  await granted(s, request);
  await late.arrived;
  assert.ok((await s.ldap.members(s.group('on-call'))).includes(s.person('grace')), 'told as granted');
  await assertToldOnce(s);
});
