import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

const LOGGER = new URL('../../src/observability/pino-logger.ts', import.meta.url).href;
const LOGGING = `
  const { createLogger } = await import(${JSON.stringify(LOGGER)});
  const log = createLogger({ level: 'info' });
  for (let line = 0; line < 2000; line += 1) log.info({ event: 'x' }, 'y'.repeat(1000));
  process.stderr.write('went on');
`;

test('a log that cannot be written ends nothing, and does not throw where something is logged', {
  skip: existsSync('/dev/full') ? false : 'needs /dev/full',
}, () => {
  const full = openSync('/dev/full', 'w');
  try {
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', LOGGING], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: 'went on' });
  } finally {
    closeSync(full);
  }
});

test('a reader of the log that stalls holds up nothing, and reads what was kept and what comes after it when it goes on', async (t) => {
  // More is logged than waits, so that some of it is lost.
  const asked = `process.stdin.on('data', () => log.info({ event: 'x' }, 'later'));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', `${LOGGING}${asked}`]);
  t.after(() => child.kill('SIGKILL'));
  const [said] = (await once(child.stderr, 'data')) as [Buffer];
  assert.equal(said.toString('utf8'), 'went on');
  const messages: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    messages.push((JSON.parse(line) as { msg: string }).msg);
    if (messages.at(-1) === 'later') break;
    child.stdin.write('log something');
  }
  assert.equal(messages[0], 'y'.repeat(1000));
  assert.ok(messages.length > 500 && messages.length < 2000, `${messages.length}`);
});
