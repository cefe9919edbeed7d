import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Link } from '../../src/link/link.ts';
import { type RecordingListener, recordingListener } from './recording-listener.ts';

/** The control plane's end of one connection. */
export interface LinkPeer {
  send(frame: unknown): void;
  sendText(text: string): void;
  /** The next frame of the connector; rejects when the connection is closed. */
  next(): Promise<Record<string, unknown>>;
  /** Cuts the connection without a word. */
  lose(): void;
  /** The close code as this end sees it; 1006 where there was none. */
  readonly closed: Promise<number>;
}

export interface LinkUnderTest {
  readonly link: Link;
  nextPeer(): Promise<LinkPeer>;
  close(): Promise<void>;
}

export const WELCOME = { type: 'welcome', sessionId: 's-1', time: '2026-01-01T00:00:00.000Z', heartbeatSeconds: 5 };

/** A revoke job, the shortest there is. */
export function revokeJob(jobId: string) {
  return { jobId, kind: 'revoke', issuedAt: '2026-01-01T00:00:00.000Z', grantId: `grant-of-${jobId}` };
}

const EVENT = { kind: 'ledger.replaced', previousLedgerId: 'before' } as const;

/** What every link keeps, whatever it is made of. */
export function linkContract(name: string, open: () => Promise<LinkUnderTest>): void {
  async function opened(use: (under: LinkUnderTest, listener: RecordingListener) => Promise<void>): Promise<void> {
    const under = await open();
    const listener = recordingListener();
    try {
      under.link.start(listener);
      await use(under, listener);
    } finally {
      await under.link.stop();
      await under.close();
    }
  }

  /** A connection that was welcomed, with its hello taken. */
  async function welcomed(under: LinkUnderTest, listener: RecordingListener) {
    const peer = await under.nextPeer();
    await peer.next();
    peer.send(WELCOME);
    const { connection, welcome } = await listener.welcomes.next();
    return { peer, connection, welcome };
  }

  describe(`link contract: ${name}`, () => {
    test('hello is the first frame on every connection, asked for anew', () =>
      opened(async (under, listener) => {
        const first = await under.nextPeer();
        const hello = await first.next();
        assert.equal(hello['type'], 'hello');
        assert.equal(hello['nextSeq'], 1);
        first.lose();
        const second = await under.nextPeer();
        assert.equal((await second.next())['nextSeq'], 2);
        assert.equal(listener.hellos, 2);
        assert.equal(listener.losses.left.length, 0, 'what was never welcomed is not lost');
      }));

    test('a job before the welcome is refused and reaches nobody', () =>
      opened(async (under, listener) => {
        const peer = await under.nextPeer();
        await peer.next();
        peer.send({ type: 'job', job: revokeJob('early') });
        const refused = await peer.next();
        assert.equal(refused['type'], 'error');
        assert.equal(refused['code'], 'invalid_frame');
        assert.equal(listener.jobs.left.length, 0);
      }));

    test('jobs sent right behind the welcome are taken, in order', () =>
      opened(async (under, listener) => {
        const peer = await under.nextPeer();
        await peer.next();
        peer.send(WELCOME);
        for (const jobId of ['a', 'b', 'c']) peer.send({ type: 'job', job: revokeJob(jobId) });
        for (const jobId of ['a', 'b', 'c']) assert.equal((await listener.jobs.next()).jobId, jobId);
        for (const jobId of ['a', 'b', 'c']) assert.deepEqual(await peer.next(), { type: 'job.received', jobId });
      }));

    test('job.received is sent only after the job is stored', () =>
      opened(async (under, listener) => {
        const disk = Promise.withResolvers<void>();
        listener.store = ({ jobId }) => (jobId === 'slow' ? disk.promise : Promise.resolve());
        const { peer } = await welcomed(under, listener);
        peer.send({ type: 'job', job: revokeJob('slow') });
        peer.send({ type: 'job', job: revokeJob('quick') });
        assert.deepEqual(await peer.next(), { type: 'job.received', jobId: 'quick' });
        disk.resolve();
        assert.deepEqual(await peer.next(), { type: 'job.received', jobId: 'slow' });
      }));

    test('a job that could not be stored is not confirmed, and may come again', () =>
      opened(async (under, listener) => {
        let disk = () => Promise.reject(new Error('disk full'));
        listener.store = () => disk();
        const { peer } = await welcomed(under, listener);
        peer.send({ type: 'job', job: revokeJob('j') });
        peer.send({ type: 'ack', seq: 1 });
        await listener.acks.next();
        disk = () => Promise.resolve() as Promise<never>;
        peer.send({ type: 'job', job: revokeJob('j') });
        assert.deepEqual(await peer.next(), { type: 'job.received', jobId: 'j' });
      }));

    test('a job of unknown kind is the listener’s to answer, since its id is legible', () =>
      opened(async (under, listener) => {
        const { peer } = await welcomed(under, listener);
        peer.send({ type: 'job', job: { jobId: 'odd', kind: 'dance' } });
        const received = await listener.jobs.next();
        assert.equal(received.jobId, 'odd');
        assert.equal(received.job.ok, false);
      }));

    test('a refused frame changes nothing, and what follows is taken', () =>
      opened(async (under, listener) => {
        const { peer } = await welcomed(under, listener);
        for (const text of ['{', '[]', '{"type":"nothing"}', '{"type":"ack","seq":0}', '{"type":"job"}']) {
          peer.sendText(text);
          assert.equal((await peer.next())['code'], 'invalid_frame', text);
        }
        peer.send(WELCOME);
        assert.equal((await peer.next())['code'], 'invalid_frame', 'a second welcome');
        peer.send({ type: 'ack', seq: 3 });
        assert.equal(await listener.acks.next(), 3);
        assert.equal(listener.welcomes.left.length, 0);
      }));

    test('an ack of what was never sent is an invalid frame', () =>
      opened(async (under, listener) => {
        listener.wasSent = false;
        const { peer } = await welcomed(under, listener);
        peer.send({ type: 'ack', seq: 99 });
        const refused = await peer.next();
        assert.equal(refused['type'], 'error');
        assert.equal(refused['code'], 'invalid_frame');
        assert.match(String(refused['ref']), /^[0-9a-f]{64}$/);
      }));

    test('frames arrive in the order of sending', () =>
      opened(async (under, listener) => {
        const { peer, connection } = await welcomed(under, listener);
        for (let seq = 1; seq <= 50; seq += 1) {
          assert.ok(connection.send({ type: 'event', seq, at: '2026-01-01T00:00:00.000Z', event: EVENT }));
        }
        await connection.flushed();
        for (let seq = 1; seq <= 50; seq += 1) assert.equal((await peer.next())['seq'], seq);
      }));

    test('what is said of a sync stream reaches the owner, and an ack of what was never sent is an invalid frame', () =>
      opened(async (under, listener) => {
        const { peer } = await welcomed(under, listener);
        const refusal = { type: 'error', code: 'sync_refused', message: 'no', ref: 's-1' };
        for (const said of [
          { type: 'sync.ack', syncId: 's-1', page: 1 },
          { type: 'sync.ack', syncId: 's-1', end: true },
          refusal,
        ]) {
          peer.send(said);
          assert.deepEqual({ ...(await listener.syncAnswers.next()) }, said);
        }
        listener.wasSent = false;
        peer.send({ type: 'sync.ack', syncId: 's-1', page: 2 });
        assert.equal((await peer.next())['code'], 'invalid_frame');
      }));

    test('frames of a stream keep their order, and are not sent on a lost connection', () =>
      opened(async (under, listener) => {
        const { peer, connection } = await welcomed(under, listener);
        const sent = [1, 2, 3].map((page) =>
          connection.sendText('sync.page', `{"type":"sync.page","syncId":"s-1","page":${page},"records":[]}`),
        );
        assert.deepEqual(await Promise.all(sent), [true, true, true]);
        for (const page of [1, 2, 3]) assert.equal((await peer.next())['page'], page);
        peer.lose();
        await listener.losses.next();
        assert.equal(await connection.sendText('sync.page', '{}'), false);
      }));

    test('a lost connection is told once, takes no more, and lets go of who waits', () =>
      opened(async (under, listener) => {
        const { peer, connection } = await welcomed(under, listener);
        peer.lose();
        await listener.losses.next();
        assert.ok(connection.signal.aborted);
        assert.equal(connection.send({ type: 'job.received', jobId: 'late' }), false);
        await connection.flushed();
        const next = await welcomed(under, listener);
        assert.equal(next.connection.signal.aborted, false);
        assert.equal(listener.losses.left.length, 0);
      }));

    test('what is stored after the connection was lost is confirmed to nobody', () =>
      opened(async (under, listener) => {
        const disk = Promise.withResolvers<void>();
        listener.store = () => disk.promise;
        const { peer } = await welcomed(under, listener);
        peer.send({ type: 'job', job: revokeJob('j') });
        peer.send({ type: 'ack', seq: 1 });
        await listener.acks.next();
        peer.lose();
        await listener.losses.next();
        const next = await welcomed(under, listener);
        disk.resolve();
        await listener.jobs.next();
        next.connection.send({ type: 'job.received', jobId: 'marker' });
        assert.deepEqual(await next.peer.next(), { type: 'job.received', jobId: 'marker' });
      }));

    test('a replaced ledger closes with 1001 and says hello again', () =>
      opened(async (under, listener) => {
        listener.answer = 'replaced';
        const first = await welcomed(under, listener);
        assert.equal(await first.peer.closed, 1001);
        await listener.losses.next();
        listener.answer = 'accepted';
        await welcomed(under, listener);
        assert.equal(listener.hellos, 2);
      }));

    test('after stopReading no job is taken, acks still are, on this connection and on later ones', () =>
      opened(async (under, listener) => {
        const first = await welcomed(under, listener);
        under.link.stopReading();
        first.peer.send({ type: 'job', job: revokeJob('j') });
        first.peer.send({ type: 'ack', seq: 1 });
        assert.equal(await listener.acks.next(), 1);
        first.peer.lose();
        const second = await welcomed(under, listener);
        second.peer.send({ type: 'job', job: revokeJob('j') });
        second.peer.send({ type: 'ack', seq: 2 });
        assert.equal(await listener.acks.next(), 2);
        assert.equal(listener.jobs.left.length, 0);
      }));

    test('stop closes with 1001, tells the loss, and dials no more', () =>
      opened(async (under, listener) => {
        const { peer } = await welcomed(under, listener);
        await under.link.stop();
        assert.equal(await peer.closed, 1001);
        await listener.losses.next();
        assert.equal(under.link.status().state, 'stopped');
        assert.equal(listener.hellos, 1);
      }));

    test('the status tells idle, connecting, connected, stopped', async () => {
      const under = await open();
      const listener = recordingListener();
      try {
        assert.equal(under.link.status().state, 'idle');
        under.link.start(listener);
        const peer = await under.nextPeer();
        await peer.next();
        assert.equal(under.link.status().state, 'connecting');
        peer.send(WELCOME);
        peer.send({ type: 'ack', seq: 1 });
        await listener.acks.next();
        assert.equal(under.link.status().state, 'connected');
      } finally {
        await under.link.stop();
        await under.close();
      }
      assert.equal(under.link.status().state, 'stopped');
    });
  });
}
