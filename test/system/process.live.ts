import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { type LdapProxy, startLdapProxy } from '../support/ldap-proxy.ts';
import { runMain } from '../support/program.ts';
import { assertToldOnce, granted, healthUrl, startReady, succeeded } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

suite('the connector as a process', { concurrency: false }, () => {
  let s: System;
  let proxy: LdapProxy;

  before(async () => {
    s = await startSystem();
    proxy = await startLdapProxy(s.ldap);
    await s.startStub();
  });
  after(async () => {
    await s[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  });

  const logLines = (text: string) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);

  test('a second process on the same state directory exits 69 and names the first, which goes on', async () => {
    const first = await startReady(s);
    const second = await runMain(s.connectorEnv(), s.folder);
    assert.equal(second.code, 69);
    assert.match(second.stderr, new RegExp(`in use by process ${first.pid} on host`));
    assert.ok(logLines(second.stdout).some(({ event, fault }) => event === 'connector.cannot-start' && fault === 'locked'));
    const { grantId } = await granted(s, { user: { username: 'grace' }, group: { name: 'on-call' }, durationSeconds: 300 });
    assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
  });

  test('another connector id on the same ledger exits 78 and names both', async () => {
    assert.equal(await s.stopConnector(), 0);
    const other = await runMain({ ...s.connectorEnv(), LATCHKEY_CONNECTOR_ID: 'somebody-else' }, s.folder);
    assert.equal(other.code, 78);
    assert.match(other.stderr, /somebody-else/);
    assert.match(other.stderr, /connector-under-test/);
    logLines(other.stdout);
  });

  test('a bad configuration exits 78 with every problem at once, and no secret', async () => {
    const secret = 'a-password-nobody-may-see';
    const bad = await runMain(
      {
        ...s.connectorEnv(),
        LDAP_URL: 'https://example.test',
        LDAP_BIND_PASSWORD: secret,
        LDAP_CONNECT_TIMEOUT: 'soon',
        LATCHKEY_MAX_GRANT: '7',
        LDAP_USER_SCOPE: 'ou=people,dc=example,dc=test',
        LATCHKEY_POLICY_FILE: '/nowhere',
      },
      s.folder,
    );
    assert.equal(bad.code, 78);
    for (const name of [
      'LDAP_URL',
      'LDAP_BIND_PASSWORD',
      'LDAP_CONNECT_TIMEOUT',
      'LATCHKEY_MAX_GRANT',
      'LDAP_USER_SCOPE',
      'LDAP_USERS_SCOPE',
      'LATCHKEY_POLICY_FILE',
    ])
      assert.ok(bad.stderr.includes(name), `${name} in:\n${bad.stderr}`);
    assert.ok(!`${bad.stdout}${bad.stderr}`.includes(secret));
    assert.equal(bad.stdout, '');
  });

  test('an HTTP address in use exits 69 and says which', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const address = holder.address();
    assert.ok(typeof address === 'object' && address !== null);
    const refused = await runMain({ ...s.connectorEnv(), LATCHKEY_HTTP_ADDR: `127.0.0.1:${address.port}` }, s.folder);
    holder.close();
    await once(holder, 'close');
    assert.equal(refused.code, 69);
    assert.match(refused.stderr, new RegExp(`127\\.0\\.0\\.1 port ${address.port}.*LATCHKEY_HTTP_ADDR`));
    logLines(refused.stdout);
  });

  test('SIGTERM finishes what was begun, tells it and exits 0', async () => {
    await startReady(s);
    const { grantId } = await granted(s, { user: { username: 'grace' }, group: { name: 'on-call' }, durationSeconds: 300 });
    const { jobId } = await s.revoke(grantId);
    await s.connector()?.line((line) => line.includes('"job.stored"') && line.includes(jobId));
    assert.equal(await s.stopConnector(), 0);
    // What was begun is done and acknowledged; what was only stored waits in the ledger.
    await startReady(s);
    assert.equal(await succeeded(s, jobId), 'revoked');
    assert.ok(!(await s.ldap.members(s.group('on-call'))).includes(s.person('grace')));
    await assertToldOnce(s);
    const url = await healthUrl((await restarted()) ?? assert.fail('no connector'));
    assert.equal((await fetch(`${url}/livez`)).status, 200);
    assert.equal(await s.stopConnector('SIGINT'), 0);
    await assert.rejects(fetch(`${url}/livez`), 'the port is free again');
  });

  async function restarted() {
    assert.equal(await s.stopConnector(), 0);
    return startReady(s);
  }

  /** A connector that waits for the answer to a modify that never reaches the directory. */
  async function stuck(uid: string) {
    const child = await startReady(s, {
      env: { LDAP_URL: proxy.url, LDAP_READ_TIMEOUT: '60s', LATCHKEY_SHUTDOWN_GRACE: '1s' },
    });
    proxy.spoil('hold');
    const { grantId, jobId } = await s.grant({ user: { username: uid }, group: { name: 'on-call' }, durationSeconds: 300 });
    await proxy.spoilt();
    return { child, grantId, jobId };
  }

  async function isDoneByTheNext({ jobId, grantId }: { jobId: string; grantId: string }): Promise<void> {
    await startReady(s);
    assert.equal(await succeeded(s, jobId), 'granted');
    assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
    await assertToldOnce(s);
    assert.equal(await s.stopConnector(), 0);
  }

  test('SIGTERM exits 1 after the grace where a write is stuck, and the next start finishes it', async () => {
    const one = await stuck('liam');
    const askedAt = performance.now();
    assert.equal(await s.stopConnector(), 1);
    const tookMs = performance.now() - askedAt;
    assert.ok(tookMs >= 1_000 && tookMs < 4_000, `${tookMs} ms`);
    await isDoneByTheNext(one);
  });

  for (const { second, code } of [
    { second: 'SIGTERM', code: 143 },
    { second: 'SIGINT', code: 130 },
  ] as const) {
    test(`a second signal, ${second}, exits ${code} at once`, async () => {
      const one = await stuck('maria');
      one.child.signal('SIGTERM');
      await one.child.line((line) => line.includes('"connector.stopping"'));
      const askedAt = performance.now();
      assert.equal(await s.stopConnector(second), code);
      assert.ok(performance.now() - askedAt < 900, 'before the grace is over');
      await isDoneByTheNext(one);
    });
  }

  for (const kind of ['thrown', 'rejected']) {
    test(`an error that nothing catches, ${kind}, is logged without secrets and exits 70, and the next start finishes what was begun`, async () => {
      const child = await startReady(s, {
        killAt: 'grant.modify-answered',
        env: { TEST_FAULT: `${kind}: nobody expected ${s.ldap.connectorPassword}` },
      });
      const one = await s.grant({ user: { username: 'nadia' }, group: { name: 'on-call' }, durationSeconds: 300 });
      await child.line((line) => line.includes('"process.failed"'));
      assert.equal(await child.ended, 70);
      await s.stopConnector();
      const failed = logLines(child.lines.join('\n')).at(-1);
      assert.deepEqual([failed?.['event'], failed?.['level']], ['process.failed', 'fatal']);
      assert.match(JSON.stringify(failed?.['error']), /nobody expected \[redacted\]/);
      await isDoneByTheNext(one);
    });
  }

  test('nothing but JSON lines is written, and each says when, what and who', () => {
    assert.ok(s.connectorLines.length > 50, `${s.connectorLines.length} lines`);
    for (const line of logLines(s.connectorLines.join('\n'))) {
      for (const field of ['level', 'time', 'event', 'msg']) assert.equal(typeof line[field], 'string', JSON.stringify(line));
    }
    assert.ok(!s.connectorLines.join('').includes(s.ldap.connectorPassword));
  });
});
