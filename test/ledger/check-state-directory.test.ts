import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { checkStateDirectory } from '../../src/ledger/sqlite/check-state-directory.ts';

suite('a state directory that is checked', () => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-state-check-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('need not be there, and is not made', async () => {
    const stateDir = join(folder, 'one', 'two');
    const step = await checkStateDirectory(stateDir);
    assert.deepEqual([step.step, step.status], ['state directory', 'ok']);
    assert.match(step.detail, /two will be made; \d+ MiB are free/);
    assert.ok(!existsSync(join(folder, 'one')));
  });

  test('is private, and says what it holds', async () => {
    const stateDir = join(folder, 'private');
    mkdirSync(stateDir, { mode: 0o700 });
    assert.match((await checkStateDirectory(stateDir)).detail, /mode 700\), no ledger yet, \d+ MiB free$/);
    writeFileSync(join(stateDir, 'ledger.db'), Buffer.alloc(1024 * 1024 + 1));
    const step = await checkStateDirectory(stateDir);
    assert.equal(step.status, 'ok');
    assert.match(step.detail, /a ledger of 2 MiB/);
    chmodSync(stateDir, 0o755);
    const open = await checkStateDirectory(stateDir);
    assert.equal(open.status, 'warn');
    assert.match(open.detail, /mode 755/);
  });

  test('is no file', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, '');
    assert.match((await checkStateDirectory(path)).detail, /is no directory/);
    const beneath = await checkStateDirectory(join(path, 'state'));
    assert.equal(beneath.status, 'fail');
  });

  test('must be writable by this user', { skip: process.getuid?.() === 0 ? 'root may write anywhere' : false }, async () => {
    const stateDir = join(folder, 'closed');
    mkdirSync(stateDir, { mode: 0o500 });
    const step = await checkStateDirectory(stateDir);
    assert.equal(step.status, 'fail');
    assert.match(step.detail, /must not write to/);
  });
});
