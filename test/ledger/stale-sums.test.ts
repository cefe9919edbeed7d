import assert from 'node:assert/strict';
import { copyFile, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { createIdentity } from '../../src/ledger/sqlite/identity.ts';
import { type LedgerDatabase, openLedgerDatabase } from '../../src/ledger/sqlite/ledger-database.ts';
import { MIGRATIONS } from '../../src/ledger/sqlite/migrations.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import { faulty } from '../support/ledger-contract.ts';
import { everyEvent, quietly } from '../support/ledger-samples.ts';
import { contentOf, LEDGER_FILES } from '../support/ledger-with-history.ts';
import { NO_RESERVE, sqliteOptions, temporaryStateDir } from '../support/ledgers-under-test.ts';
import { atScale } from '../support/scale.ts';
import { seeded, seedOf } from '../support/seeded.ts';

const SECTOR_BYTES = 512;
/** Of each of three lengths two, or fifty. */
const TURNS = atScale({ sample: 6, full: 150 });
const NEW_ID = 'new-id';

/** The files of a ledger whose power was cut: the sums as they were synced last and as they were written last. */
async function cutOff(t: TestContext) {
  const stateDir = await temporaryStateDir(t);
  const read = (name: string) => readFile(join(stateDir, name));
  const early = await openSqliteLedger(sqliteOptions(stateDir));
  for (let turn = 0; turn < 4; turn += 1) await early.tell(quietly({ events: everyEvent() }));
  await early.close();
  const late = await openSqliteLedger(sqliteOptions(stateDir));
  const synced = await read('ledger.sum');
  // Enough for several sectors of sums.
  for (let turn = 0; turn < 60; turn += 1)
    await late.tell(quietly({ events: [...everyEvent(), ...everyEvent(), ...everyEvent()] }));
  const written = await read('ledger.sum');
  const others = new Map([
    ['ledger.db', await read('ledger.db')],
    ['ledger.db-wal', await read('ledger.db-wal')],
  ]);
  const content = await contentOf(late);
  await late.close();
  const put = async (sums: Buffer): Promise<void> => {
    for (const name of LEDGER_FILES) await rm(join(stateDir, name), { force: true });
    await rm(join(stateDir, 'ledger.db-shm'), { force: true });
    for (const [name, bytes] of others) await writeFile(join(stateDir, name), bytes, { mode: 0o600 });
    await writeFile(join(stateDir, 'ledger.sum'), sums, { mode: 0o600 });
  };
  const isWhole = async (): Promise<void> => {
    const ledger = await openSqliteLedger({ ...sqliteOptions(stateDir), newLedgerId: () => NEW_ID });
    try {
      assert.notEqual((await ledger.identity()).ledgerId, NEW_ID);
      assert.deepEqual(await contentOf(ledger), content);
    } finally {
      await ledger.close();
    }
  };
  return { stateDir, synced, written, put, isWhole };
}

/** The file of a ledger that has an identity, and its sums. */
async function begun(t: TestContext): Promise<{ readonly stateDir: string; readonly ledger: LedgerDatabase }> {
  const stateDir = await temporaryStateDir(t);
  const ledger = openLedgerDatabase({ stateDir, reserve: NO_RESERVE });
  createIdentity(ledger.database, { ledgerId: 'l', connectorId: 'c' });
  ledger.begin();
  return { stateDir, ledger };
}

suite('checksums that are older than the ledger are never taken for damage of a whole one', () => {
  test('a power cut leaves any sectors of them as they were synced last, and their end missing', async (t) => {
    const seed = seedOf(20_260_102);
    const random = seeded(seed);
    const { synced, written, put, isWhole } = await cutOff(t);
    assert.ok(written.length > synced.length + 2 * SECTOR_BYTES, `${synced.length}, ${written.length}`);
    const lengths = [synced.length, written.length, synced.length + SECTOR_BYTES];
    for (let turn = 0; turn < TURNS; turn += 1) {
      const length = lengths[turn % lengths.length] ?? 0;
      const sums = Buffer.alloc(length);
      for (let at = 0; at < length; at += SECTOR_BYTES) {
        (random() < 0.5 || at >= synced.length ? written : synced).copy(sums, at, at, Math.min(at + SECTOR_BYTES, length));
        // A block that the file was given, and that was never written.
        if (at >= synced.length && random() < 0.3) sums.fill(0, at, Math.min(at + SECTOR_BYTES, length));
      }
      if (turn % 2 === 0) written.copy(sums, 0, 0, SECTOR_BYTES);
      await put(sums);
      await assert.doesNotReject(isWhole(), `turn ${turn}, TEST_SEED=${seed}`);
    }
  });

  test('a start that is refused leaves the log to the next one', async (t) => {
    const { stateDir, synced, put, isWhole } = await cutOff(t);
    await put(synced);
    await assert.rejects(openSqliteLedger({ ...sqliteOptions(stateDir), connectorId: 'other' }), faulty('wrong_connector'));
    await isWhole();
  });

  test('a migration that fails after another was taken leaves a ledger that opens', async (t) => {
    const { stateDir, ledger } = await begun(t);
    ledger.close();
    const taken = 'CREATE TABLE taken (one TEXT) STRICT';
    const opening = (...later: string[]) =>
      openLedgerDatabase({ stateDir, reserve: NO_RESERVE, migrations: [...MIGRATIONS, ...later] });
    assert.throws(() => opening(taken, 'ALTER TABLE missing ADD COLUMN x'), faulty('failed'));
    opening(taken).close();
  });

  test('a stop that cannot write them leaves the log to the next start', async (t) => {
    const { stateDir, ledger } = await begun(t);
    // Without its identity a ledger has no tally that could be saved.
    ledger.database.script('ALTER TABLE identity RENAME TO lost');
    ledger.close();
    const again = openLedgerDatabase({ stateDir, reserve: NO_RESERVE });
    again.database.script('ALTER TABLE lost RENAME TO identity');
    again.begin();
    again.close();
    openLedgerDatabase({ stateDir, reserve: NO_RESERVE }).close();
  });

  test('a commit that failed as it was synced is not taken for written when one of nothing follows it', async (t) => {
    const { stateDir, ledger } = await begun(t);
    const other = await temporaryStateDir(t);
    for (const name of LEDGER_FILES) await copyFile(join(stateDir, name), join(other, name));
    const log = join(stateDir, 'ledger.db-wal');
    const { size } = await stat(log);
    // The frames of the commit come from a copy: they stand whole in the log of a ledger that knows nothing of them.
    const copy = openLedgerDatabase({ stateDir: other, reserve: NO_RESERVE });
    changed(copy, 'COMMIT');
    const frames = (await readFile(join(other, 'ledger.db-wal'))).subarray(size);
    assert.ok(frames.length > 0);
    copy.close();
    changed(ledger, 'ROLLBACK');
    const file = await open(log, 'r+');
    await file.write(frames, 0, frames.length, size);
    await file.close();
    ledger.database.script('BEGIN IMMEDIATE');
    ledger.hooks.sealing();
    ledger.database.script('COMMIT');
    ledger.hooks.committed();
    ledger.close();
    openLedgerDatabase({ stateDir, reserve: NO_RESERVE }).close();
  });
});

/** A change of a ledger, and how its commit ends. */
function changed({ database, hooks }: LedgerDatabase, end: 'COMMIT' | 'ROLLBACK'): void {
  database.script('BEGIN IMMEDIATE');
  database.run('UPDATE identity SET clock_mark = 7');
  hooks.sealing();
  database.script(end);
  if (end === 'COMMIT') hooks.committed();
}
