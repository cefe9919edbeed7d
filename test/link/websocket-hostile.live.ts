import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { anyCharacter } from '../support/any-character.ts';
import { linked, serving, TOKEN, welcomed } from '../support/linked.ts';

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
      '{"type":"ack","seq":9,"seq":4}',
      `{"type":"job","job":{${job},"grantId":"other"}}`,
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
    peer.sendText(`{"type":"job","job":{${job},"__proto__":{"kind":"grant"}}}`);
    const received = await under.listener.jobs.next();
    assert.ok(received.job.ok && received.job.value.kind === 'revoke');
    assert.equal(({} as Record<string, unknown>)['kind'], undefined);
    assert.equal(under.listener.jobs.left.length, 0);
  });

  test('of pings that come faster than answers can leave, the latest is answered', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under);
    const total = 100_000;
    let answers = 0;
    const last = new Promise<void>((resolve) => {
      peer.socket.on('pong', (content: Buffer) => {
        answers += 1;
        if (content.toString() === String(total)) resolve();
      });
    });
    for (let i = 1; i <= total; i += 1) peer.socket.ping(String(i));
    await last;
    assert.ok(answers < total / 10, `${answers} answers`);
    assert.equal(under.link.status().state, 'connected');
  });

  test('no text crashes the link', async () => {
    await using server = await serving();
    await using under = await linked(server.url);
    under.link.start(under.listener);
    const { peer } = await welcomed(server, under);
    const frame = fc.record({
      type: fc.constantFrom('welcome', 'ack', 'error', 'job', 'hello'),
      job: fc.jsonValue({ maxDepth: 3 }),
      seq: fc.jsonValue({ maxDepth: 3 }),
    });
    const texts = fc.oneof(
      fc.json({ maxDepth: 3 }),
      fc.string({ unit: anyCharacter }),
      frame.map((value) => JSON.stringify(value)),
    );
    // Fewer than a hundred, or the connection is rightly closed.
    for (const text of fc.sample(texts, 60)) peer.sendText(text);
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
    assert.ok(under.log.lines.filter(({ event }) => event === 'link.peer-error').length <= 100);
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
