import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { OperatorNews, OperatorRequest, OperatorResult } from '../../src/access/operator.ts';
import { askOperator } from '../../src/operator/ask.ts';
import { openOperatorSocket } from '../../src/operator/operator-socket.ts';
import { capturedLog } from '../support/captured-log.ts';
import { scratchFolder } from '../support/ledgers-under-test.ts';

const REQUEST = { request: 'sync', mode: 'full', acceptRemovals: 'held-1' } as const;

type Perform = (request: OperatorRequest, tell: (news: OperatorNews) => void, signal: AbortSignal) => Promise<OperatorResult>;

async function opened(t: TestContext, perform: Perform, beneath = '.') {
  const folder = await scratchFolder();
  const stateDir = join(folder, beneath);
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const log = capturedLog();
  // What an earlier process that was killed leaves behind.
  await writeFile(join(stateDir, 'operator.sock'), '');
  const socket = await openOperatorSocket({ stateDir, perform, logger: log.logger });
  t.after(async () => {
    await socket.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { stateDir, log, socket };
}

test('a request reaches the connector as it was made, and its progress and outcome come back', async (t) => {
  const asked: OperatorRequest[] = [];
  const { stateDir } = await opened(t, async (request, tell) => {
    asked.push(request);
    tell({ answer: 'progress', records: 500 });
    return { answer: 'failed', error: { code: 'removals_held', message: 'too many' } };
  });
  assert.equal((await stat(join(stateDir, 'operator.sock'))).mode & 0o777, 0o600);
  const seen: OperatorNews[] = [];
  const answer = await askOperator({ stateDir, request: REQUEST }, (news) => seen.push(news));
  assert.deepEqual(answer, { answer: 'failed', error: { code: 'removals_held', message: 'too many' } });
  assert.deepEqual(seen, [{ answer: 'progress', records: 500 }]);
  assert.deepEqual(asked, [REQUEST]);
});

test('what is no request is refused, and a line without an end is not waited for', async (t) => {
  const { stateDir } = await opened(t, async () => ({ answer: 'done' }));
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
  const { stateDir, socket } = await opened(t, (_request, _tell, signal) => {
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

test('a state directory whose path is too long for a socket is reached all the same', {
  skip: process.platform !== 'linux' && 'only Linux has a way around',
}, async (t) => {
  const { stateDir } = await opened(t, async () => ({ answer: 'done' }), 'x'.repeat(120));
  assert.equal((await stat(join(stateDir, 'operator.sock'))).mode & 0o777, 0o600);
  assert.deepEqual(await askOperator({ stateDir, request: REQUEST }, () => undefined), { answer: 'done' });
});

test('a socket that cannot be opened is said, and stops nothing', async (t) => {
  const folder = await scratchFolder();
  t.after(() => rm(folder, { recursive: true, force: true }));
  const log = capturedLog();
  const perform = async () => ({ answer: 'done' }) as const;
  const socket = await openOperatorSocket({ stateDir: join(folder, 'nowhere'), perform, logger: log.logger });
  assert.equal((await log.next('operator.unavailable')).level, 'warn');
  await socket.close();
});

test('another user of the machine is refused by the mode of the socket alone', {
  skip: process.getuid?.() !== 0 && 'only root can be another user',
}, async (t) => {
  const { stateDir } = await opened(t, async () => ({ answer: 'done' }));
  // The directory above is closed to others too; here it is open, so that it is the socket that refuses.
  for (const folder of [stateDir]) await chmod(folder, 0o755);
  const script = `process.setgid(65534); process.setuid(65534);
    require('node:net').connect(${JSON.stringify(join(stateDir, 'operator.sock'))})
      .on('connect', () => process.exit(0)).on('error', (error) => { process.stdout.write(error.code); process.exit(3); });`;
  const child = spawn(process.execPath, ['--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  const [code] = (await once(child, 'close')) as [number];
  assert.deepEqual([code, text], [3, 'EACCES']);
});
