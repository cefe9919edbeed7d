import { z } from 'zod';
import { LedgerError } from '../ledger.ts';
import { chainAudit } from './chain-migration.ts';
import { readRow } from './columns.ts';
import type { Database } from './database.ts';
import { BASELINE, PAUSE, POLICY } from './schema.ts';

/** One step from a version of the tables to the next: SQL, or what more than SQL is needed for. */
export type Migration = string | ((database: Database) => void);

/** The places in a migration at which a crash test ends the process. */
export const MIGRATION_PLACES = ['begun', 'applied', 'numbered', 'committed'] as const;
export type MigrationPlace = (typeof MIGRATION_PLACES)[number];

/** Every step there ever was, oldest first. Append only: a released one is never edited. */
export const MIGRATIONS: readonly Migration[] = [BASELINE, PAUSE, chainAudit, POLICY];

const versionRow = z.strictObject({ user_version: z.int().nonnegative() });
const tablesRow = z.strictObject({ tables: z.int() });
const checkRow = z.strictObject({ integrity_check: z.string() });

/** Checks the file in every way that SQLite has, indexes included: throws `damaged`. It does not see a changed letter. */
export function checkInFull(database: Database): void {
  const findings = database.rows('PRAGMA integrity_check(4)').map((row) => readRow(checkRow, row).integrity_check);
  if (findings.length === 1 && findings[0] === 'ok') return;
  throw damaged(findings.join('; '));
}

/**
 * Brings the tables to the newest version, each step in a transaction of its own, so that a crash leaves a whole
 * version behind. Throws `newer_schema` where a newer connector has been here. Returns the steps taken.
 */
export function migrate(
  database: Database,
  migrations: readonly Migration[],
  passed: (place: MigrationPlace) => void = () => undefined,
): number {
  const version = readRow(versionRow, database.row('PRAGMA user_version')).user_version;
  if (version > migrations.length) {
    throw new LedgerError(
      'newer_schema',
      `the ledger has schema version ${version}, this version of the connector knows up to ${migrations.length}; ` +
        'run the newer version of the connector',
    );
  }
  const { tables } = readRow(tablesRow, database.row('SELECT count(*) AS tables FROM sqlite_schema'));
  if (version === 0 && tables > 0) throw damaged('the file holds tables, but no schema version');
  for (const [index, migration] of migrations.entries()) {
    if (index >= version) apply(database, { migration, version: index + 1, passed });
  }
  return migrations.length - version;
}

function apply(
  database: Database,
  { migration, version, passed }: { migration: Migration; version: number; passed: (place: MigrationPlace) => void },
): void {
  database.script('BEGIN IMMEDIATE');
  try {
    passed('begun');
    if (typeof migration === 'string') database.script(migration);
    else migration(database);
    passed('applied');
    database.script(`PRAGMA user_version = ${version}`);
    passed('numbered');
    database.script('COMMIT');
    passed('committed');
  } catch (error) {
    if (database.inTransaction()) database.script('ROLLBACK');
    throw error;
  }
}

function damaged(finding: string): LedgerError {
  return new LedgerError('damaged', `the ledger is damaged: ${finding}`);
}
