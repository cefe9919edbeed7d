import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
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
