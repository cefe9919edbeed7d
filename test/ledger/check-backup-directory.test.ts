import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkBackupDirectory } from '../../src/ledger/sqlite/check-backup-directory.ts';
import { temporaryStateDir } from '../support/ledgers-under-test.ts';

test('a second folder for backups is checked where one is configured: that it is there, and on another disk', async (t) => {
  const folder = await temporaryStateDir(t);
  const [stateDir, backupDir] = [join(folder, 'state'), join(folder, 'mount')];
  await mkdir(stateDir);
  assert.deepEqual(await checkBackupDirectory({ stateDir, backupDir: null }), []);
  const [missing] = await checkBackupDirectory({ stateDir, backupDir });
  assert.equal(missing?.status, 'fail');
  assert.match(missing.detail, /\(ENOENT\): it must be there \(is it mounted\?\)/);
  await mkdir(backupDir);
  const [beside] = await checkBackupDirectory({ stateDir, backupDir });
  assert.equal(beside?.status, 'warn');
  assert.match(beside.detail, /is on the file system of the ledger and is lost with it/);
});

test('before the first start, the file system of the ledger is that in which its directory will be made', async (t) => {
  const folder = await temporaryStateDir(t);
  const backupDir = join(folder, 'mount');
  await mkdir(backupDir, { recursive: true });
  const [beside] = await checkBackupDirectory({ stateDir: join(folder, 'var', 'lib', 'state'), backupDir });
  assert.equal(beside?.status, 'warn');
  assert.match(beside.detail, /is on the file system of the ledger and is lost with it/);
});
