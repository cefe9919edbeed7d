import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Instant, instant, later } from '../../src/access/instant.ts';
import {
  backupName,
  backupPlaces,
  generations,
  listBackups,
  prune,
  readBackupName,
} from '../../src/ledger/sqlite/backup-folder.ts';
import { at, backedUpLedger, NEVER } from '../support/backed-up-ledger.ts';
import { temporaryStateDir } from '../support/ledgers-under-test.ts';

const DAY_MS = 86_400_000;

test('the name of a backup says when it was made and what it holds, and nothing else is taken for one', () => {
  const backup = { at: instant(Date.UTC(2026, 10, 22, 20, 45, 0, 123)), digest: '0123456789abcdef' };
  assert.equal(backupName(backup), 'ledger-20261122T204500123Z-0123456789abcdef.db');
  assert.deepEqual(readBackupName(backupName(backup)), backup);
  for (const other of ['ledger.db', 'ledger-20261322T204500123Z-0123456789abcdef.db', `${backupName(backup)}.part`])
    assert.equal(readBackupName(other), null);
});

test('a folder keeps four backups at most, however many were made: the two newest, and the first of the last two days', () => {
  let kept: readonly { at: ReturnType<typeof at> }[] = [];
  const made: { at: ReturnType<typeof at> }[] = [];
  for (let turn = 0; turn < 5 * 288; turn += 1) {
    const one = { at: later(at(0), turn * 300_000) };
    made.push(one);
    kept = generations([one, ...kept]);
    assert.ok(kept.length <= 4 && kept.includes(one));
  }
  const days = [4, 3].map((day) => made[(day * DAY_MS) / 300_000]);
  assert.deepEqual(kept, [made.at(-1), made.at(-2), ...days]);
});

test('where the disk is short only the newest stays, and files that are no backups are left alone', async (t) => {
  const folder = await temporaryStateDir(t);
  for (const seconds of [1, 2, 3]) await writeFile(join(folder, backupName({ at: at(seconds), digest: 'f'.repeat(16) })), '');
  await writeFile(join(folder, 'a-note'), '');
  await prune(folder, { now: at(4), onlyNewest: true });
  assert.deepEqual(
    listBackups(folder).map((backup) => backup.at),
    [at(3)],
  );
  assert.ok((await readdir(folder)).includes('a-note'));
});

test('connectors that share a folder for backups each have their own in it, whatever they are called', () => {
  const folderOf = (connectorId: string) => backupPlaces('/state', { backupDir: '/mnt', connectorId })[1]?.folder;
  assert.deepEqual(['a', '..'].map(folderOf), ['/mnt/latchkey-a', '/mnt/latchkey-..']);
});

test('a copy that was cut off is no backup, and is gone with the next one', async (t) => {
  const rig = await backedUpLedger(t);
  await rig.first.backUp(at(1), NEVER);
  const folder = join(rig.stateDir, 'backups');
  await writeFile(join(folder, 'new-backup.part'), 'half');
  assert.equal(listBackups(folder).length, 1);
  await rig.first.backUp(at(2), NEVER);
  assert.ok((await readdir(folder)).every((name) => readBackupName(name) !== null));
});

test('what a clock that was ahead has named is older than what is made now, and takes no place from it', async (t) => {
  const folder = await temporaryStateDir(t);
  const ahead = [at(400 * 86_400), at(400 * 86_400 + 300)];
  const put = (one: Instant) => writeFile(join(folder, backupName({ at: one, digest: 'f'.repeat(16) })), '');
  for (const one of [at(0), ...ahead]) await put(one);
  // Until there is a better one it may be the newest; short of room, it is none.
  await prune(folder, { now: at(100), onlyNewest: true });
  assert.deepEqual(
    listBackups(folder).map((backup) => backup.at),
    [at(0)],
  );
  for (const one of [at(300), ...ahead]) await put(one);
  await prune(folder, { now: at(300), onlyNewest: false });
  assert.deepEqual(
    listBackups(folder).map((backup) => backup.at),
    [at(300), at(0)],
  );
});
