import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
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
    assert.deepEqual(readdirSync(folder), []);
  });

  test('that cannot be made is told, though the rights say that it could be', async () => {
    // Root may write to /proc as far as access(2) says, and yet nothing can be made there.
    for (const stateDir of ['/proc/latchkey/state', '/proc']) {
      const step = await checkStateDirectory(stateDir);
      assert.equal(step.status, 'fail');
      assert.match(step.detail, /\/proc\b.*: (?:set LATCHKEY_STATE_DIR|give it the directory)/);
    }
    const tryToMake = async () => {
      throw Object.assign(new Error('disk quota exceeded'), { code: 'EDQUOT' });
    };
    const step = await checkStateDirectory(folder, { tryToMake });
    assert.deepEqual([step.status, /nothing can be made in .*\(EDQUOT\): free space there$/.test(step.detail)], ['fail', true]);
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
    assert.deepEqual(readdirSync(stateDir), ['ledger.db']);
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
    chmodSync(stateDir, 0o700);
    writeFileSync(join(stateDir, 'ledger.db'), '', { mode: 0o400 });
    assert.match((await checkStateDirectory(stateDir)).detail, /must not read and write .*ledger\.db: give it the file/);
  });
});
