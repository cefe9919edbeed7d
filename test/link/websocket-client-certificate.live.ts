import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { instant } from '../../src/access/instant.ts';
import { makeCertificate } from '../../src/control-plane/certificates.ts';
import { clientCertificateFiles } from '../../src/secrets/client-certificate.ts';
import { makeClientCertificate } from '../support/client-certificate.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { linked, serving, welcomed } from '../support/linked.ts';
import type { WebSocketPeer } from '../support/websocket-peer.ts';

type Made = ReturnType<typeof makeClientCertificate>;

describe('a client certificate', () => {
  const made = makeCertificate(['127.0.0.1', 'localhost'], Date.now());
  const [first, second, stranger] = ['first', 'second', 'stranger'].map((name) => makeClientCertificate({ name })) as [
    Made,
    Made,
    Made,
  ];
  let folder: string;
  let certFile: string;
  let keyFile: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-certificate-'));
    certFile = join(folder, 'cert.pem');
    keyFile = join(folder, 'key.pem');
  });
  after(() => rm(folder, { recursive: true }));

  const put = async ({ chain, key }: Pick<Made, 'chain' | 'key'>) => {
    await writeFile(certFile, chain);
    await writeFile(keyFile, key);
  };
  const demanding = () => serving({ cert: made.cert, key: made.key, clientCa: [first.chain, second.chain] });
  const source = (now = Date.now()) => clientCertificateFiles({ certFile, keyFile, now: () => instant(now) });
  const shownBy = (peer: WebSocketPeer) => {
    const { socket } = peer.request;
    assert.ok(socket instanceof TLSSocket);
    return socket.getPeerCertificate().subject.CN;
  };

  test('is shown to a control plane that demands one, directly and through a proxy', async () => {
    await put(first);
    await using server = await demanding();
    await using proxy = await startConnectProxy();
    for (const way of [null, { scheme: 'http', host: '127.0.0.1', port: proxy.port, credentials: null }] as const) {
      await using under = await linked(server.url, { ca: made.ca, clientCertificate: source(), proxy: way });
      under.link.start(under.listener);
      assert.equal(shownBy((await welcomed(server, under)).peer), 'first');
    }
    assert.equal(proxy.untaken(), 1);
  });

  test('is not shown to an https proxy', async () => {
    await put(first);
    await using server = await demanding();
    await using proxy = await startConnectProxy({ cert: made.cert, key: made.key, clientCa: [first.chain] });
    const way = { scheme: 'https', host: '127.0.0.1', port: proxy.port, credentials: null } as const;
    await using under = await linked(server.url, { ca: made.ca, clientCertificate: source(), proxy: way });
    under.link.start(under.listener);
    assert.equal(shownBy((await welcomed(server, under)).peer), 'first');
    const { socket } = await proxy.nextRequest();
    assert.ok(socket instanceof TLSSocket);
    assert.deepEqual(socket.getPeerCertificate(), {});
  });

  test('that was replaced is used at the next connection, without a restart', async () => {
    await put(first);
    await using server = await demanding();
    await using under = await linked(server.url, { ca: made.ca, clientCertificate: source() });
    under.link.start(under.listener);
    const earlier = await welcomed(server, under);
    await put(second);
    earlier.peer.lose();
    await under.clock.armed(500);
    under.clock.advance(500);
    assert.equal(shownBy((await welcomed(server, under)).peer), 'second');
    assert.ok(under.log.lines.some(({ event }) => event === 'link.client-certificate-changed'));
  });

  for (const [what, bad, variable, words] of [
    ['half written', { chain: first.chain.slice(0, 100), key: first.key }, 'CERT', /holds no PEM certificate/],
    ['of another key', { chain: second.chain, key: first.key }, 'KEY', /is not the key of/],
    ['with a key that is none', { chain: second.chain, key: 'no key' }, 'KEY', /holds no private key/],
    ['expired', makeClientCertificate({ expiresAtMs: Date.now() - 1000 }), 'CERT', /expired at/],
  ] as const) {
    test(`that was replaced by one ${what} is told, and the last good one used`, async () => {
      await put(first);
      await using server = await demanding();
      await using under = await linked(server.url, { ca: made.ca, clientCertificate: source() });
      under.link.start(under.listener);
      const earlier = await welcomed(server, under);
      await put(bad);
      earlier.peer.lose();
      await under.clock.armed(500);
      under.clock.advance(500);
      assert.equal(shownBy((await welcomed(server, under)).peer), 'first');
      const line = under.log.lines.find(({ event }) => event === 'link.client-certificate-refused');
      assert.equal(line?.level, 'error');
      assert.equal(line['variable'], `LATCHKEY_CONTROL_PLANE_${variable}_FILE`);
      assert.match(line.message, words);
      assert.match(line.message, /the client certificate that was read before is used/);
      assert.ok(!JSON.stringify(under.log.lines).includes('PRIVATE KEY'));
    });
  }

  test('that could never be read ends the attempt before anything is dialed, and is tried again', async () => {
    await rm(certFile, { force: true });
    await using server = await demanding();
    await using under = await linked(server.url, { ca: made.ca, clientCertificate: source() });
    under.link.start(under.listener);
    const line = await under.log.next('link.waiting');
    assert.equal(line['ending'], 'no_certificate');
    assert.match(line.message, /LATCHKEY_CONTROL_PLANE_CERT_FILE names a file that does not exist/);
    await put(first);
    await under.clock.armed(500);
    under.clock.advance(500);
    assert.equal(shownBy((await welcomed(server, under)).peer), 'first');
  });

  for (const [what, shown] of [
    ['none', null],
    ['one of a stranger', stranger],
  ] as const) {
    test(`that is demanded: ${what} is refused, and the advice names the certificate`, async () => {
      if (shown !== null) await put(shown);
      await using server = await demanding();
      await using under = await linked(server.url, { ca: made.ca, clientCertificate: shown === null ? null : source() });
      under.link.start(under.listener);
      const line = await under.log.next('link.waiting');
      assert.equal(line['ending'], 'network');
      assert.match(line.message, /LATCHKEY_CONTROL_PLANE_CERT_FILE/);
      assert.equal(server.untaken(), 0);
    });
  }
});
