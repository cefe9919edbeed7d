import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Ledger, LedgerError } from '../../src/ledger/ledger.ts';
import type { Database } from '../../src/ledger/sqlite/database.ts';
import { openLedgerDatabase } from '../../src/ledger/sqlite/ledger-database.ts';
import { MIGRATION_PLACES, MIGRATIONS } from '../../src/ledger/sqlite/migrations.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import { contentOf, ledgerWithHistory } from '../support/ledger-with-history.ts';
import { NO_RESERVE, scratchFolder, sqliteOptions } from '../support/ledgers-under-test.ts';
import { LATER_STEPS, NEXT_MIGRATIONS } from '../support/next-migrations.ts';

const OWNER = fileURLToPath(new URL('../support/migrating-owner.ts', import.meta.url));

async function contentIn(stateDir: string): Promise<unknown> {
  const ledger: Ledger = await openSqliteLedger(sqliteOptions(stateDir));
  try {
    return await contentOf(ledger);
  } finally {
    await ledger.close();
  }
}

function counted(database: Database, sql: string): unknown {
  return Object.values(database.row(sql) as object)[0];
}

/** Which version the tables are whole in; throws where they are between two. */
function versionOf(database: Database): number {
  const version = Number(counted(database, 'PRAGMA user_version'));
  const has = (sql: string): boolean => database.rows(sql).length > 0;
  const isNoted = has(`SELECT 1 FROM pragma_table_info('grants') WHERE name = 'note'`);
  const hasLater = has(`SELECT 1 FROM sqlite_schema WHERE name = 'later_jobs'`);
  const steps = version - MIGRATIONS.length;
  assert.deepEqual({ isNoted, hasLater }, { isNoted: steps >= 1, hasLater: steps >= 2 });
  if (isNoted) assert.equal(counted(database, `SELECT count(*) FROM grants WHERE note IS NOT 'of ' || grant_id`), 0);
  const attempts = counted(database, 'SELECT count(*) FROM jobs WHERE attempts <> 0');
  assert.equal(attempts, hasLater ? counted(database, 'SELECT count(*) FROM jobs') : 0);
  return version;
}

suite('a migration that is cut off leaves a whole version behind, and loses nothing', () => {
  let folder = '';
  let content: unknown;
  let copies = 0;

  before(async () => {
    folder = await scratchFolder();
    ({ content } = await ledgerWithHistory(join(folder, 'original')));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function copyOf(stateDir: string): Promise<string> {
    copies += 1;
    const copy = join(folder, `copy-${copies}`);
    await cp(stateDir, copy, { recursive: true });
    return copy;
  }

  for (const place of MIGRATION_PLACES) {
    for (const step of [1, 2]) {
      test(`killed where step ${step} is ${place}`, async () => {
        const stateDir = await copyOf(join(folder, 'original'));
        const child = spawn(process.execPath, [OWNER, stateDir, place, String(step)], { stdio: 'inherit' });
        const [, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
        assert.equal(signal, 'SIGKILL');
        // What it left is looked at in a copy: an opening by this version would refuse the newer one.
        const left = await copyOf(stateDir);
        const expected = MIGRATIONS.length + (place === 'committed' ? step : step - 1);
        const database = openLedgerDatabase({
          stateDir: left,
          reserve: NO_RESERVE,
          migrations: NEXT_MIGRATIONS.slice(0, expected),
        });
        try {
          assert.equal(versionOf(database.database), expected);
        } finally {
          database.close();
        }
        const again = openLedgerDatabase({ stateDir, reserve: NO_RESERVE, migrations: NEXT_MIGRATIONS });
        try {
          assert.equal(versionOf(again.database), NEXT_MIGRATIONS.length);
          again.database.script(`PRAGMA user_version = ${MIGRATIONS.length}; UPDATE jobs SET attempts = 0`);
          again.begin();
        } finally {
          again.close();
        }
        assert.deepEqual(await contentIn(stateDir), content);
      });
    }
  }

  test('a step that finds the disk full is taken back whole, and taken at the next start', async () => {
    const stateDir = await copyOf(join(folder, 'original'));
    const full = 'PRAGMA max_page_count = 1';
    assert.throws(
      () =>
        openLedgerDatabase({
          stateDir,
          reserve: NO_RESERVE,
          migrations: [...MIGRATIONS, `${full}; ${LATER_STEPS.at(-1) ?? ''}`],
        }),
      (error) => error instanceof LedgerError && error.fault === 'no_space',
    );
    assert.deepEqual(await contentIn(stateDir), content);
    const opened = openLedgerDatabase({ stateDir, reserve: NO_RESERVE, migrations: NEXT_MIGRATIONS });
    try {
      assert.equal(versionOf(opened.database), NEXT_MIGRATIONS.length);
    } finally {
      opened.close();
    }
  });
});
