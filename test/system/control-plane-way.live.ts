import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { makeCertificate } from '../../src/control-plane/certificates.ts';
import { type Child, startChild } from '../support/child.ts';
import { makeClientCertificate } from '../support/client-certificate.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { tcpServer } from '../support/linked.ts';
import { webSocketControlPlane } from '../support/websocket-control-plane.ts';

const CONNECTOR = new URL('../support/connector-under-test.ts', import.meta.url).pathname;
/** A name that only the proxy knows. */
const HOST = 'control.example.test';
const PASSWORD = 'pr0xy p@ss:word/5ecret';

suite('the way to the control plane, with the connector as a process', () => {
  let folder: string;
  let directoryPort: number;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-way-'));
    // The directory is away, which is nobody's concern here.
    const away = await tcpServer(() => {});
    directoryPort = Number(new URL(away.url).port);
    await away.close();
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const file = async (name: string, content: string) => {
    const path = join(folder, name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  };
  const start = (state: string, env: NodeJS.ProcessEnv): Child =>
    startChild({
      script: CONNECTOR,
      cwd: folder,
      env: {
        LATCHKEY_CONTROL_PLANE_TOKEN: 'token-of-the-connector',
        LATCHKEY_CONNECTOR_ID: 'connector-under-test',
        LDAP_URL: `ldap://127.0.0.1:${directoryPort}`,
        LDAP_BIND_DN: 'cn=latchkey,dc=example,dc=com',
        LDAP_BIND_PASSWORD: 'password-of-the-directory',
        LATCHKEY_STATE_DIR: join(folder, state),
        // A sync that begins by itself is what tests of syncs ask for.
        SYNC_SCHEDULE: 'off',
        SYNC_FULL_SCHEDULE: 'off',
        LATCHKEY_HTTP_ADDR: 'off',
        LATCHKEY_LOG_LEVEL: 'trace',
        ...env,
      },
    });

  test('a job comes and its outcome goes through a proxy with credentials, under a client certificate that is rotated', async () => {
    const made = makeCertificate([HOST], Date.now());
    const [first, second] = [makeClientCertificate({ name: 'first' }), makeClientCertificate({ name: 'second' })];
    await using controlPlane = await webSocketControlPlane({ ...made, clientCa: [first.chain, second.chain] });
    await using proxy = await startConnectProxy();
    const certFile = await file('cert.pem', first.chain);
    const keyFile = await file('key.pem', first.key);
    await using connector = start('way', {
      LATCHKEY_CONTROL_PLANE_URL: `wss://${HOST}:${new URL(controlPlane.url).port}/connect`,
      LATCHKEY_CONTROL_PLANE_CA_FILE: await file('ca.pem', made.ca),
      LATCHKEY_CONTROL_PLANE_CERT_FILE: certFile,
      LATCHKEY_CONTROL_PLANE_KEY_FILE: keyFile,
      https_proxy: `http://jo%40corp:${encodeURIComponent(PASSWORD)}@127.0.0.1:${proxy.port}`,
      NO_PROXY: 'localhost,.other.test',
    });
    const list = (jobId: string) => {
      controlPlane.deliver({ kind: 'list', jobId, issuedAt: new Date().toISOString() });
      return controlPlane.outcome(jobId);
    };
    assert.equal((await list('list-1')).kind, 'job.succeeded');
    const { headers } = await proxy.nextRequest();
    assert.equal(headers['proxy-authorization'], `Basic ${Buffer.from(`jo@corp:${PASSWORD}`).toString('base64')}`);

    await file('cert.pem', second.chain);
    await file('key.pem', second.key);
    proxy.cut();
    await connector.line((line) => line.includes('"link.client-certificate-changed"'));
    assert.equal((await list('list-2')).kind, 'job.succeeded');
    proxy.answerWith(407);
    proxy.cut();
    const refused = await connector.line((line) => line.includes('HTTP 407'));
    assert.ok(refused.includes(`the proxy 127.0.0.1:${proxy.port} refused the way to ${HOST}:`), refused);
    assert.equal(await connector.end(), 0);

    const said = connector.lines.join('\n');
    const secrets = [PASSWORD, encodeURIComponent(PASSWORD), headers['proxy-authorization']?.slice(6) ?? ''];
    const keyLines = [first.key, second.key].flatMap((pem) => pem.split('\n').filter((line) => line.length > 40));
    assert.ok(keyLines.length >= 4);
    for (const secret of [...secrets, ...keyLines, '5ecret']) assert.ok(!said.includes(secret), 'a secret is in a line');
  });

  test('a proxy and a client certificate that cannot be used are told at once, and end the start with 78', async () => {
    const { chain } = makeClientCertificate();
    const { key } = makeClientCertificate();
    await using connector = start('refused', {
      LATCHKEY_CONTROL_PLANE_URL: `wss://${HOST}/connect`,
      LATCHKEY_CONTROL_PLANE_CERT_FILE: await file('one.pem', chain),
      LATCHKEY_CONTROL_PLANE_KEY_FILE: await file('another.pem', key),
      HTTPS_PROXY: `socks5://jo:${encodeURIComponent(PASSWORD)}@proxy.example.test`,
    });
    assert.equal(await connector.ended, 78);
    const said = connector.lines.join('\n');
    assert.match(said, /has 2 problems/);
    assert.match(said, /LATCHKEY_CONTROL_PLANE_KEY_FILE\n.*is not the key of the first certificate/);
    assert.match(said, /HTTPS_PROXY\n.*another kind than http or https/);
    assert.ok(!/5ecret|PRIVATE KEY-/.test(said), said);
  });
});
