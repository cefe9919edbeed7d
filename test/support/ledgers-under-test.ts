import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { AuditRecord } from '../../src/access/audit.ts';
import { instant } from '../../src/access/instant.ts';
import { type Database, openDatabase } from '../../src/ledger/sqlite/database.ts';
import { openLedgerDatabase } from '../../src/ledger/sqlite/ledger-database.ts';
import { type OpenSqliteLedgerOptions, openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import type { Reserve } from '../../src/ledger/sqlite/reserve.ts';
import type { LedgerUnderTest } from './ledger-contract.ts';
import { countedLedgerIds, type MemoryLedger, memoryLedger } from './memory-ledger.ts';

/** A state directory that is removed when the test ends. */
export async function temporaryStateDir(t: TestContext): Promise<string> {
  return removedAfter(t, await scratchFolder());
}

/** The same on the disk, for tests that kill who writes there. */
export async function stateDirOnDisk(t: TestContext): Promise<string> {
  return removedAfter(t, await mkdtemp(join(tmpdir(), 'latchkey-ledger-')));
}

function removedAfter(t: TestContext, folder: string): string {
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * A folder in memory where there is a place for it, for tests that open thousands of ledgers and would wait for the disk each time;
 * to be removed by the caller.
 */
export function scratchFolder(): Promise<string> {
  return mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'latchkey-ledger-'));
}

/** What a test opens a SQLite ledger with. */
export function sqliteOptions(stateDir: string): OpenSqliteLedgerOptions {
  return {
    stateDir,
    connectorId: null,
    defaultConnectorId: 'connector-1',
    now: () => instant(0),
    newLedgerId: countedLedgerIds(),
    // Most tests do not fill a disk, and are many.
    reserveBytes: 64 * 1024,
  };
}

/** A disk on which nothing is set aside. */
export const NO_RESERVE: Reserve = { give: () => false, giveForOpening: () => false, space: () => 'ok', close: () => undefined };

/** The file of a ledger as the product opens it, without a ledger on it; closed when the test ends. */
export function openedDatabase(t: TestContext, stateDir: string): Database {
  const opened = openLedgerDatabase({ stateDir, reserve: NO_RESERVE });
  t.after(() => opened.close());
  return opened.database;
}

/** Changes a ledger that is not open, so that its checksums are those of the change. */
export function changeLedger(stateDir: string, change: (database: Database) => void): void {
  const opened = openLedgerDatabase({ stateDir, reserve: NO_RESERVE });
  try {
    change(opened.database);
    opened.begin();
  } finally {
    opened.close();
  }
}

/** Opens a new SQLite ledger in a directory of its own. */
export async function sqliteUnderTest(t: TestContext): Promise<LedgerUnderTest> {
  const options = sqliteOptions(await temporaryStateDir(t));
  const opened = async (): Promise<LedgerUnderTest> => {
    const ledger = await openSqliteLedger(options);
    t.after(() => ledger.close());
    return {
      ledger,
      reopen: async () => {
        await ledger.close();
        return await opened();
      },
      auditRecords: async () => auditRecordsOf(options.stateDir),
    };
  };
  return await opened();
}

/** Reads the audit trail beside the open ledger. */
export function auditRecordsOf(stateDir: string): readonly AuditRecord[] {
  const database = openDatabase({ path: join(stateDir, 'ledger.db'), busyMs: 0 });
  try {
    const rows = database.rows('SELECT record FROM audit ORDER BY audit_id') as readonly { record: string }[];
    return rows.map(({ record }) => JSON.parse(record) as AuditRecord);
  } finally {
    database.close();
  }
}

/** Opens a new ledger in memory. */
export async function memoryUnderTest(t: TestContext): Promise<LedgerUnderTest> {
  const under = (ledger: MemoryLedger): LedgerUnderTest => {
    t.after(() => ledger.close());
    return {
      ledger,
      reopen: async () => {
        await ledger.close();
        return under(ledger.reopen());
      },
      auditRecords: async () => ledger.auditRecords(),
    };
  };
  return under(memoryLedger());
}
