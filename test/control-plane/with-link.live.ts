import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/engine/system-clock.ts';
import { openWebSocketLink } from '../../src/link/websocket-link.ts';
import type { WireEvent } from '../../src/protocol/event-frame.ts';
import { capturedLog } from '../support/captured-log.ts';
import { startStub, temporaryFolder } from '../support/control-plane.ts';
import { recordingListener } from '../support/recording-listener.ts';

const GRANT = { connectorId: 'connector-1', user: { username: 'ada' }, group: { name: 'ops' }, durationSeconds: 60 };

/** The real link at the stub, in one process. */
function linkTo({ url, token, ca = null }: { url: string; token: string; ca?: string | null }) {
  const log = capturedLog();
  const link = openWebSocketLink({
    url,
    token: async () => ({ reveal: () => token }),
    ca,
    clock: systemClock,
    random: () => 0,
    logger: log.logger,
  });
  const listener = recordingListener();
  link.start(listener);
  return { log, link, listener, [Symbol.asyncDispose]: () => link.stop() };
}

function event(seq: number, told: WireEvent) {
  return { type: 'event' as const, seq, at: '2026-01-01T00:00:00.000Z', event: told };
}

test('a conversation goes on where it was when the stub comes back from its state file', async () => {
  await using folder = await temporaryFolder();
  const before = await startStub(folder.path);
  const { port } = before;
  await using under = linkTo({ url: before.connectUrl, token: await before.token() });
  const first = await under.listener.welcomes.next();
  await before.request('POST', '/grants', { ...GRANT, connectorId: undefined, grantId: 'g-1', jobId: 'j-1' });
  assert.equal((await under.listener.jobs.next()).jobId, 'j-1');
  first.connection.send(event(1, { kind: 'job.succeeded', jobId: 'j-1', outcome: 'granted' }));
  assert.equal(await under.listener.acks.next(), 1);
  assert.equal(await before.stop(), 0);
  await under.listener.losses.next();

  await using after = await startStub(folder.path, { args: ['--listen', `127.0.0.1:${port}`] });
  const second = await under.listener.welcomes.next();
  assert.equal(second.welcome.ackedSeq, 1);
  second.connection.send(event(2, { kind: 'ledger.replaced', previousLedgerId: 'before' }));
  assert.equal(await under.listener.acks.next(), 2);
  assert.deepEqual(
    (await after.get<{ seq: number }[]>('/events')).map(({ seq }) => seq),
    [1, 2],
  );
  assert.equal(under.listener.jobs.left.length, 0, 'what was received is not sent again');
  assert.deepEqual(await after.get('/violations'), []);
});

test('a job that could not be stored comes again on the next connection', async () => {
  await using folder = await temporaryFolder();
  await using stub = await startStub(folder.path);
  const token = await stub.token();
  await stub.request('POST', '/grants', { ...GRANT, jobId: 'j-1' });
  {
    await using broken = linkTo({ url: stub.connectUrl, token });
    broken.listener.store = () => Promise.reject(new Error('disk full'));
    await broken.log.next('link.job-not-stored');
  }
  await using whole = linkTo({ url: stub.connectUrl, token });
  assert.equal((await whole.listener.jobs.next()).jobId, 'j-1');
});

test('a hundred jobs and their events pass without a violation', async () => {
  await using folder = await temporaryFolder();
  await using stub = await startStub(folder.path);
  await using under = linkTo({ url: stub.connectUrl, token: await stub.token() });
  const { connection } = await under.listener.welcomes.next();
  const count = 100;
  await Promise.all(
    Array.from({ length: count }, (_, i) => stub.request('POST', '/jobs', { job: { jobId: `j-${i}`, kind: 'check' } })),
  );
  for (let seq = 1; seq <= count; seq += 1) {
    const { jobId } = await under.listener.jobs.next();
    connection.send(event(seq, { kind: 'job.succeeded', jobId, outcome: 'done' }));
  }
  while ((await under.listener.acks.next()) < count);
  const jobs = await stub.get<{ state: string }[]>('/jobs');
  assert.equal(jobs.filter(({ state }) => state === 'succeeded').length, count);
  assert.deepEqual(await stub.get('/violations'), []);
});

test('a wrong token is retried at the cap, and says where to look', async () => {
  await using folder = await temporaryFolder();
  await using stub = await startStub(folder.path);
  await using under = linkTo({ url: stub.connectUrl, token: 'wrong' });
  const line = await under.log.next('link.waiting');
  assert.deepEqual([line['httpStatus'], line['retryInMs']], [401, 30_000]);
  assert.match(line.message, /LATCHKEY_CONTROL_PLANE_TOKEN/);
});

test('beyond loopback the link trusts the stub by the CA that it made, and only by it', async () => {
  await using folder = await temporaryFolder();
  await using stub = await startStub(folder.path, { args: ['--listen', '0.0.0.0:0'] });
  const url = stub.connectUrl;
  const token = await stub.token();
  const ca = await readFile(join(folder.path, 'control-plane-ca.pem'), 'utf8');
  {
    await using trusting = linkTo({ url, token, ca });
    await trusting.listener.welcomes.next();
  }
  await using other = linkTo({ url, token });
  const line = await other.log.next('link.waiting');
  assert.match(line.message, /LATCHKEY_CONTROL_PLANE_CA_FILE/);
});
