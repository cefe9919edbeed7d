import assert from 'node:assert/strict';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { SyncOutcome, SyncRequest } from '../../src/engine/sync-request.ts';
import { askOperator } from '../../src/operator/ask.ts';
import { openOperatorSocket } from '../../src/operator/operator-socket.ts';
import { capturedLog } from '../support/captured-log.ts';
import { scratchFolder } from '../support/ledgers-under-test.ts';

const REQUEST = { request: 'sync', mode: 'full', acceptRemovals: 'held-1' } as const;

async function opened(t: TestContext, answer: (request: SyncRequest, signal: AbortSignal) => Promise<SyncOutcome>) {
  const stateDir = await scratchFolder();
  const log = capturedLog();
  // What an earlier process that was killed leaves behind.
  await writeFile(join(stateDir, 'operator.sock'), '');
  let progress: ((records: number) => void) | null = null;
  const socket = await openOperatorSocket({
    stateDir,
    requestSync: answer,
    onProgress(tell) {
      progress = tell;
      return () => {
        progress = null;
      };
    },
    logger: log.logger,
  });
  t.after(async () => {
    await socket.close();
    await rm(stateDir, { recursive: true, force: true });
  });
  return { stateDir, log, socket, tell: (records: number) => progress?.(records) };
}

test('a request reaches the connector as it was made, and its progress and outcome come back', async (t) => {
  const asked: SyncRequest[] = [];
  const { stateDir, tell } = await opened(t, async (request) => {
    asked.push(request);
    tell(500);
    return { kind: 'failed', error: { code: 'removals_held', message: 'too many', retryable: false } };
  });
  assert.equal((await stat(join(stateDir, 'operator.sock'))).mode & 0o777, 0o600);
  const seen: number[] = [];
  const answer = await askOperator({ stateDir, request: REQUEST }, (records) => seen.push(records));
  assert.deepEqual(answer, { answer: 'failed', error: { code: 'removals_held', message: 'too many' } });
  assert.deepEqual(seen, [500]);
  assert.deepEqual(asked, [{ mode: 'full', acceptRemovals: 'held-1', notAfter: null }]);
});

test('what is no request is refused, and a line without an end is not waited for', async (t) => {
  const { stateDir } = await opened(t, async () => ({ kind: 'done' }));
  const said = (text: string) =>
    new Promise<string>((resolve) => {
      let answer = '';
      const socket = connect(join(stateDir, 'operator.sock'), () => socket.write(text));
      socket.on('data', (chunk) => {
        answer += String(chunk);
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(answer));
    });
  for (const text of ['hello\n', '{"request":"stop"}\n', '{"request":"sync","mode":"half"}\n', 'null\n'])
    assert.match(await said(text), /"answer":"refused"/);
  assert.equal(await said('x'.repeat(200_000)), '');
});

test('whoever asked and goes away ends the waiting, and so does a stop', async (t) => {
  const waits = Promise.withResolvers<AbortSignal>();
  const { stateDir, socket } = await opened(t, (_request, signal) => {
    waits.resolve(signal);
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  });
  const asking = askOperator({ stateDir, request: REQUEST }, () => undefined);
  const signal = await waits.promise;
  await socket.close();
  assert.deepEqual(await asking, { answer: 'lost' });
  assert.ok(signal.aborted);
  assert.deepEqual(await askOperator({ stateDir, request: REQUEST }, () => undefined), { answer: 'absent' });
});

test('a state directory whose path is too long for a socket is said, and stops nothing', async (t) => {
  const folder = await scratchFolder();
  t.after(() => rm(folder, { recursive: true, force: true }));
  const stateDir = join(folder, 'x'.repeat(120));
  await mkdir(stateDir);
  const log = capturedLog();
  const socket = await openOperatorSocket({
    stateDir,
    requestSync: async () => ({ kind: 'done' }),
    onProgress: () => () => undefined,
    logger: log.logger,
  });
  assert.equal((await log.next('operator.unavailable')).level, 'warn');
  await socket.close();
});
