import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SyncAnswer } from '../../src/link/link.ts';
import { shareLink } from '../../src/link/share-link.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { fakeLink } from '../support/fake-link.ts';
import { WELCOME } from '../support/link-contract.ts';
import { recordingListener } from '../support/recording-listener.ts';

async function shared() {
  const owner = recordingListener();
  const { listener, streams } = shareLink(owner);
  const link = fakeLink(fakeClock());
  link.start(listener);
  const peer = await link.nextPeer();
  await peer.next();
  return { owner, streams, link, peer };
}

const ack = (syncId: string, page = 1) => ({ type: 'sync.ack', syncId, page });

test('a stream hears what is about it, and nothing else', async () => {
  const { owner, streams, link, peer } = await shared();
  assert.equal(
    streams.open('s-0', () => true),
    null,
    'there is no connection yet',
  );
  peer.send(WELCOME);
  await owner.welcomes.next();
  const heard: SyncAnswer[] = [];
  const stream = streams.open('s-1', (answer) => {
    heard.push(answer);
    return answer.type === 'error' || answer.page === 1;
  });
  assert.ok(stream !== null);
  assert.equal(
    streams.open('s-2', () => true),
    null,
    'one at a time',
  );
  peer.send({ type: 'error', code: 'sync_refused', message: 'm', ref: 'other' });
  peer.send({ type: 'error', code: 'sync_refused', message: 'm', ref: 's-1' });
  peer.send(ack('s-1'));
  peer.send(ack('s-1', 2));
  assert.equal((await peer.next())['code'], 'invalid_frame', 'a page that was never sent');
  assert.deepEqual(
    heard.map((answer) => (answer.type === 'error' ? answer.ref : answer.page)),
    ['s-1', 1, 2],
  );
  peer.send(ack('s-9'));
  assert.equal((await peer.next())['code'], 'invalid_frame', 'a stream that never was');
  stream.close();
  peer.send(ack('s-1'));
  peer.send({ type: 'ack', seq: 1 });
  await owner.acks.next();
  assert.equal(heard.length, 3, 'what was under way when it was closed is dropped');
  await link.stop();
});

test('the owner hears the rest, and a lost connection takes no stream', async () => {
  const { owner, streams, link, peer } = await shared();
  peer.send(WELCOME);
  await owner.welcomes.next();
  peer.lose();
  await owner.losses.next();
  assert.equal(
    streams.open('s-1', () => true),
    null,
  );
  await link.stop();
});

test('a stream may be opened while the owner thinks about the welcome, for it may let waiting work go on', async () => {
  const { owner, streams, link, peer } = await shared();
  const opened = Promise.withResolvers<boolean>();
  const { welcomed } = owner;
  owner.welcomed = (welcome, connection) => {
    opened.resolve(streams.open('s-1', () => true) !== null);
    return welcomed(welcome, connection);
  };
  peer.send(WELCOME);
  assert.equal(await opened.promise, true);
  await link.stop();
});
