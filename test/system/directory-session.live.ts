import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type LdapProxy, startLdapProxy } from '../support/ldap-proxy.ts';
import { assertToldOnce, granted, healthUrl, past, ready, startReady, succeeded } from '../support/survival.ts';
import { type System, startSystem, until } from '../support/system.ts';

suite('the session with the directory', { concurrency: false }, () => {
  let s: System;
  let proxy: LdapProxy;

  before(async () => {
    s = await startSystem({ ldap: { idleTimeoutSeconds: 1 } });
    proxy = await startLdapProxy(s.ldap);
    await s.startStub();
  });
  after(async () => {
    await s[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  });

  async function worksEndToEnd(): Promise<void> {
    const { grantId } = await granted(s, { user: { username: 'grace' }, group: { name: 'on-call' }, durationSeconds: 300 });
    assert.ok((await s.ldap.members(s.group('on-call'))).includes(s.person('grace')));
    assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
    assert.ok(!(await s.ldap.members(s.group('on-call'))).includes(s.person('grace')));
    await assertToldOnce(s);
  }

  test('a wrong password is tried once, also over a restart, and a corrected file is met at once', async () => {
    const passwordFile = join(s.folder, 'bind-password');
    await writeFile(passwordFile, 'not-the-password\n', { mode: 0o600 });
    const env = { LDAP_URL: proxy.url, LDAP_BIND_PASSWORD_FILE: passwordFile };
    const first = await s.startConnector({ env });
    const down = await ready(first, ({ body }) => body['directory']?.['fault'] === 'bind_refused');
    assert.equal(down.status, 503);
    assert.equal(down.body.ready, false);
    assert.match(String(down.body['directory']?.['message']), /password/);
    assert.equal(down.body['controlPlane']?.['ready'], true);
    assert.equal((await fetch(`${await healthUrl(first)}/livez`)).status, 200);
    assert.equal((await fetch(`${await healthUrl(first)}/healthz`)).status, 503);
    // Three further attempts were made, and none reached the directory.
    const attempts = () => first.lines.filter((line) => line.includes('"directory.attempt-failed"')).length;
    await until('three further attempts', () => Promise.resolve(attempts() >= 3));
    assert.equal(proxy.binds(), 1);
    assert.equal(await s.stopConnector(), 0);

    const second = await s.startConnector({ env });
    await until('three further attempts', () =>
      Promise.resolve(second.lines.filter((line) => line.includes('"directory.attempt-failed"')).length >= 3),
    );
    assert.equal(proxy.binds(), 1, 'a restart does not try again');
    const correctedAt = Date.now();
    await writeFile(passwordFile, `${s.ldap.connectorPassword}\n`, { mode: 0o600 });
    const up = await ready(second, ({ status }) => status === 200);
    assert.ok(Date.now() - correctedAt < 5_000);
    assert.equal(up.body.ready, true);
    await worksEndToEnd();
    assert.equal(await s.stopConnector(), 0);
  });

  test('StartTLS works end to end', async () => {
    await startReady(s, { env: { LDAP_URL: s.ldap.ldapUrl, LDAP_START_TLS: 'true' } });
    await worksEndToEnd();
    assert.equal(await s.stopConnector(), 0);
  });

  test('a server that hangs up on idle connections costs a new session, not an outcome', async () => {
    const child = await startReady(s, { env: { LDAP_URL: s.ldap.ldapsUrl } });
    const { grantId, expiresAt } = await granted(s, {
      user: { username: 'grace' },
      group: { name: 'on-call' },
      durationSeconds: 6,
    });
    await child.line((line) => line.includes('"directory.session-ended"'));
    await past(expiresAt);
    const ended = await s.endOf(grantId);
    assert.deepEqual([ended.cause, ended.membership], ['expired', 'removed']);
    await worksEndToEnd();
    assert.equal(await s.stopConnector(), 0);
  });

  test('a certificate of another authority leaves the directory down, says what to do, and sends no password', async () => {
    await using other = await startSystem();
    const binds = proxy.binds();
    const child = await s.startConnector({ env: { LDAP_URL: proxy.url, LDAP_CA_FILE: other.ldap.caFile } });
    const down = await ready(child, ({ body }) => typeof body['directory']?.['message'] === 'string');
    assert.equal(down.status, 503);
    assert.match(String(down.body['directory']?.['message']), /LDAP_CA_FILE/);
    assert.equal(proxy.binds(), binds);
    assert.equal((await fetch(`${await healthUrl(child)}/livez`)).status, 200);
    assert.equal(await s.stopConnector(), 0);
  });

  test('readiness follows the directory, and liveness does not', async () => {
    const child = await startReady(s);
    const url = await healthUrl(child);
    await ready(child, ({ status }) => status === 200);
    await s.ldap.kill('SIGTERM');
    const down = await ready(child, ({ status }) => status === 503);
    assert.equal(down.body['directory']?.['ready'], false);
    assert.equal(down.body['ledger']?.['ready'], true);
    assert.equal((await fetch(`${url}/livez`)).status, 200);
    await s.ldap.start();
    await ready(child, ({ status }) => status === 200);
    await s.stopStub();
    const alone = await ready(child, ({ status }) => status === 503);
    assert.equal(alone.body['controlPlane']?.['ready'], false);
    assert.equal(alone.body['directory']?.['ready'], true);
    assert.equal((await fetch(`${url}/healthz`)).status, 503);
    await s.startStub();
    await ready(child, ({ status }) => status === 200);
    await worksEndToEnd();
  });
});
