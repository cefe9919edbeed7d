import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import type { FailPoint } from '../../src/access/fail-point.ts';
import { revokeJob, WELCOME } from '../support/link-contract.ts';
import { CALM, linked, serving, turns, welcomed } from '../support/linked.ts';

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
    const skews = under.log.lines.filter(({ event }) => event === 'link.clock-skew');
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
    for (let i = 0; i < 1000; i += 1) assert.ok(connection.send({ type: 'error', code: 'test', message }));
    const flushed = connection.flushed().then(() => 'flushed');
    assert.equal(await Promise.race([flushed, turns(50)]), undefined);
    peer.socket.resume();
    await flushed;
  });

  test('an event goes before the pages of a sync that wait, and waits for no more than one', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer, connection } = await welcomed(server, under);
    peer.socket.pause();
    const message = 'x'.repeat(16_000);
    for (let i = 0; i < 1000; i += 1) assert.ok(connection.send({ type: 'error', code: 'filler', message }));
    const pages = [1, 2, 3].map((page) => connection.sendText('sync.page', JSON.stringify({ type: 'sync.page', page, message })));
    await turns(50);
    assert.ok(connection.send({ type: 'job.received', jobId: 'urgent' }));
    peer.socket.resume();
    assert.deepEqual(await Promise.all(pages), [true, true, true]);
    const came: unknown[] = [];
    while (came.length < 4) {
      const frame = await peer.next();
      if (frame['type'] !== 'error') came.push(frame['page'] ?? frame['jobId']);
    }
    assert.deepEqual(came, ['urgent', 1, 2, 3]);
  });

  test('a page that waits is let go when the connection is lost', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer, connection } = await welcomed(server, under);
    peer.socket.pause();
    const message = 'x'.repeat(16_000);
    for (let i = 0; i < 1000; i += 1) assert.ok(connection.send({ type: 'error', code: 'filler', message }));
    const page = connection.sendText('sync.page', '{}');
    peer.lose();
    assert.equal(await page, false);
  });

  test('a frame of a stream over 1 MiB is not sent, and says so', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { connection } = await welcomed(server, under);
    assert.equal(await connection.sendText('sync.page', `"${'é'.repeat(600_000)}"`), false);
    assert.ok(under.log.lines.some(({ event, ['type']: type }) => event === 'link.frame-too-large' && type === 'sync.page'));
  });

  test('a frame of our own over 1 MiB is not sent, since it would cost the connection', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer, connection } = await welcomed(server, under);
    assert.ok(connection.send({ type: 'error', code: 'test', message: 'é'.repeat(600_000) }));
    assert.ok(connection.send({ type: 'job.received', jobId: 'next' }));
    assert.deepEqual(await peer.next(), { type: 'job.received', jobId: 'next' });
    assert.ok(under.log.lines.some(({ event }) => event === 'link.frame-too-large'));
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
  const logged = under.log.next('link.job-not-stored');
  peer.send({ type: 'job', job: revokeJob('j') });
  const line = await logged;
  assert.deepEqual([line.level, line.jobId, line['problem']], ['error', 'j', 'disk full']);
});
