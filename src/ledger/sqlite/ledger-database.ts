import { join } from 'node:path';
import { z } from 'zod';
import type { Logger } from '../../observability/logger.ts';
import { LedgerError } from '../ledger.ts';
import { readRow } from './columns.ts';
import { type Database, openDatabase } from './database.ts';
import { checkDatabase, MIGRATIONS, migrate } from './migrations.ts';
import { preparePrivateFile, syncDirectory } from './state-directory.ts';

/** How long a commit waits for a reader from outside (a backup, a person with a shell). */
const BUSY_MS = 5000;

const journalRow = z.strictObject({ journal_mode: z.string() });

/**
 * Opens the ledger's file, whole, with the newest tables, and set to have each commit on disk before it returns. The
 * caller owns the state directory.
 */
export function openLedgerDatabase(stateDir: string, logger?: Logger): Database {
  const path = join(stateDir, 'ledger.db');
  preparePrivateFile(path);
  syncDirectory(stateDir);
  const database = openDatabase({ path, busyMs: BUSY_MS });
  try {
    checkDatabase(database);
    writeThrough(database, path);
    const steps = migrate(database, MIGRATIONS);
    if (steps > 0) {
      logger?.info({ event: 'ledger.migrated', steps, schemaVersion: MIGRATIONS.length }, 'the ledger has the newest schema');
    }
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function writeThrough(database: Database, path: string): void {
  const { journal_mode: mode } = readRow(journalRow, database.row('PRAGMA journal_mode = WAL'));
  // Asked for and not given where the file system cannot share memory, as on some network volumes.
  if (mode !== 'wal') {
    throw new LedgerError('failed', `${path} cannot have a write-ahead log on this file system; use a local volume`);
  }
  database.script('PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
  // Undoing one statement must not ask for a temporary folder: a read-only container has none, and elsewhere it may be full.
  database.script('PRAGMA temp_store = MEMORY');
}
