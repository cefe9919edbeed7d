import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/engine/system-clock.ts';
import { shareLink } from '../../src/link/share-link.ts';
import { openWebSocketLink } from '../../src/link/websocket-link.ts';
import { type SyncChannel, SyncChannelError } from '../../src/sync/channel.ts';
import { linkChannel } from '../../src/sync/link-channel.ts';
import { capturedLog } from '../support/captured-log.ts';
import { type RunningStub, startStub, temporaryFolder } from '../support/control-plane.ts';
import { recordingListener } from '../support/recording-listener.ts';
import { SAMPLE, type StreamWords, standing, syncCounts, syncGroup, syncMembers, syncUser } from '../support/sync-samples.ts';

/** A real link at the stub, and the way of streams on it. */
async function linkTo(url: string, token: string) {
  const listener = recordingListener();
  const { listener: shared, streams } = shareLink(listener);
  const link = openWebSocketLink({
    url,
    token: async () => ({ reveal: () => token }),
    ca: null,
    clock: systemClock,
    random: () => 0,
    logger: capturedLog().logger,
  });
  link.start(shared);
  const { connection } = await listener.welcomes.next();
  const channel = linkChannel({ link: streams, clock: systemClock });
  return { listener, connection, channel, [Symbol.asyncDispose]: () => link.stop() };
}

async function tell(channel: SyncChannel, { syncId, mode = 'full', baseCursor = null, pages, counts, cursor }: TellWords) {
  const stream = await channel.begin({ syncId, mode, baseCursor });
  for (const records of pages) await stream.page(records.map((record) => JSON.stringify(record)));
  await stream.end({ counts, cursor: cursor ?? `after-${syncId}` });
}
type TellWords = Omit<StreamWords, 'baseCursor'> & { readonly baseCursor?: string | null };

const usernames = async (stub: RunningStub) =>
  (await stub.get<{ username: string }[]>('/users?limit=100000')).map(({ username }) => username);

test('a directory of forty full pages reaches the stub, with events in between, and a delta after it', async () => {
  await using folder = await temporaryFolder();
  await using stub = await startStub(folder.path);
  await using under = await linkTo(stub.connectUrl, await stub.token());
  const users = Array.from({ length: 20_000 }, (_, number) => syncUser(number + 1));
  const pages = Array.from({ length: 40 }, (_, page) => users.slice(page * 500, page * 500 + 500));
  const members = syncMembers(1, [standing(1), standing(20_000)], { reset: true });
  const told = tell(under.channel, {
    syncId: 'big',
    pages: [...pages, [syncGroup(1), members]],
    counts: syncCounts(20_000, 1, 2),
  });
  for (let seq = 1; seq <= 20; seq += 1) {
    under.connection.send({
      type: 'event',
      seq,
      at: '2026-01-01T00:00:00.000Z',
      event: { kind: 'ledger.replaced', previousLedgerId: `before-${seq}` },
    });
  }
  while ((await under.listener.acks.next()) < 20);
  await told;
  assert.equal((await usernames(stub)).length, 20_000);
  await tell(under.channel, {
    syncId: 'small',
    mode: 'delta',
    baseCursor: 'after-big',
    pages: [[syncUser(20_001)]],
    counts: syncCounts(20_001, 1, 2),
  });
  assert.equal((await usernames(stub)).at(-1), 'user20001');
  assert.deepEqual(await stub.get('/violations'), []);
});

test('a stream that the stub refuses ends as refused, and the next one is taken', async () => {
  await using folder = await temporaryFolder();
  await using stub = await startStub(folder.path);
  await using under = await linkTo(stub.connectUrl, await stub.token());
  await tell(under.channel, SAMPLE);
  const refused = tell(under.channel, { ...SAMPLE, syncId: 's-2', counts: syncCounts(9, 9, 9) });
  await assert.rejects(refused, (error) => error instanceof SyncChannelError && error.fault === 'refused');
  const unreadable = tell(under.channel, { ...SAMPLE, syncId: 's-3', pages: [[{ ...syncUser(1), username: '' }]] });
  await assert.rejects(unreadable, (error) => error instanceof SyncChannelError && error.fault === 'refused');
  await tell(under.channel, { ...SAMPLE, syncId: 's-4' });
});

test('a stub that goes away in the middle of a stream has the picture of before, and takes another', async () => {
  await using folder = await temporaryFolder();
  const before = await startStub(folder.path);
  const { port } = before;
  await using under = await linkTo(before.connectUrl, await before.token());
  await tell(under.channel, SAMPLE);
  const stream = await under.channel.begin({ syncId: 's-2', mode: 'full', baseCursor: null });
  await stream.page([JSON.stringify(syncUser(7))]);
  await before.stop();
  await under.listener.losses.next();
  await assert.rejects(
    stream.end({ counts: syncCounts(1, 0, 0), cursor: 'c' }),
    (error) => error instanceof SyncChannelError && error.fault === 'lost',
  );
  await using after = await startStub(folder.path, { args: ['--listen', `127.0.0.1:${port}`] });
  await under.listener.welcomes.next();
  assert.deepEqual(await usernames(after), ['user1', 'user2']);
  await tell(under.channel, { ...SAMPLE, syncId: 's-3', mode: 'delta', baseCursor: 'after-s-1', pages: [] });
  assert.deepEqual(await after.get('/violations'), []);
});
