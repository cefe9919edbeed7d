import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SyncRecord } from '../../src/access/sync.ts';
import { type RunningStub, startStub, temporaryFolder } from '../support/control-plane.ts';
import { helloFrame, rawConnector } from '../support/raw-connector.ts';
import {
  goneUser,
  groupId,
  SAMPLE,
  type StreamWords,
  standing,
  syncCounts,
  syncFrames,
  syncGroup,
  syncMembers,
  syncUser,
  userId,
} from '../support/sync-samples.ts';

type Connector = Awaited<ReturnType<typeof connect>>;
interface ToldStream {
  readonly syncId: string;
  readonly state: string;
  readonly problem: string | null;
}

async function connect(stub: RunningStub, hello: Record<string, unknown> = {}) {
  const connector = await rawConnector({ url: stub.connectUrl, token: await stub.token() });
  await connector.greet(hello);
  return connector;
}

/** Sends a stream as a connector must, one page after the other; resolves when its end is acknowledged. */
async function stream(connector: Connector, words: StreamWords): Promise<void> {
  const { begin, pages, end } = syncFrames(words);
  connector.send(begin);
  for (const page of pages) {
    connector.send(page);
    assert.deepEqual(await connector.next(), { type: 'sync.ack', syncId: words.syncId, page: page.page });
  }
  connector.send(end);
  assert.deepEqual(await connector.next(), { type: 'sync.ack', syncId: words.syncId, end: true });
}

const usernames = async (stub: RunningStub, query = '') =>
  (await stub.get<{ username: string }[]>(`/users${query}`)).map(({ username }) => username);
const states = async (stub: RunningStub) => (await stub.get<ToldStream[]>('/syncs')).map(({ syncId, state }) => [syncId, state]);
const rules = async (stub: RunningStub) => (await stub.get<{ rule: string }[]>('/violations')).map(({ rule }) => rule);

const DELTA: StreamWords = {
  syncId: 's-2',
  mode: 'delta',
  baseCursor: 'after-s-1',
  pages: [[syncUser(3), syncMembers(1, [standing(3)]), goneUser(2)]],
  counts: syncCounts(2, 2, 2),
};

describe('what a stream has told', () => {
  test('is shown over HTTP, is changed by a delta, and is there after a restart', async () => {
    await using folder = await temporaryFolder();
    {
      await using stub = await startStub(folder.path);
      await using connector = await connect(stub);
      await stream(connector, SAMPLE);
      assert.deepEqual(await usernames(stub), ['user1', 'user2']);
      assert.deepEqual(await usernames(stub, '?q=M%C3%9Cller'), ['user2']);
      assert.deepEqual(await usernames(stub, '?skip=1&limit=1'), ['user2']);
      assert.deepEqual(await usernames(stub, '?connectorId=other'), []);
      const groups = await stub.get<{ name: string; members: number }[]>('/groups');
      assert.deepEqual(
        groups.map(({ name, members }) => [name, members]),
        [
          ['group1', 2],
          ['group2', 1],
        ],
      );
      assert.deepEqual(await stub.get(`/groups/${groupId(2)}/members`), [
        { userId: userId(2), source: 'grant', grantId: 'g-1', username: 'user2', dn: 'uid=user2,ou=people,dc=example' },
      ]);
      assert.equal((await stub.request('GET', `/groups/${groupId(9)}/members`)).status, 404);
      await stream(connector, DELTA);
    }
    await using stub = await startStub(folder.path);
    assert.deepEqual(await usernames(stub), ['user1', 'user3']);
    const [known] = await stub.get<{ picture: { cursor: string; counts: unknown } }[]>('/connectors');
    assert.deepEqual([known?.picture.cursor, known?.picture.counts], ['after-s-2', DELTA.counts]);
    await using connector = await connect(stub);
    await stream(connector, { syncId: 's-3', mode: 'delta', baseCursor: 'after-s-2', pages: [], counts: DELTA.counts });
    assert.deepEqual(await rules(stub), []);
  });

  test('is asked for by a job', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    await using one = await connect(stub);
    await stream(one, SAMPLE);
    const { status } = await stub.request('POST', '/syncs', { mode: 'full', connectorId: 'c-1' });
    assert.equal(status, 201);
    const frame = await one.next();
    assert.deepEqual((frame['job'] as { kind: string; mode: string }).mode, 'full');
  });
});

describe('a stream that does not come to its end', () => {
  test('changes nothing: aborted, or its connection lost', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    await using connector = await connect(stub);
    await stream(connector, SAMPLE);
    const error = { code: 'directory_unavailable', message: 'it went away', retryable: true };
    const { begin, pages } = syncFrames({ ...SAMPLE, syncId: 'aborted' });
    connector.send(begin);
    connector.send(pages[0]);
    assert.equal((await connector.next())['page'], 1);
    connector.send({ type: 'sync.abort', syncId: 'aborted', error });
    connector.send(syncFrames({ ...SAMPLE, syncId: 'lost' }).begin);
    connector.send({ ...pages[0], syncId: 'lost' });
    assert.equal((await connector.next())['page'], 1);
    connector.socket.terminate();
    await connector.closed;
    await using again = await connect(stub, { instanceId: 'i-2' });
    assert.deepEqual(await states(stub), [
      ['s-1', 'stored'],
      ['aborted', 'aborted'],
      ['lost', 'lost'],
    ]);
    await stream(again, DELTA);
    assert.deepEqual(await rules(stub), []);
  });
});

describe('a stream that breaks the protocol is refused by its id, and the picture stays', () => {
  const { begin, pages, end } = syncFrames({ ...SAMPLE, syncId: 'bad' });
  const [first, second] = pages;
  const tooLarge = Array.from({ length: 500 }, (_, number) =>
    syncUser(number + 1, { fullName: 'x'.repeat(1100) }),
  ) as readonly SyncRecord[];
  const cases: readonly [string, readonly unknown[]][] = [
    ['pages out of order', [begin, second]],
    ['wrong number of pages', [begin, first, end]],
    ['wrong counts', [begin, ...pages, { ...end, counts: syncCounts(1, 1, 1) }]],
    ['records out of order', [begin, { ...first, records: [syncGroup(1), syncUser(1)] }]],
    ['members of an unknown group', [begin, { ...first, records: [syncMembers(1, [])] }]],
    ['a delta on an unknown cursor', [{ ...begin, mode: 'delta', baseCursor: 'of someone else' }]],
    ['a delta on an unknown cursor', [{ ...begin, mode: 'delta' }]],
    ['a page too large', [begin, { ...first, records: tooLarge }]],
    ['sync.page of no stream', [first]],
    ['sync.end of no stream', [end]],
    [
      'sync.abort of no stream',
      [{ type: 'sync.abort', syncId: 'bad', error: { code: 'internal', message: '', retryable: true } }],
    ],
    ['a syncId used again', [{ ...begin, syncId: 's-1' }]],
    ['invalid frame', [begin, { ...first, records: [{ record: 'user' }] }]],
  ];
  for (const [rule, frames] of cases) {
    test(`${rule}: ${frames.length} frames`, async () => {
      await using folder = await temporaryFolder();
      await using stub = await startStub(folder.path);
      await using connector = await connect(stub);
      await stream(connector, SAMPLE);
      for (const frame of frames) connector.send(frame);
      let answer = await connector.next();
      while (answer['type'] === 'sync.ack') answer = await connector.next();
      assert.equal(answer['type'], 'error');
      assert.equal(answer['ref'], rule === 'a syncId used again' ? 's-1' : 'bad');
      assert.deepEqual(await rules(stub), [rule]);
      assert.deepEqual(await usernames(stub), ['user1', 'user2']);
      await stream(connector, DELTA);
    });
  }

  test('a second stream is refused, and the first goes on', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    await using connector = await connect(stub);
    const sample = syncFrames(SAMPLE);
    connector.send(sample.begin);
    connector.send(begin);
    assert.equal((await connector.next())['ref'], 'bad');
    for (const page of sample.pages) connector.send(page);
    connector.send(sample.end);
    for (const { page } of sample.pages) assert.equal((await connector.next())['page'], page);
    assert.equal((await connector.next())['end'], true);
    assert.deepEqual(await rules(stub), ['a second stream']);
  });
});

describe('acknowledgements that are lost', () => {
  test('of pages: the ninth that is outstanding breaks the rule', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    await using connector = await connect(stub);
    await stub.request('POST', '/faults', { lose: 'page', count: 100 });
    const { begin, pages } = syncFrames({
      syncId: 'much',
      pages: Array.from({ length: 9 }, (_, number) => [syncUser(number + 1)]),
      counts: syncCounts(9, 0, 0),
    });
    connector.send(begin);
    for (const page of pages) connector.send(page);
    const refused = await connector.next();
    assert.deepEqual([refused['type'], refused['ref']], ['error', 'much']);
    assert.deepEqual(await rules(stub), ['too many outstanding pages']);
  });

  test('of the end: the delta that builds on what stood before is told so, and is no violation', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    await using connector = await connect(stub);
    await stream(connector, SAMPLE);
    const answer = await stub.request('POST', '/faults', { lose: 'end', count: 1 });
    assert.deepEqual(answer.body, { event: 0, page: 0, end: 1 });
    const { begin, pages, end } = syncFrames(DELTA);
    for (const frame of [begin, ...pages, end]) connector.send(frame);
    assert.equal((await connector.next())['page'], 1);
    await stub.stdout.line(/stored the delta sync s-2/);
    // The stream has ended, and nobody said so: the connector begins again from where it was.
    connector.socket.terminate();
    await using again = await connect(stub, { instanceId: 'i-2' });
    again.send({ ...begin, syncId: 's-3' });
    const refused = await again.next();
    assert.deepEqual([refused['type'], refused['code'], refused['ref']], ['error', 'unknown_cursor', 's-3']);
    await stream(again, { ...SAMPLE, syncId: 's-4' });
    assert.deepEqual(await rules(stub), []);
    assert.deepEqual(await states(stub), [
      ['s-1', 'stored'],
      ['s-2', 'stored'],
      ['s-3', 'refused'],
      ['s-4', 'stored'],
    ]);
  });

  test('of events: they are stored all the same', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    await using connector = await connect(stub);
    await stub.request('POST', '/faults', { lose: 'event', count: 1 });
    connector.event(1, { kind: 'ledger.replaced', previousLedgerId: 'before' });
    await stub.get('/events?waitSeconds=10');
    connector.event(2, {
      kind: 'sync.failed',
      syncId: 's-1',
      mode: 'full',
      error: { code: 'removals_held', message: '', retryable: false },
    });
    assert.deepEqual(await connector.next(), { type: 'ack', seq: 2 });
    assert.equal((await stub.get<unknown[]>('/events')).length, 2);
  });

  test('what is not known as a fault is refused with what was expected', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    for (const body of [{ lose: 'all', count: 1 }, { lose: 'page' }, { lose: 'page', count: -1 }])
      assert.equal((await stub.request('POST', '/faults', body)).status, 400);
    assert.deepEqual(await stub.get('/faults'), { event: 0, page: 0, end: 0 });
  });
});

test('a hello may say how much there is', async () => {
  await using folder = await temporaryFolder();
  await using stub = await startStub(folder.path);
  const directory = {
    vendor: 'v',
    flavour: 'generic',
    baseDn: 'dc=x',
    usersScope: [],
    groupsScope: [],
    counts: { users: 3, groups: 1 },
  };
  await using connector = await rawConnector({ url: stub.connectUrl, token: await stub.token() });
  connector.send(helloFrame({ directory, capabilities: ['sync', 'sync-delta'] }));
  assert.equal((await connector.next())['type'], 'welcome');
});
