import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import type { FailPoint } from '../../src/access/fail-point.ts';
import { makeCertificate } from '../../src/control-plane/certificates.ts';
import { openWebSocketLink, type WebSocketLinkOptions } from '../../src/link/websocket-link.ts';
import { capturedLog } from '../support/captured-log.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { revokeJob, WELCOME } from '../support/link-contract.ts';
import { recordingListener } from '../support/recording-listener.ts';
import { webSocketServer } from '../support/websocket-peer.ts';

const TOKEN = 'tok-5ecret-Value_42';
/** The longest heartbeat, so that a test may let a minute pass in one step. */
const CALM = { ...WELCOME, heartbeatSeconds: 60 };

/** A link to the address, on a clock of its own. */
async function linked(url: string, options: Partial<WebSocketLinkOptions> = {}) {
  const clock = fakeClock();
  const log = capturedLog();
  const token = () => Promise.resolve({ reveal: () => TOKEN });
  const link = openWebSocketLink({ url, token, ca: null, clock, random: () => 1, logger: log.logger, ...options });
  const listener = recordingListener();
  return {
    clock,
    log,
    link,
    listener,
    async [Symbol.asyncDispose]() {
      await link.stop();
      assert.deepEqual(clock.pending(), [], 'a stopped link leaves no timer');
    },
  };
}

async function serving(options?: Parameters<typeof webSocketServer>[0]) {
  const server = await webSocketServer(options);
  return { ...server, [Symbol.asyncDispose]: () => server.close() };
}

type Linked = Awaited<ReturnType<typeof linked>>;

async function welcomed(server: Awaited<ReturnType<typeof serving>>, { listener }: Linked, welcome: object = CALM) {
  const peer = await server.nextPeer();
  await peer.next();
  peer.send(welcome);
  const { connection } = await listener.welcomes.next();
  return { peer, connection };
}

/** A TCP server that talks as told, with what closes it. */
async function tcpServer(talk: (socket: Socket) => void): Promise<{ url: string; close: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    talk(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/connect`,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A number of turns of the event loop, in which a socket that is read would deliver. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

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

describe('welcome', () => {
  test('a hello without a welcome is given up after 10 s', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const peer = await server.nextPeer();
    await peer.next();
    under.clock.advance(10_000);
    assert.equal(await peer.closed, 1006);
    assert.match((await under.log.next('link.waiting')).message, /welcome/);
  });

  test('an owner that cannot say hello, or fails at the welcome, closes with 1011 and dials again', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    const hello = under.listener.hello;
    const welcome = under.listener.welcomed;
    under.listener.hello = () => Promise.reject(new Error('the disk is gone'));
    under.link.start(under.listener);
    assert.equal(await (await server.nextPeer()).closed, 1011);
    under.listener.hello = hello;
    under.listener.welcomed = () => Promise.reject(new Error('the disk is gone'));
    await under.clock.armed(500);
    under.clock.advance(500);
    const second = await server.nextPeer();
    await second.next();
    second.send(CALM);
    assert.equal(await second.closed, 1011);
    await under.listener.losses.next();
    under.listener.welcomed = welcome;
    await under.clock.armed(1000);
    under.clock.advance(1000);
    await welcomed(server, under);
  });

  test('clocks a minute apart are told once a connection', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.clock.step(60_001);
    under.link.start(under.listener);
    await welcomed(server, under);
    const skews = under.log.lines.filter(({ event }) => event === 'link.clock_skew');
    assert.deepEqual(
      skews.map(({ level, skewMs }) => [level, skewMs]),
      [['warn', -60_001]],
    );
  });

  test('a ledger replaced twice in a row does not dial in a circle', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.listener.answer = 'replaced';
    under.link.start(under.listener);
    assert.equal(await (await welcomed(server, under)).peer.closed, 1001);
    await under.clock.armed(0);
    under.clock.advance(0);
    assert.equal(await (await welcomed(server, under)).peer.closed, 1001);
    await under.clock.armed(500);
  });
});

describe('liveness', () => {
  test('a peer silent for two heartbeats is terminated, not closed', async () => {
    await using server = await serving({ autoPong: false });
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under, WELCOME);
    await under.clock.armed(5000);
    const pinged = once(peer.socket, 'ping');
    under.clock.advance(5000);
    await pinged;
    under.clock.advance(5000);
    assert.equal(await peer.closed, 1006);
    await under.listener.losses.next();
    assert.equal((await under.log.next('link.waiting'))['ending'], 'silent');
  });

  test('a peer that talks is kept', async () => {
    await using server = await serving({ autoPong: false });
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under, WELCOME);
    for (let seq = 1; seq <= 6; seq += 1) {
      peer.send({ type: 'ack', seq });
      await under.listener.acks.next();
      under.clock.advance(9000);
    }
    assert.equal(under.link.status().state, 'connected');
  });

  test('flushed waits for a peer that does not read, and resolves when it does', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer, connection } = await welcomed(server, under);
    peer.socket.pause();
    const message = 'x'.repeat(16_000);
    for (let i = 0; i < 2000; i += 1) assert.ok(connection.send({ type: 'error', code: 'test', message }));
    const flushed = connection.flushed().then(() => 'flushed');
    assert.equal(await Promise.race([flushed, turns(50)]), undefined);
    peer.socket.resume();
    await flushed;
  });

  test('a frame of our own over 1 MiB is not sent, since it would cost the connection', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer, connection } = await welcomed(server, under);
    assert.ok(connection.send({ type: 'error', code: 'test', message: 'é'.repeat(600_000) }));
    assert.ok(connection.send({ type: 'job.received', jobId: 'next' }));
    assert.deepEqual(await peer.next(), { type: 'job.received', jobId: 'next' });
    assert.ok(under.log.lines.some(({ event }) => event === 'link.frame_too_large'));
  });

  test('with a thousand jobs unstored the socket is not read, until half are stored', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    const disk = Promise.withResolvers<void>();
    const thousand = Promise.withResolvers<void>();
    let begun = 0;
    under.listener.store = () => {
      begun += 1;
      if (begun === 1000) thousand.resolve();
      return disk.promise;
    };
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under);
    const total = 5000;
    for (let i = 0; i < total; i += 1) peer.send({ type: 'job', job: { ...revokeJob(`j${i}`), reason: 'x'.repeat(500) } });
    await thousand.promise;
    await turns(50);
    // What one read of the socket (64 KiB) had already brought is taken too.
    assert.ok(begun < 1200, `${begun} jobs were taken`);
    disk.resolve();
    for (let i = 0; i < total; i += 1) assert.deepEqual(await peer.next(), { type: 'job.received', jobId: `j${i}` });
  });
});

describe('closing', () => {
  for (const code of [1008, 1009, 4400, 4401, 4409, 4426]) {
    test(`${code} is logged with what to do and retried at the cap`, async () => {
      await using server = await serving();
      await using under = await linked(server.url);
      under.link.start(under.listener);
      const { peer } = await welcomed(server, under);
      peer.socket.close(code);
      const line = await under.log.next('link.waiting');
      assert.deepEqual([line.level, line['closeCode'], line['retryInMs']], ['error', code, 30_000]);
      await under.clock.armed(30_000);
    });
  }

  test('any other end is retried with the backoff', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under);
    peer.socket.close(1001);
    const line = await under.log.next('link.waiting');
    assert.deepEqual([line.level, line['closeCode'], line['retryInMs']], ['warn', 1001, 500]);
  });

  test('the backoff grows until a connection has held for 30 s, and starts over then', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const waits: unknown[] = [];
    for (const heldMs of [null, 0, 29_999, 0, 30_000, 0]) {
      const peer = await server.nextPeer();
      await peer.next();
      if (heldMs !== null) {
        const connected = under.log.next('link.connected');
        peer.send(CALM);
        await connected;
        under.clock.advance(heldMs);
      }
      const waiting = under.log.next('link.waiting');
      peer.lose();
      const { retryInMs } = await waiting;
      waits.push(retryInMs);
      under.clock.advance(Number(retryInMs));
    }
    assert.deepEqual(waits, [500, 1000, 2000, 4000, 500, 1000]);
  });

  test('a peer that does not answer our close is terminated after 3 s', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under);
    peer.socket.pause();
    const stopped = under.link.stop();
    await under.clock.armed(3000);
    under.clock.advance(3000);
    await stopped;
    peer.socket.resume();
  });
});

describe('what a hostile peer sends', () => {
  test('a frame over 1 MiB closes with 1009', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under);
    peer.sendText('x'.repeat(1_048_577));
    assert.equal(await peer.closed, 1009);
    const line = await under.log.next('link.waiting');
    assert.deepEqual([line['closeCode'], line['by'], line['retryInMs']], [1009, 'us', 30_000]);
  });

  test('the largest frame is read', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under);
    const frame = JSON.stringify({ type: 'ack', seq: 7, filling: '' });
    peer.sendText(frame.replace('""', `"${'x'.repeat(1_048_576 - frame.length)}"`));
    assert.equal(await under.listener.acks.next(), 7);
  });

  test('more than 64 fragments end the connection', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under);
    for (let i = 0; i < 70; i += 1) peer.socket.send('x', { fin: false });
    assert.equal(await peer.closed, 1008);
  });

  test('a hundred refused frames within a minute close with 1008; spread out they do not', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under);
    for (let i = 0; i < 99; i += 1) peer.sendText('{');
    for (let i = 0; i < 99; i += 1) await peer.next();
    under.clock.advance(60_000);
    for (let i = 0; i < 99; i += 1) peer.sendText('{');
    for (let i = 0; i < 99; i += 1) await peer.next();
    assert.equal(under.link.status().state, 'connected');
    peer.sendText('{');
    assert.equal(await peer.closed, 1008);
    const line = await under.log.next('link.waiting');
    assert.deepEqual([line['closeCode'], line['retryInMs']], [1008, 30_000]);
  });

  test('garbage, depth, __proto__, 1e400, double keys and binary frames are answered and change nothing', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under);
    const job = '"jobId":"j","kind":"revoke","issuedAt":"2026-01-01T00:00:00.000Z","grantId":"g"';
    const refused = [
      '',
      '\u0000',
      'null',
      '"text"',
      '['.repeat(100_000),
      `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
      '{"__proto__":{"type":"ack","seq":1}}',
      '{"constructor":{"prototype":{"type":"ack"}},"type":"toString"}',
      '{"type":"ack","seq":1e400}',
      '{"type":"ack","seq":-1}',
      '{"type":"ack","seq":1.5}',
      `{"type":"job","job":{${job},"x":1e400}}`,
      `{"type":"job","job":{${job},"x":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}}`,
      '{"type":"job","job":{"jobId":"../../etc"}}',
      '{"type":"job","job":{},"jws":"a.b.c"}',
    ];
    for (const text of refused) {
      peer.sendText(text);
      const answer = await peer.next();
      assert.equal(answer['type'], 'error', text.slice(0, 60));
    }
    peer.socket.send(Buffer.from('{"type":"ack","seq":1}'), { binary: true });
    assert.match(String((await peer.next())['message']), /binary/);
    peer.sendText('{"type":"ack","seq":9,"seq":4}');
    assert.equal(await under.listener.acks.next(), 4);
    peer.sendText(`{"type":"job","job":{${job},"__proto__":{"kind":"grant"}}}`);
    const received = await under.listener.jobs.next();
    assert.ok(received.job.ok && received.job.value.kind === 'revoke');
    assert.equal(({} as Record<string, unknown>)['kind'], undefined);
    assert.equal(under.listener.jobs.left.length, 0);
  });

  test('no text crashes the link', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under);
    const frame = fc.record({
      type: fc.constantFrom('welcome', 'ack', 'error', 'job', 'hello'),
      job: fc.jsonValue(),
      seq: fc.jsonValue(),
    });
    const texts = fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary' }),
      frame.map((value) => JSON.stringify(value)),
    );
    // Fewer than a hundred, or the connection is rightly closed.
    for (const text of fc.sample(texts, 90)) peer.sendText(text);
    peer.send({ type: 'ack', seq: 12 });
    while ((await under.listener.acks.next()) !== 12);
    assert.equal(under.link.status().state, 'connected');
  });

  test('the log has room for a hundred complaints a minute', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under);
    for (let i = 0; i < 300; i += 1) peer.send({ type: 'error', code: 'x', message: 'no' });
    peer.send({ type: 'ack', seq: 1 });
    await under.listener.acks.next();
    assert.ok(under.log.lines.filter(({ event }) => event === 'link.peer_error').length <= 100);
  });

  test('the token is in no log line, though the peer sends it back', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under);
    peer.send({ type: 'error', code: TOKEN, message: `you said ${TOKEN}`, ref: TOKEN });
    peer.send({ type: TOKEN });
    peer.send({ type: 'job', job: { jobId: 'j', [TOKEN]: TOKEN } });
    await under.listener.jobs.next();
    peer.socket.close(4401, `bad token ${TOKEN}`);
    await under.log.next('link.waiting');
    assert.match(JSON.stringify(under.log.lines), /\[token\]/);
    assert.ok(!JSON.stringify(under.log.lines).includes('5ecret'));
    assert.ok(!JSON.stringify(under.link.status()).includes('5ecret'));
  });
});

test('the fail points are passed when a job arrived, and when its receipt was sent', async () => {
  await using server = await serving();
  const passed: string[] = [];
  const sent = Promise.withResolvers<void>();
  await using under = await linked(server.url, {
    failPoints: (point: FailPoint) => {
      passed.push(point);
      if (point === 'job.received.sent') sent.resolve();
    },
  });
  under.listener.store = () => {
    passed.push('stored');
    return Promise.resolve();
  };
  under.link.start(under.listener);
  const { peer } = await welcomed(server, under);
  peer.send({ type: 'job', job: revokeJob('j') });
  await sent.promise;
  assert.deepEqual(passed, ['job.received', 'stored', 'job.received.sent']);
});

test('a job that cannot be stored is logged with its id', async () => {
  await using server = await serving();
  await using under = await linked(server.url);
  under.listener.store = () => Promise.reject(new Error('disk full'));
  under.link.start(under.listener);
  const { peer } = await welcomed(server, under);
  const logged = under.log.next('link.job_not_stored');
  peer.send({ type: 'job', job: revokeJob('j') });
  const line = await logged;
  assert.deepEqual([line.level, line.jobId, line['problem']], ['error', 'j', 'disk full']);
});
