import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { instant } from '../../src/access/instant.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { type Database, openDatabase } from '../../src/ledger/sqlite/database.ts';
import { createIdentity } from '../../src/ledger/sqlite/identity.ts';
import { MIGRATIONS, migrate } from '../../src/ledger/sqlite/migrations.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import { sqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { faulty } from '../support/ledger-contract.ts';
import { everyEvent, quietly, sampleAudit } from '../support/ledger-samples.ts';
import { openedDatabase, sqliteOptions, temporaryStateDir } from '../support/ledgers-under-test.ts';

function memoryDatabase(t: { after(close: () => void): void }): Database {
  const database = openDatabase({ path: ':memory:', busyMs: 0 });
  t.after(() => database.close());
  return database;
}

test('nothing that SQLite undoes needs a temporary folder: a read-only container has none', async (t) => {
  const database = openedDatabase(t, await temporaryStateDir(t));
  assert.equal(Object.values(database.row('PRAGMA temp_store') as object)[0], 2);
});

test('a second opening in the same process is told who owns the ledger, and does not free the first', async (t) => {
  const stateDir = await temporaryStateDir(t);
  const now = () => instant(Date.UTC(2026, 0, 2, 3, 4, 5));
  const ledger = await openSqliteLedger({ ...sqliteOptions(stateDir), now });
  t.after(() => ledger.close());
  for (let attempt = 0; attempt < 2; attempt += 1) {
    await assert.rejects(openSqliteLedger(sqliteOptions(stateDir)), (error) => {
      assert.ok(error instanceof LedgerError);
      assert.equal(error.fault, 'locked');
      for (const part of [String(process.pid), hostname(), '2026-01-02T03:04:05.000Z', stateDir]) {
        assert.ok(error.message.includes(part), part);
      }
      return true;
    });
  }
  await ledger.close();
  await (await openSqliteLedger(sqliteOptions(stateDir))).close();
});

test('a refused opening gives the directory back', async (t) => {
  const stateDir = await temporaryStateDir(t);
  await (await openSqliteLedger({ ...sqliteOptions(stateDir), connectorId: 'one' })).close();
  const other = openSqliteLedger({ ...sqliteOptions(stateDir), connectorId: 'two' });
  await assert.rejects(other, (error) => {
    assert.ok(error instanceof LedgerError);
    assert.equal(error.fault, 'wrong_connector');
    assert.match(error.message, /"one".*"two"/);
    return true;
  });
  const ledger = await openSqliteLedger({ ...sqliteOptions(stateDir), connectorId: null, defaultConnectorId: 'two' });
  t.after(() => ledger.close());
  assert.equal((await ledger.identity()).connectorId, 'one');
});

test('nobody but the owner of the process can read the state directory', async (t) => {
  const stateDir = join(await temporaryStateDir(t), 'deep', 'state');
  await mkdir(stateDir, { recursive: true });
  await chmod(stateDir, 0o755);
  const ledger = await openSqliteLedger(sqliteOptions(stateDir));
  t.after(() => ledger.close());
  await ledger.tell(quietly());
  assert.equal((await stat(stateDir)).mode & 0o777, 0o700);
  const names = await readdir(stateDir);
  assert.ok(names.includes('ledger.db-wal'));
  for (const name of names) assert.equal((await stat(join(stateDir, name))).mode & 0o777, 0o600, name);
});

test('a commit is on disk before it returns, and references are checked', async (t) => {
  const database = openedDatabase(t, await temporaryStateDir(t));
  const set = (name: string) => Object.values(database.row(`PRAGMA ${name}`) as object)[0];
  assert.equal(set('journal_mode'), 'wal');
  // 2 is FULL: the log is synced at each commit (https://sqlite.org/pragma.html#pragma_synchronous).
  assert.equal(set('synchronous'), 2);
  assert.equal(set('foreign_keys'), 1);
});

test('what is asked at one time shares one commit, at most 256 works each', async (t) => {
  const commits: number[] = [];
  const stateDir = await temporaryStateDir(t);
  const ledger = await openSqliteLedger({ ...sqliteOptions(stateDir), onCommit: ({ works }) => commits.push(works) });
  t.after(() => ledger.close());
  await ledger.identity();
  await Promise.all(Array.from({ length: 600 }, () => ledger.tell(quietly({ events: everyEvent() }))));
  await ledger.identity();
  // What only reads is in no commit.
  assert.deepEqual(commits, [256, 256, 88]);
});

test('a full disk rejects the works of its commit as no_space, and the ledger goes on once there is room', async (t) => {
  const database = openedDatabase(t, await temporaryStateDir(t));
  createIdentity(database, { ledgerId: 'l', connectorId: 'c' });
  const ledger = sqliteLedger({ database, space: () => 'ok', newLedgerId: () => 'm', release: () => undefined });
  t.after(() => ledger.close());
  await ledger.tell(quietly({ events: everyEvent() }));
  const before = await ledger.events({ after: 0, limit: 100 });
  database.script('PRAGMA max_page_count = 1');
  const large = quietly({ events: [{ kind: 'ledger.replaced', previousLedgerId: 'x'.repeat(100_000) }] });
  const calls = await Promise.allSettled([ledger.tell(large), ledger.tell(large)]);
  for (const call of calls) {
    assert.equal(call.status, 'rejected');
    assert.ok(faulty('no_space')(call.reason));
  }
  assert.deepEqual(await ledger.events({ after: 0, limit: 100 }), before);
  database.script('PRAGMA max_page_count = 1000000');
  await ledger.tell(large);
  assert.equal((await ledger.events({ after: 0, limit: 100 })).length, before.length + 1);
});

test('an audit record can be neither changed nor deleted, but by its retention', async (t) => {
  const stateDir = await temporaryStateDir(t);
  const ledger = await openSqliteLedger(sqliteOptions(stateDir));
  await ledger.tell(quietly({ audit: [sampleAudit('job.accepted')] }));
  await ledger.close();
  const database = openDatabase({ path: join(stateDir, 'ledger.db'), busyMs: 0 });
  t.after(() => database.close());
  for (const statement of [
    "UPDATE audit SET record = '{}'",
    'DELETE FROM audit',
    "INSERT OR REPLACE INTO audit (audit_id, at, kind, record) VALUES (1, 0, 'x', '{}')",
  ]) {
    assert.throws(() => database.run(statement), LedgerError, statement);
  }
  assert.deepEqual({ ...(database.row('SELECT count(*) AS records FROM audit') as object) }, { records: 2 });
});

test('each migration is applied once and in order, and a failed one leaves the version before it', (t) => {
  const database = memoryDatabase(t);
  const columns = () => database.rows('PRAGMA table_info(things)').map((row) => (row as { name: string }).name);
  const first = 'CREATE TABLE things (one TEXT) STRICT';
  const second = 'ALTER TABLE things ADD COLUMN two TEXT';
  assert.equal(migrate(database, [first]), 1);
  assert.throws(() => migrate(database, [first, `${second}; ALTER TABLE missing ADD COLUMN x`]), faulty('failed'));
  assert.deepEqual(columns(), ['one']);
  assert.equal(migrate(database, [first, second]), 1);
  assert.equal(migrate(database, [first, second]), 0);
  assert.deepEqual(columns(), ['one', 'two']);
});

test('a ledger of a newer connector is left alone', (t) => {
  const database = memoryDatabase(t);
  migrate(database, ['CREATE TABLE a (x)', 'CREATE TABLE b (x)']);
  assert.throws(() => migrate(database, ['CREATE TABLE a (x)']), faulty('newer_schema'));
});

test('a file of somebody else is not taken for a new ledger', (t) => {
  const database = memoryDatabase(t);
  database.script('CREATE TABLE theirs (x)');
  assert.throws(() => migrate(database, MIGRATIONS), faulty('damaged'));
});

test('a damaged file is reported and left as it is', async (t) => {
  const stateDir = await temporaryStateDir(t);
  const path = join(stateDir, 'ledger.db');
  const ledger = await openSqliteLedger(sqliteOptions(stateDir));
  for (let turn = 0; turn < 50; turn += 1) await ledger.tell(quietly({ events: everyEvent() }));
  await ledger.close();
  const whole = await readFile(path);
  const overwritten = Buffer.from(whole).fill(0xa5, 4096, whole.length - 4096);
  for (const damaged of [overwritten, Buffer.from('not a database, but long enough to be taken for one'.repeat(99))]) {
    await writeFile(path, damaged);
    await assert.rejects(openSqliteLedger(sqliteOptions(stateDir)), faulty('damaged'));
    assert.ok((await readFile(path)).equals(damaged));
  }
  await writeFile(path, whole);
  await truncate(path, whole.length - 8192);
  await assert.rejects(openSqliteLedger(sqliteOptions(stateDir)), faulty('damaged'));
});
