import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type RunningStub, startStub, temporaryFolder } from '../support/control-plane.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { helloFrame, rawConnector, refusedStatus } from '../support/raw-connector.ts';
import { LEDGER_ID } from '../support/recording-listener.ts';

const GRANT = { connectorId: 'c-1', user: { username: 'ada' }, group: { name: 'ops' }, durationSeconds: 60 };
const VIEW = {
  grantId: 'g-1',
  user: { id: '00000000-0000-0000-0000-000000000001', dn: 'uid=ada,dc=example,dc=com' },
  group: { id: '00000000-0000-0000-0000-000000000002', dn: 'cn=ops,dc=example,dc=com' },
  state: 'active',
  standing: false,
  activatedAt: '2026-01-01T00:00:00.000Z',
  expiresAt: '2026-01-01T00:01:00.000Z',
};
const REPLACED = { kind: 'ledger.replaced', previousLedgerId: 'before' };

async function connect(stub: RunningStub, options: { autoPong?: boolean; token?: string } = {}) {
  return await rawConnector({ url: stub.connectUrl, token: await stub.token(), ...options });
}

async function rules(stub: RunningStub): Promise<string[]> {
  return (await stub.get<{ rule: string }[]>('/violations')).map(({ rule }) => rule);
}

describe('the door', () => {
  test('a wrong token is refused with 401, another path with 404, no subprotocol with 426', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    const token = await stub.token();
    assert.equal(await refusedStatus(stub.connectUrl, { token: 'wrong' }), 401);
    assert.equal(await refusedStatus(stub.connectUrl.replace('/connect', '/other'), { token }), 404);
    assert.equal(await refusedStatus(stub.connectUrl, { token, protocols: ['latchkey.v9'] }), 426);
  });

  test('a token belongs to the first connectorId that uses it, also after a restart', async () => {
    await using folder = await temporaryFolder();
    {
      await using stub = await startStub(folder.path);
      await using connector = await connect(stub);
      assert.equal((await connector.greet())['type'], 'welcome');
    }
    await using stub = await startStub(folder.path);
    await using other = await connect(stub);
    other.send(helloFrame({ connectorId: 'c-2' }));
    assert.equal(await other.closed, 4401);
    assert.deepEqual(await rules(stub), ['token of another connector']);
  });

  test('a first frame that is no valid hello closes with 4400', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    for (const frame of [helloFrame({ ledgerId: 'no-uuid' }), { type: 'job.received', jobId: 'j' }, []]) {
      await using connector = await connect(stub);
      connector.send(frame);
      assert.equal(await connector.closed, 4400);
    }
    assert.deepEqual(await rules(stub), ['bad hello', 'bad hello', 'bad hello']);
  });

  test('who says no hello within 10 s is closed with 4400, and has broken no rule: the network may have lost it', async () => {
    await using folder = await temporaryFolder();
    const clock = fakeClock();
    await using stub = await startStub(folder.path, { clock });
    await using connector = await connect(stub);
    await clock.armed(10_000);
    clock.advance(10_000);
    assert.equal(await connector.closed, 4400);
    assert.deepEqual(await rules(stub), []);
  });

  test('a second connector with the same id is closed with 4409 while the first one answers', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    await using first = await connect(stub);
    await first.greet();
    await using second = await connect(stub);
    second.send(helloFrame({ instanceId: 'i-2' }));
    assert.equal(await second.closed, 4409);
    assert.equal(first.socket.readyState, first.socket.OPEN);
  });

  test('one that does not answer a ping is dropped for the newer', async () => {
    await using folder = await temporaryFolder();
    const clock = fakeClock();
    await using stub = await startStub(folder.path, { clock });
    await using first = await connect(stub, { autoPong: false });
    await first.greet();
    await using second = await connect(stub);
    second.send(helloFrame({ instanceId: 'i-2' }));
    await clock.armed(2000);
    clock.advance(2000);
    assert.equal(await first.closed, 1006);
    assert.equal((await second.next())['type'], 'welcome');
  });

  test('a process that comes again takes its own place at once', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    await using first = await connect(stub);
    await first.greet();
    await using second = await connect(stub);
    assert.equal((await second.greet())['type'], 'welcome');
    assert.equal(await first.closed, 1006);
    const [known] = await stub.get<{ connected: boolean }[]>('/connectors');
    assert.equal(known?.connected, true);
  });

  test('a connector silent for two heartbeats is terminated', async () => {
    await using folder = await temporaryFolder();
    const clock = fakeClock();
    await using stub = await startStub(folder.path, { clock, args: ['--heartbeat', '5'] });
    await using connector = await connect(stub, { autoPong: false });
    assert.equal((await connector.greet())['heartbeatSeconds'], 5);
    clock.advance(10_000);
    assert.equal(await connector.closed, 1006);
  });
});

describe('jobs', () => {
  test('a job waits for its connector, and is sent again until it is received', async () => {
    await using folder = await temporaryFolder();
    const clock = fakeClock();
    await using stub = await startStub(folder.path, { clock });
    const { body } = await stub.request('POST', '/grants', { ...GRANT, grantId: 'g-1', jobId: 'j-1' });
    assert.deepEqual(body, { grantId: 'g-1', jobId: 'j-1' });
    await using connector = await connect(stub);
    await connector.greet();
    const first = await connector.next();
    assert.equal(first['type'], 'job');
    clock.advance(5000);
    assert.deepEqual(await connector.next(), first);
    connector.send({ type: 'job.received', jobId: 'j-1' });
    await stub.request('POST', '/jobs', { job: { jobId: 'j-2', kind: 'check' } });
    assert.equal((await connector.next())['type'], 'job');
    const [received, queued] = await stub.get<{ state: string }[]>('/jobs');
    assert.deepEqual([received?.state, queued?.state], ['received', 'queued']);
    clock.advance(5000);
    assert.equal(((await connector.next())['job'] as { jobId: string }).jobId, 'j-2');
    assert.equal(connector.left.length, 0);
  });

  test('no job comes before the welcome, though many are asked for while the hello is being stored', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    let greeted = false;
    const ask = async (): Promise<void> => {
      while (!greeted) await stub.request('POST', '/grants', { ...GRANT, justification: 'x'.repeat(1000) });
    };
    const asking = Array.from({ length: 8 }, ask);
    const firsts: unknown[] = [];
    for (let time = 0; time < 10; time += 1) {
      await using connector = await connect(stub);
      firsts.push((await connector.greet({ instanceId: `i-${time}` }))['type']);
    }
    greeted = true;
    await Promise.all(asking);
    assert.deepEqual(new Set(firsts), new Set(['welcome']));
  });

  test('an event about a job stands for its receipt', async () => {
    await using folder = await temporaryFolder();
    const clock = fakeClock();
    await using stub = await startStub(folder.path, { clock });
    await using connector = await connect(stub);
    await connector.greet();
    await stub.request('POST', '/jobs', { job: { jobId: 'j-1', kind: 'check' } });
    await connector.next();
    connector.event(1, { kind: 'job.succeeded', jobId: 'j-1', outcome: 'done' });
    assert.deepEqual(await connector.next(), { type: 'ack', seq: 1 });
    clock.advance(5000);
    const job = await stub.get<{ state: string; outcome: string; results: unknown[] }>('/jobs/j-1');
    assert.deepEqual([job.state, job.outcome, job.results.length], ['succeeded', 'done', 1]);
    assert.equal(connector.left.length, 0);
  });

  test('an event that is told again does not stand for the receipt of a job that was sent after it', async () => {
    await using folder = await temporaryFolder();
    const clock = fakeClock();
    await using stub = await startStub(folder.path, { clock });
    const check = { job: { jobId: 'j-1', kind: 'check' } };
    const answer = { kind: 'job.succeeded', jobId: 'j-1', outcome: 'done' };
    {
      await using connector = await connect(stub);
      await connector.greet();
      await stub.request('POST', '/jobs', check);
      await connector.next();
      connector.event(1, answer);
      await connector.next();
    }
    await stub.request('POST', '/jobs', check);
    await using connector = await connect(stub);
    await connector.greet();
    const again = await connector.next();
    connector.event(1, answer);
    assert.deepEqual(await connector.next(), { type: 'ack', seq: 1 });
    clock.advance(5000);
    assert.deepEqual(await connector.next(), again);
  });

  test('the next grant of a grantId waits for the receipt of the one before; a revoke does not', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    for (const jobId of ['j-1', 'j-2']) await stub.request('POST', '/grants', { ...GRANT, grantId: 'g-1', jobId });
    await stub.request('DELETE', '/grants/g-1?reason=enough');
    await using connector = await connect(stub);
    await connector.greet();
    assert.equal(((await connector.next())['job'] as { jobId: string }).jobId, 'j-1');
    const revoke = (await connector.next())['job'] as Record<string, unknown>;
    assert.deepEqual([revoke['kind'], revoke['reason']], ['revoke', 'enough']);
    assert.equal(connector.left.length, 0);
    connector.send({ type: 'job.received', jobId: 'j-1' });
    assert.equal(((await connector.next())['job'] as { jobId: string }).jobId, 'j-2');
  });

  test('a job that is answered with an error frame is not sent again', async () => {
    await using folder = await temporaryFolder();
    const clock = fakeClock();
    await using stub = await startStub(folder.path, { clock });
    await using connector = await connect(stub);
    await connector.greet();
    await stub.request('POST', '/jobs', { job: { jobId: '../..', kind: 'check' } });
    await connector.next();
    connector.send({ type: 'error', code: 'invalid_frame', message: 'no legible jobId', ref: '../..' });
    await stub.stdout.line(/error frame/);
    clock.advance(5000);
    const [job] = await stub.get<{ state: string; error: { code: string } }[]>('/jobs');
    assert.deepEqual([job?.state, job?.error.code], ['refused', 'invalid_frame']);
    assert.equal(connector.left.length, 0);
  });
});

describe('events', () => {
  test('an event is on the disk before it is acknowledged, and told from there after a restart', async () => {
    await using folder = await temporaryFolder();
    {
      await using stub = await startStub(folder.path);
      await using connector = await connect(stub);
      assert.equal((await connector.greet())['ackedSeq'], undefined);
      connector.event(4, REPLACED);
      assert.deepEqual(await connector.next(), { type: 'ack', seq: 4 });
      assert.match(await readFile(join(folder.path, 'state.json'), 'utf8'), /"seq":4/);
    }
    await using stub = await startStub(folder.path);
    await using connector = await connect(stub);
    assert.equal((await connector.greet())['ackedSeq'], 4);
    await using other = await connect(stub);
    assert.equal((await other.greet({ ledgerId: '11111111-2222-4333-8444-555555555555' }))['ackedSeq'], undefined);
    const events = await stub.get<{ index: number; seq: number; ledgerId: string }[]>('/events');
    assert.deepEqual(
      events.map(({ index, seq, ledgerId }) => [index, seq, ledgerId]),
      [[1, 4, LEDGER_ID]],
    );
  });

  test('an event told again after a reconnect is stored once and acknowledged again', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    for (let connection = 0; connection < 2; connection += 1) {
      await using connector = await connect(stub);
      await connector.greet();
      connector.event(1, REPLACED);
      assert.deepEqual(await connector.next(), { type: 'ack', seq: 1 });
    }
    assert.equal((await stub.get<unknown[]>('/events')).length, 1);
    assert.deepEqual(await rules(stub), []);
  });

  test('a long poll answers as soon as an event is stored', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    await using connector = await connect(stub);
    await connector.greet();
    const polled = stub.get<{ seq: number }[]>('/events?after=0&waitSeconds=30');
    connector.event(1, REPLACED);
    assert.deepEqual(
      (await polled).map(({ seq }) => seq),
      [1],
    );
    assert.deepEqual(await stub.get('/events?after=1'), []);
  });

  test('a grant tells its request, its jobs, its last state and its end', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    await stub.request('POST', '/grants', { ...GRANT, grantId: 'g-1', jobId: 'j-1' });
    await using connector = await connect(stub);
    await connector.greet();
    await connector.next();
    connector.event(1, { kind: 'job.succeeded', jobId: 'j-1', outcome: 'granted', grant: VIEW });
    assert.deepEqual(await connector.next(), { type: 'ack', seq: 1 });
    connector.event(2, { kind: 'grant.ended', grant: { ...VIEW, state: 'ended' }, cause: 'expired', membership: 'removed' });
    assert.deepEqual(await connector.next(), { type: 'ack', seq: 2 });
    const grant = await stub.get<Record<string, unknown>>('/grants/g-1');
    assert.deepEqual(grant['jobs'], [{ jobId: 'j-1', kind: 'grant', state: 'succeeded', outcome: 'granted' }]);
    assert.equal((grant['grant'] as { state: string }).state, 'ended');
    assert.deepEqual(grant['ended'], { cause: 'expired', membership: 'removed', at: '2026-01-01T00:00:00.000Z' });
    assert.deepEqual((grant['request'] as { user: unknown }).user, { username: 'ada' });
  });

  test('the pages of a list job are kept', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    await using connector = await connect(stub);
    await connector.greet();
    await stub.request('POST', '/jobs', { job: { jobId: 'l-1', kind: 'list' } });
    await connector.next();
    const pages = [1, 2].map((page) => ({ type: 'grants.page', jobId: 'l-1', page, last: page === 2, grants: [] }));
    for (const page of pages) connector.send(page);
    connector.event(1, { kind: 'job.succeeded', jobId: 'l-1', outcome: 'done', count: 0 });
    await connector.next();
    assert.deepEqual(await stub.get('/pages/l-1'), pages);
  });
});

describe('violations are told loudly', () => {
  const revoked = { kind: 'job.succeeded', jobId: 'r-1', outcome: 'revoked', grant: VIEW };
  const ended = { kind: 'grant.ended', grant: VIEW, cause: 'revoked', membership: 'removed' };
  const frames = (list: readonly unknown[]) => list;
  const event = (seq: number, told: unknown) => ({ type: 'event', seq, at: '2026-01-01T00:00:00.000Z', event: told });
  const cases: readonly [string, readonly unknown[]][] = [
    ['invalid frame', frames(['{'])],
    ['invalid frame', frames([{ type: 'event', seq: 1 }])],
    ['invalid frame', frames([helloFrame()])],
    ['seq not increasing', frames([event(2, REPLACED), event(2, REPLACED)])],
    ['event for an unknown job', frames([event(1, { kind: 'job.succeeded', jobId: 'nobody', outcome: 'done' })])],
    ['job.received for an unknown job', frames([{ type: 'job.received', jobId: 'nobody' }])],
    ['a second result', frames([event(1, revoked), event(2, revoked)])],
    ['a grant ended twice', frames([event(1, ended), event(2, ended)])],
    ["grant.ended after its revoke's job.succeeded", frames([event(1, revoked), event(2, ended)])],
    ['grants.page for no list job', frames([{ type: 'grants.page', jobId: 'r-1', page: 1, last: true, grants: [] }])],
    ['too many unacknowledged events', frames(Array.from({ length: 2000 }, (_, i) => event(i + 1, REPLACED)))],
  ];
  for (const [rule, sent] of cases) {
    test(`${rule}: ${JSON.stringify(sent[0]).slice(0, 60)}`, async () => {
      await using folder = await temporaryFolder();
      await using stub = await startStub(folder.path);
      const job = { jobId: 'r-1', kind: 'revoke', grantId: 'g-1' };
      await stub.request('POST', '/jobs', { connectorId: 'c-1', job });
      await using connector = await connect(stub);
      await connector.greet();
      for (const frame of sent) {
        if (typeof frame === 'string') connector.sendText(frame);
        else connector.send(frame);
      }
      assert.match(await stub.stderr.line(/PROTOCOL VIOLATION/), new RegExp(`by c-1: ${rule}`));
      assert.deepEqual(await rules(stub), [rule]);
    });
  }

  test('a binary frame is refused', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    await using connector = await connect(stub);
    await connector.greet();
    connector.socket.send(Buffer.from('{}'), { binary: true });
    assert.equal((await connector.next())['code'], 'invalid_frame');
    assert.deepEqual(await rules(stub), ['invalid frame']);
  });

  test('one seq with two contents is no duplicate, and the first one stays', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    {
      await using connector = await connect(stub);
      await connector.greet();
      connector.event(1, REPLACED);
      await connector.next();
    }
    await using connector = await connect(stub);
    await connector.greet();
    connector.event(1, { ...REPLACED, previousLedgerId: 'other' });
    await stub.stderr.line(/one seq, two events/);
    const [stored] = await stub.get<{ event: unknown }[]>('/events');
    assert.deepEqual(stored?.event, REPLACED);
  });

  test('a hundred invalid frames within a minute close with 1008', async () => {
    await using folder = await temporaryFolder();
    await using stub = await startStub(folder.path);
    await using connector = await connect(stub);
    await connector.greet();
    for (let i = 0; i < 100; i += 1) connector.sendText('{');
    assert.equal(await connector.closed, 1008);
  });
});
