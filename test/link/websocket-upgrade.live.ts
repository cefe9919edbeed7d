import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { describe, test } from 'node:test';
import { makeCertificate } from '../../src/control-plane/certificates.ts';
import { linked, serving, TOKEN, tcpServer, welcomed } from '../support/linked.ts';

describe('the upgrade', () => {
  test('carries the token and the subprotocol, and asks for no compression', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { headers } = (await server.nextPeer()).request;
    assert.equal(headers.authorization, `Bearer ${TOKEN}`);
    assert.equal(headers['sec-websocket-protocol'], 'latchkey.v1');
    assert.equal(headers['sec-websocket-extensions'], undefined);
  });

  test('the token is read anew at each dial', async () => {
    await using server = await serving();
    const tokens = ['first', 'second'];
    await using under = await linked(server.url, { token: async () => ({ reveal: () => tokens.shift() ?? 'none' }) });
    under.link.start(under.listener);
    const first = await server.nextPeer();
    assert.equal(first.request.headers.authorization, 'Bearer first');
    first.lose();
    await under.clock.armed(500);
    under.clock.advance(500);
    assert.equal((await server.nextPeer()).request.headers.authorization, 'Bearer second');
  });

  test('a token that cannot be read, or cannot be a header, is told without its text and tried again', async () => {
    await using server = await serving();
    const answers = [
      () => Promise.reject(Object.assign(new Error(TOKEN), { code: 'ENOENT' })),
      () => Promise.resolve({ reveal: () => `${TOKEN}\r\nX-Other: 1` }),
      () => Promise.resolve({ reveal: () => TOKEN }),
    ];
    await using under = await linked(server.url, { token: () => (answers.shift() ?? assert.fail('asked too often'))() });
    under.link.start(under.listener);
    for (const waitMs of [500, 1000]) {
      await under.clock.armed(waitMs);
      assert.equal(under.log.lines.at(-1)?.['ending'], 'no_token');
      under.clock.advance(waitMs);
    }
    await server.nextPeer();
    assert.ok(!JSON.stringify(under.log.lines).includes('5ecret'));
  });

  for (const [status, word] of [
    [401, 'LATCHKEY_CONTROL_PLANE_TOKEN'],
    [403, 'administrator'],
    [426, 'latchkey.v1'],
  ] as const) {
    test(`${status} is logged with what to do and retried at the cap`, async () => {
      const server = await tcpServer((socket) => socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`));
      try {
        await using under = await linked(server.url);
        under.link.start(under.listener);
        for (let attempt = 0; attempt < 2; attempt += 1) {
          const line = await under.log.next('link.waiting');
          assert.equal(line.level, 'error');
          assert.equal(line['httpStatus'], status);
          assert.ok(line.message.includes(word), line.message);
          await under.clock.armed(30_000);
          under.clock.advance(30_000);
        }
      } finally {
        await server.close();
      }
    });
  }

  test('a redirect is not followed, and the token goes nowhere', async () => {
    await using elsewhere = await serving();
    const http = createServer((_request, response) => response.end());
    http.on('upgrade', (_request, socket) => {
      socket.end(`HTTP/1.1 302 Found\r\nLocation: ${elsewhere.url}\r\nContent-Length: 0\r\n\r\n`);
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    try {
      await using under = await linked(`ws://127.0.0.1:${(http.address() as AddressInfo).port}/connect`);
      under.link.start(under.listener);
      const line = await under.log.next('link.waiting');
      assert.equal(line['httpStatus'], 302);
      assert.match(line.message, /redirects are not followed/);
      assert.equal(elsewhere.untaken(), 0);
    } finally {
      http.close();
    }
  });

  test('a server that does not choose the subprotocol is a bad peer', async () => {
    await using server = await serving({ protocol: false });
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const line = await under.log.next('link.waiting');
    assert.equal(line['ending'], 'bad_peer');
    assert.equal(under.listener.hellos, 0);
  });

  test('what is not HTTP at all is a bad peer', async () => {
    const server = await tcpServer((socket) => socket.end('220 mail.example.com ESMTP\r\n'));
    try {
      await using under = await linked(server.url);
      under.link.start(under.listener);
      assert.equal((await under.log.next('link.waiting'))['ending'], 'bad_peer');
    } finally {
      await server.close();
    }
  });

  test('a server that never answers is left after 10 s, even if it drips', async () => {
    const connected = Promise.withResolvers<Socket>();
    const server = await tcpServer((socket) => connected.resolve(socket));
    try {
      await using under = await linked(server.url);
      under.link.start(under.listener);
      (await connected.promise).write('HTTP/1.1 101 Switching');
      under.clock.advance(10_000);
      const line = await under.log.next('link.waiting');
      assert.equal(line['ending'], 'timed_out');
      assert.match(line.message, /handshake/);
    } finally {
      await server.close();
    }
  });

  test('stop does not wait for a server that never answers', async () => {
    const connected = Promise.withResolvers<Socket>();
    const server = await tcpServer((socket) => connected.resolve(socket));
    try {
      await using under = await linked(server.url);
      under.link.start(under.listener);
      await connected.promise;
      await under.link.stop();
      assert.equal(under.link.status().state, 'stopped');
    } finally {
      await server.close();
    }
  });

  test('nobody listening is told with what to do', async () => {
    const server = await tcpServer(() => {});
    await server.close();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const line = await under.log.next('link.waiting');
    assert.equal(line['code'], 'ECONNREFUSED');
    assert.match(line.message, /nothing listens/);
    assert.equal(line.level, 'warn');
  });
});

describe('TLS', () => {
  const nowMs = Date.now();

  test('a server certificate of our own CA is trusted', async () => {
    const { ca, cert, key } = makeCertificate(['127.0.0.1'], nowMs);
    await using server = await serving({ cert, key });
    await using under = await linked(server.url, { ca });
    under.link.start(under.listener);
    await welcomed(server, under);
  });

  for (const [what, names, wrongCa, code] of [
    ['an unknown authority', ['127.0.0.1'], true, /SELF_SIGNED|UNABLE_TO|SIGNATURE/],
    ['another name', ['elsewhere.example.com'], false, /ERR_TLS_CERT_ALTNAME_INVALID/],
  ] as const) {
    test(`a certificate of ${what} is refused before the token is sent`, async () => {
      const made = makeCertificate(names, nowMs);
      await using server = await serving(made);
      const ca = wrongCa ? makeCertificate(['127.0.0.1'], nowMs).ca : made.ca;
      await using under = await linked(server.url, { ca });
      under.link.start(under.listener);
      const line = await under.log.next('link.waiting');
      assert.match(String(line['code']), code);
      assert.match(line.message, /certificate/);
      assert.equal(server.untaken(), 0);
    });
  }

  test('an expired certificate is refused, and told as such', async () => {
    const made = makeCertificate(['127.0.0.1'], nowMs - 400 * 86_400_000);
    await using server = await serving(made);
    await using under = await linked(server.url, { ca: made.ca });
    under.link.start(under.listener);
    assert.equal((await under.log.next('link.waiting'))['code'], 'CERT_HAS_EXPIRED');
  });

  test('a CA that is no PEM does not end the link', async () => {
    const made = makeCertificate(['127.0.0.1'], nowMs);
    await using server = await serving(made);
    await using under = await linked(server.url, { ca: '-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n' });
    under.link.start(under.listener);
    await under.log.next('link.waiting');
    assert.equal(under.link.status().state, 'waiting');
  });
});
