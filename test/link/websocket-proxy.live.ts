import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { makeCertificate } from '../../src/control-plane/certificates.ts';
import type { LinkProxy } from '../../src/link/tunnel.ts';
import { type ConnectProxy, startConnectProxy } from '../support/connect-proxy.ts';
import { linked, serving, TOKEN, tcpServer, welcomed } from '../support/linked.ts';

const nowMs = Date.now();
const PASSWORD = 'pr0xy-5ecret-Value';
/** A name that only the proxy knows. */
const HOST = 'control.example.test';

const proxyAt = (port: number, credentials: string | null = null): LinkProxy => ({
  scheme: 'http',
  host: '127.0.0.1',
  port,
  credentials: credentials === null ? null : async () => ({ reveal: () => credentials }),
});

/** A control plane behind a proxy. */
async function behind(names: readonly string[] = [HOST]) {
  const made = makeCertificate(names, nowMs);
  const server = await serving(made);
  return {
    server,
    ca: made.ca,
    url: `wss://${HOST}:${server.port}/connect`,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** The proxy refuses or fails in its own way, once; the line that says so is returned. */
async function refusedBy(answer: Parameters<ConnectProxy['answerWith']>[0], credentials: string | null = null) {
  await using proxy = await startConnectProxy({ answer });
  await using under = await linked(`wss://${HOST}/connect`, { proxy: proxyAt(proxy.port, credentials) });
  under.link.start(under.listener);
  const line = await under.log.next('link.waiting');
  assert.equal(line['ending'], 'proxy');
  assert.equal(line['proxy'], `127.0.0.1:${proxy.port}`);
  assert.match(line.message, new RegExp(`^the proxy 127\\.0\\.0\\.1:${proxy.port} `));
  return line;
}

describe('through a proxy', () => {
  test('the control plane is reached by its own name, with TLS that the proxy cannot read', async () => {
    await using made = await behind();
    const { server, ca, url } = made;
    await using proxy = await startConnectProxy();
    await using under = await linked(url, { ca, proxy: proxyAt(proxy.port) });
    under.link.start(under.listener);
    await welcomed(server, under);
    const { url: asked, headers } = await proxy.nextRequest();
    assert.equal(asked, `${HOST}:${server.port}`);
    assert.equal(headers.host, asked);
    assert.equal(headers['proxy-authorization'], undefined);
    assert.equal(headers.authorization, undefined, 'the token is for the control plane');
  });

  test('a control plane known by its address must hold that address in its certificate', async () => {
    for (const [names, ending] of [
      [['127.0.0.1'], undefined],
      [['localhost', HOST], 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ] as const) {
      await using made = await behind(names);
      const { server, ca } = made;
      await using proxy = await startConnectProxy();
      await using under = await linked(server.url, { ca, proxy: proxyAt(proxy.port) });
      under.link.start(under.listener);
      if (ending === undefined) await welcomed(server, under);
      else assert.equal((await under.log.next('link.waiting'))['code'], ending);
    }
  });

  test('credentials are sent as Basic at each dial, and are in no line', async () => {
    await using made = await behind();
    const { server, ca, url } = made;
    await using proxy = await startConnectProxy();
    await using under = await linked(url, { ca, proxy: proxyAt(proxy.port, `jo:${PASSWORD}`) });
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under);
    peer.lose();
    await under.clock.armed(500);
    under.clock.advance(500);
    await welcomed(server, under);
    for (let dial = 0; dial < 2; dial += 1)
      assert.equal(
        (await proxy.nextRequest()).headers['proxy-authorization'],
        `Basic ${Buffer.from(`jo:${PASSWORD}`).toString('base64')}`,
      );
    assert.ok(!JSON.stringify(under.log.lines).includes('5ecret'));
  });

  test('a wrong authority behind the proxy is the control plane’s fault, and the token is not sent', async () => {
    await using made = await behind();
    const { server, url } = made;
    await using proxy = await startConnectProxy();
    const { ca } = makeCertificate([HOST], nowMs);
    await using under = await linked(url, { ca, proxy: proxyAt(proxy.port) });
    under.link.start(under.listener);
    const line = await under.log.next('link.waiting');
    assert.equal(line['ending'], 'network');
    assert.match(line.message, /LATCHKEY_CONTROL_PLANE_CA_FILE.*by way of the proxy 127\.0\.0\.1/);
    assert.equal(server.untaken(), 0);
  });

  test('a refusal by the control plane is told as its own', async () => {
    const { ca, cert, key } = makeCertificate([HOST], nowMs);
    await using server = await serving({ cert, key, protocol: false });
    await using proxy = await startConnectProxy();
    await using under = await linked(`wss://${HOST}:${server.port}/`, { ca, proxy: proxyAt(proxy.port) });
    under.link.start(under.listener);
    assert.equal((await under.log.next('link.waiting'))['ending'], 'bad_peer');
  });

  test('a proxy that cuts the conversation is named, and dialed again', async () => {
    await using made = await behind();
    const { server, ca, url } = made;
    await using proxy = await startConnectProxy();
    await using under = await linked(url, { ca, proxy: proxyAt(proxy.port) });
    under.link.start(under.listener);
    await welcomed(server, under);
    proxy.cut();
    await under.listener.losses.next();
    assert.match((await under.log.next('link.waiting')).message, new RegExp(`by way of the proxy 127\\.0\\.0\\.1:${proxy.port}`));
    await under.clock.armed(500);
    under.clock.advance(500);
    await welcomed(server, under);
  });

  test('an https proxy is spoken to in TLS of its own', async () => {
    await using made = await behind();
    const { server, ca, url } = made;
    const own = makeCertificate(['127.0.0.1'], nowMs);
    await using proxy = await startConnectProxy(own);
    const https = { ...proxyAt(proxy.port, `jo:${PASSWORD}`), scheme: 'https' as const };
    await using under = await linked(url, { ca: `${ca}${own.ca}`, proxy: https });
    under.link.start(under.listener);
    await welcomed(server, under);
    await proxy.nextRequest();

    await using stranger = await linked(url, { ca, proxy: https });
    stranger.link.start(stranger.listener);
    const line = await stranger.log.next('link.waiting');
    assert.equal(line['ending'], 'proxy');
    assert.match(line.message, /authority that is not trusted/);
    assert.equal(proxy.untaken(), 0, 'the credentials were not sent');
  });
});

describe('a proxy that gives no way through', () => {
  for (const [status, credentials, level, words] of [
    [407, null, 'error', /HTTP 407.*asks for a user name.*HTTPS_PROXY as http:\/\/user:password@host:port/],
    [407, `jo:${PASSWORD}`, 'error', /HTTP 407.*were not accepted/],
    [403, null, 'error', new RegExp(`${HOST}:443 with HTTP 403.*allow CONNECT`)],
    [502, null, 'warn', /HTTP 502.*could not reach the control plane/],
    [503, null, 'warn', /HTTP 503.*could not reach/],
    [405, null, 'warn', /HTTP 405.*a proxy that allows CONNECT/],
  ] as const) {
    test(`HTTP ${status}${credentials === null ? '' : ' to credentials'} is told with what to do`, async () => {
      const line = await refusedBy(status, credentials);
      assert.equal(line['httpStatus'], status);
      assert.equal(line.level, level);
      assert.match(line.message, words);
      assert.ok(!JSON.stringify(line).includes('5ecret'));
    });
  }

  test('one that closes without an answer is told as such', async () => {
    const line = await refusedBy((client) => client.end());
    assert.match(line.message, /cut the connection without an answer/);
  });

  test('one that resets in the middle of its answer is told as such', async () => {
    const line = await refusedBy((client) => client.write('HTTP/1.1 200 Conn', () => client.destroy()));
    assert.match(line.message, /cut the connection without an answer/);
  });

  test('what is not HTTP is told as such', async () => {
    const line = await refusedBy((client) => client.end('220 mail.example.com ESMTP\r\n'));
    assert.match(String(line['code']), /^HPE_/);
    assert.match(line.message, /as an HTTP proxy does/);
  });

  test('an answer without end is not read to its end', async () => {
    const line = await refusedBy((client) => {
      client.write('HTTP/1.1 200 OK\r\n');
      const more = (): void => void client.write(`X: ${'x'.repeat(8_192)}\r\n`, (error) => (error == null ? more() : undefined));
      more();
    });
    assert.equal(line['code'], 'HPE_HEADER_OVERFLOW');
  });

  test('bytes after its answer that are no TLS end the attempt before the token is sent', async () => {
    const received: Buffer[] = [];
    await using proxy = await startConnectProxy({
      answer(client) {
        client.on('data', (chunk: Buffer) => received.push(chunk));
        client.write('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n');
      },
    });
    await using under = await linked(`wss://${HOST}/connect`, { proxy: proxyAt(proxy.port) });
    under.link.start(under.listener);
    const line = await under.log.next('link.waiting');
    assert.equal(line['ending'], 'network');
    await proxy.abandoned();
    assert.ok(!Buffer.concat(received).includes(TOKEN));
  });

  test('one that hangs is left after 10 s, and its connection with it', async () => {
    await using proxy = await startConnectProxy({ answer: () => undefined });
    await using under = await linked(`wss://${HOST}/connect`, { proxy: proxyAt(proxy.port) });
    under.link.start(under.listener);
    await proxy.nextRequest();
    under.clock.advance(10_000);
    const line = await under.log.next('link.waiting');
    assert.equal(line['proxyFault'], 'silent');
    assert.match(line.message, /did not answer within 10 s; check HTTPS_PROXY/);
    await proxy.abandoned();
  });

  test('one that hangs after its answer is told as a silence behind it', async () => {
    const hung = Promise.withResolvers<void>();
    await using proxy = await startConnectProxy({
      answer(client) {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        // The first bytes of TLS have arrived.
        void once(client, 'data').then(() => hung.resolve());
      },
    });
    await using under = await linked(`wss://${HOST}/connect`, { proxy: proxyAt(proxy.port) });
    under.link.start(under.listener);
    await hung.promise;
    under.clock.advance(10_000);
    const line = await under.log.next('link.waiting');
    assert.equal(line['ending'], 'timed_out');
    assert.match(line.message, /by way of the proxy/);
    await proxy.abandoned();
  });

  test('stop does not wait for one that hangs', async () => {
    await using proxy = await startConnectProxy({ answer: () => undefined });
    await using under = await linked(`wss://${HOST}/connect`, { proxy: proxyAt(proxy.port) });
    under.link.start(under.listener);
    await proxy.nextRequest();
    await under.link.stop();
    await proxy.abandoned();
  });

  test('one that does not listen, whose name is unknown, or that speaks no TLS, is told with what to do', async () => {
    const closed = await tcpServer(() => {});
    const port = Number(new URL(closed.url).port);
    await closed.close();
    await using cleartext = await startConnectProxy();
    for (const [proxy, words] of [
      [proxyAt(port), /ECONNREFUSED.*nothing listens.*HTTPS_PROXY/],
      [
        { ...proxyAt(3128), host: 'no-such-proxy.invalid' },
        /^the proxy no-such-proxy\.invalid:3128 .*(?:ENOTFOUND|EAI_AGAIN).*DNS/,
      ],
      [{ ...proxyAt(cleartext.port), scheme: 'https' as const }, /http:\/\/ in HTTPS_PROXY/],
    ] as const) {
      await using under = await linked(`wss://${HOST}/connect`, { proxy });
      under.link.start(under.listener);
      const line = await under.log.next('link.waiting');
      assert.equal(line['ending'], 'proxy');
      assert.match(line.message, words);
    }
  });
});
