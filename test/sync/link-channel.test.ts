import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { jobError } from '../../src/access/outcome.ts';
import type { SyncAnswer } from '../../src/link/link.ts';
import { SyncChannelError } from '../../src/sync/channel.ts';
import { linkChannel } from '../../src/sync/link-channel.ts';
import { settled } from '../support/engine-under-test.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { syncCounts, syncUser } from '../support/sync-samples.ts';

const RECORD = JSON.stringify(syncUser(1));
const BEGIN = { syncId: 's-1', mode: 'delta', baseCursor: 'before' } as const;
const END = { counts: syncCounts(1, 0, 0), cursor: 'after' };

const faulty = (fault: SyncChannelError['fault']) => (error: unknown) =>
  error instanceof SyncChannelError && error.fault === fault;

/** A channel on a link that does as told. */
function onLink({ linked = true, sends = true } = {}) {
  const clock = fakeClock();
  const lost = new AbortController();
  const frames: Record<string, unknown>[] = [];
  let hear: ((answer: SyncAnswer) => boolean) | null = null;
  const connection = {
    send: () => true,
    sendText(_type: string, text: string) {
      if (sends) frames.push(JSON.parse(text) as Record<string, unknown>);
      return Promise.resolve(sends);
    },
    flushed: () => Promise.resolve(),
    signal: lost.signal,
  };
  const channel = linkChannel({
    clock,
    link: {
      open(_syncId, hears) {
        if (!linked) return null;
        hear = hears;
        return {
          connection,
          close() {
            hear = null;
          },
        };
      },
    },
  });
  return {
    clock,
    channel,
    frames,
    lose: () => lost.abort(),
    isOpen: () => hear !== null,
    answer: (answer: Record<string, unknown>) => hear?.(answer as unknown as SyncAnswer),
    ack: (page: number) => hear?.({ type: 'sync.ack', syncId: 's-1', page }),
    ackEnd: () => hear?.({ type: 'sync.ack', syncId: 's-1', end: true }),
  };
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  const over = () => {
    pending = false;
  };
  promise.then(over, over);
  await settled();
  return pending;
}

describe('a stream on a link', () => {
  test('is its begin, its pages as they were written, and its end, whose acknowledgement is awaited', async () => {
    const on = onLink();
    const stream = await on.channel.begin(BEGIN);
    await stream.page([RECORD, RECORD]);
    const ended = stream.end(END);
    assert.ok(await isPending(ended));
    assert.equal(on.ackEnd(), true);
    await ended;
    assert.deepEqual(on.frames, [
      { type: 'sync.begin', ...BEGIN },
      { type: 'sync.page', syncId: 's-1', page: 1, records: [syncUser(1), syncUser(1)] },
      { type: 'sync.end', syncId: 's-1', pages: 1, ...END },
    ]);
    assert.equal(on.isOpen(), false);
    assert.deepEqual(on.clock.pending(), []);
  });

  test('has at most 8 pages outstanding, and one acknowledgement is of all before it', async () => {
    const on = onLink();
    const stream = await on.channel.begin(BEGIN);
    for (let page = 1; page < 8; page += 1) await stream.page([RECORD]);
    const eighth = stream.page([RECORD]);
    assert.ok(await isPending(eighth));
    assert.equal(on.ack(5), true);
    await eighth;
    for (let page = 9; page < 13; page += 1) await stream.page([RECORD]);
    assert.ok(await isPending(stream.page([RECORD])));
  });

  test('knows an acknowledgement of what was never sent', async () => {
    const on = onLink();
    const stream = await on.channel.begin(BEGIN);
    await stream.page([RECORD]);
    assert.equal(on.ack(2), false);
    assert.equal(on.ackEnd(), false);
    assert.equal(on.ack(1), true);
    assert.equal(on.ack(1), true);
  });

  test('is lost with its connection, whatever it waits for', async () => {
    const on = onLink();
    const stream = await on.channel.begin(BEGIN);
    const ended = stream.end(END);
    on.lose();
    await assert.rejects(ended, faulty('lost'));
    await assert.rejects(stream.page([RECORD]), faulty('lost'));
    assert.equal(on.isOpen(), false);
    assert.deepEqual(on.clock.pending(), []);
  });

  test('is over when the control plane refuses it, and says why', async () => {
    const on = onLink();
    const stream = await on.channel.begin(BEGIN);
    const ended = stream.end(END);
    on.answer({ type: 'error', code: 'unknown_cursor', message: 'nothing is stored', ref: 's-1' });
    await assert.rejects(ended, (error) => faulty('refused')(error) && /unknown_cursor: nothing is stored/.test(String(error)));
  });

  test('is over when nothing is acknowledged for two minutes', async () => {
    const on = onLink();
    const stream = await on.channel.begin(BEGIN);
    const ended = stream.end(END);
    await on.clock.armed(120_000);
    on.clock.advance(120_000);
    await assert.rejects(ended, faulty('refused'));
  });

  test('that is aborted says so, and takes no more', async () => {
    const on = onLink();
    const stream = await on.channel.begin(BEGIN);
    const error = jobError('directory_unavailable', 'it went away');
    stream.abort(error);
    stream.abort(error);
    assert.deepEqual(on.frames.slice(1), [{ type: 'sync.abort', syncId: 's-1', error }]);
    await assert.rejects(stream.page([RECORD]), faulty('lost'));
    assert.equal(on.isOpen(), false);
  });

  test('does not begin without a connection, nor on one that takes nothing', async () => {
    await assert.rejects(onLink({ linked: false }).channel.begin(BEGIN), faulty('lost'));
    await assert.rejects(onLink({ sends: false }).channel.begin(BEGIN), faulty('lost'));
  });
});
