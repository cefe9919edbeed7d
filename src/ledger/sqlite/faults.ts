import { LedgerError, type LedgerFault } from '../ledger.ts';

/** What SQLite's primary result codes mean for the ledger (https://sqlite.org/rescode.html); all others are `failed`. */
const PRIMARY_CODES: Readonly<Record<number, LedgerFault>> = {
  5: 'locked', // SQLITE_BUSY
  6: 'locked', // SQLITE_LOCKED
  11: 'damaged', // SQLITE_CORRUPT
  13: 'no_space', // SQLITE_FULL
  26: 'damaged', // SQLITE_NOTADB
};

/** Extended codes that say more than their primary code. */
const EXTENDED_CODES: Readonly<Record<number, LedgerFault>> = {
  787: 'conflict', // SQLITE_CONSTRAINT_FOREIGNKEY
  1555: 'conflict', // SQLITE_CONSTRAINT_PRIMARYKEY
  2067: 'conflict', // SQLITE_CONSTRAINT_UNIQUE
  4874: 'no_space', // SQLITE_IOERR_SHMSIZE: the write-ahead log's index could not grow
};

const WHAT_TO_DO: Record<LedgerFault, string> = {
  locked: 'another program has the ledger open; stop it',
  damaged: 'it is restored from its newest backup at the next start, where there is one',
  no_space: 'free space on the volume of the state directory',
  conflict: 'this is a defect of the connector; please report it',
  wrong_connector: 'correct LATCHKEY_CONNECTOR_ID or LATCHKEY_STATE_DIR',
  newer_schema: 'run the newer version of the connector',
  closed: 'nothing can be written any more',
  failed: 'see the cause, and check the volume of the state directory',
};

/**
 * Turns whatever was thrown into the ledger's own error, with what to do about it. SQLite and file system errors are
 * classified by their codes, never by their text. `doing` completes "could not …".
 */
export function ledgerErrorOf(error: unknown, doing: string): LedgerError {
  if (error instanceof LedgerError) return error;
  const fault = faultOf(error);
  const reason = error instanceof Error ? error.message : String(error);
  return new LedgerError(fault, `could not ${doing}: ${reason}; ${WHAT_TO_DO[fault]}`, { cause: error });
}

/**
 * True where the file is not what was written, by its checksums or by SQLite's own word; false for a row that is whole and that this
 * version cannot read.
 */
export function isDamageOfFile(error: unknown): error is LedgerError {
  return error instanceof LedgerError && error.fault === 'damaged' && (error.cause === undefined || isSqliteError(error.cause));
}

/** True for damage that SQLite has met. */
export function isMetDamage(error: LedgerError): boolean {
  return error.fault === 'damaged' && isSqliteError(error.cause);
}

function isSqliteError(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'errcode' in error;
}

function faultOf(error: unknown): LedgerFault {
  if (typeof error !== 'object' || error === null) return 'failed';
  if ('errcode' in error && typeof error.errcode === 'number') {
    return EXTENDED_CODES[error.errcode] ?? PRIMARY_CODES[error.errcode & 0xff] ?? 'failed';
  }
  return 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT') ? 'no_space' : 'failed';
}
