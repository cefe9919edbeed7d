import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Instant } from '../../access/instant.ts';
import type { Logger } from '../../observability/logger.ts';
import { type Ledger, LedgerError } from '../ledger.ts';
import { type BackupPlace, backupPlaces, backupTimes } from './backup-folder.ts';
import type { OnCommit } from './commit-queue.ts';
import { isDamageOfFile, ledgerErrorOf } from './faults.ts';
import { mayHaveFit, type OwnBackups } from './fit-backup.ts';
import { readIdentity } from './identity.ts';
import { type BackupKept, backUpLedger } from './ledger-backups.ts';
import { type LedgerDatabase, openLedgerDatabase } from './ledger-database.ts';
import { lockStateDirectory, type OwnerLock } from './owner-lock.ts';
import { openReserve, RESERVE_BYTES, type Reserve } from './reserve.ts';
import { damageNoted, forgetDamage, hasFitBackup, isLost, noteDamage, type Restored, restoreLedger } from './restore.ts';
import { sqliteLedger } from './sqlite-ledger.ts';
import { prepareStateDirectory } from './state-directory.ts';
import { takeIdentity } from './take-identity.ts';

export interface OpenSqliteLedgerOptions {
  readonly stateDir: string;
  /** The id that was configured; null where none was, and the one kept in the ledger holds. */
  readonly connectorId: string | null;
  /** The id of a ledger that is created without a configured one. */
  readonly defaultConnectorId: string;
  readonly now: () => Instant;
  readonly logger?: Logger | undefined;
  readonly newLedgerId?: (() => string) | undefined;
  /** How much disk is set aside for a full one; a multiple of 64. */
  readonly reserveBytes?: number | undefined;
  readonly onCommit?: OnCommit | undefined;
  /** A second folder with backups (LATCHKEY_BACKUP_DIR). */
  readonly backupDir?: string | null | undefined;
  /** The ledger was found to be damaged while it was open, and will be restored at its next opening: nothing can be relied upon. */
  readonly onDamage?: ((error: LedgerError) => void) | undefined;
}

/** The ledger of a state directory, and its backups. */
export interface SqliteLedger extends Ledger {
  /**
   * Copies the ledger into the folders that are kept for its backups: verified, and without keeping any ending waiting. One call at a
   * time. Rejects with a `LedgerError`, or with the signal's reason.
   */
  backUp(at: Instant, signal: AbortSignal): Promise<readonly BackupKept[]>;
  /** Where they are kept: in the state directory, and where a second folder is configured, there. */
  readonly backupFolders: readonly string[];
  /** When those of such a folder were made, the newest first; they are not looked at further. Rejects where it cannot be read. */
  backupTimes(folder: string): Promise<readonly Instant[]>;
}

/**
 * Opens the ledger of a state directory, creating both where they are missing. The directory belongs to this process
 * until `close`. A ledger that is damaged, or is gone where there are backups of it, is set aside and restored from the newest backup
 * that is whole and its own. Rejects with a `LedgerError`: `locked`, `damaged`, `newer_schema`, `wrong_connector`, `no_space` or
 * `failed`; nothing has then been changed in an existing ledger but finished migrations.
 */
export async function openSqliteLedger(options: OpenSqliteLedgerOptions): Promise<SqliteLedger> {
  const { stateDir, now, logger } = options;
  prepareStateDirectory(stateDir, logger);
  const lock = lockStateDirectory(stateDir, now());
  let reserve: Reserve | null = null;
  try {
    reserve = openReserve({ path: join(stateDir, 'ledger.reserve'), bytes: options.reserveBytes ?? RESERVE_BYTES, logger });
    return openOrRestore(reserve, options, lock);
  } catch (error) {
    reserve?.close();
    lock.release();
    throw ledgerErrorOf(error, `open the ledger in ${stateDir}`);
  }
}

function openOrRestore(reserve: Reserve, options: OpenSqliteLedgerOptions, lock: OwnerLock): SqliteLedger {
  const { stateDir, logger } = options;
  const backups = backupsOf(options);
  const { places } = backups;
  const openIt = (restored: Restored | null) => openWith(reserve, options, { lock, places, restored });
  const restoreIt = (why: string): SqliteLedger => {
    const ledger = openIt(restoreLedger(stateDir, { why, backups, at: options.now(), logger }));
    forgetDamage(stateDir);
    return ledger;
  };
  const noted = damageNoted(stateDir);
  if (noted !== null && (noted.isSetAside || hasFitBackup(backups))) return restoreIt(noted.why);
  if (isLost(stateDir, places)) return restoreIt('the ledger is missing, and there are backups of it');
  try {
    const ledger = openIt(null);
    // It was noted and no backup was whole; somebody may have put a whole ledger there since.
    if (noted !== null) forgetDamage(stateDir);
    return ledger;
  } catch (error) {
    // A row that this version cannot read is no damage of the file: another copy of it would be no better.
    if (!isDamageOfFile(error)) throw error;
    logger?.error({ event: 'ledger.damaged', error }, error.message);
    return restoreIt(error.message);
  }
}

function backupsOf({ stateDir, backupDir = null, connectorId, defaultConnectorId }: OpenSqliteLedgerOptions): OwnBackups {
  const places = backupPlaces(stateDir, { backupDir, connectorId: connectorId ?? defaultConnectorId });
  return { places, connectorId, defaultConnectorId };
}

interface Opening {
  readonly lock: OwnerLock;
  readonly places: readonly BackupPlace[];
  readonly restored: Restored | null;
}

/** A start must not fail for want of space while some is set aside: what was due meanwhile has to end. */
function openWith(reserve: Reserve, options: OpenSqliteLedgerOptions, { lock, places, restored }: Opening): SqliteLedger {
  const { stateDir, logger, newLedgerId = randomUUID, onCommit } = options;
  // Ends: the reserve does.
  for (;;) {
    let opened: LedgerDatabase | null = null;
    try {
      const ledgerDatabase = openLedgerDatabase({ stateDir, reserve, logger });
      opened = ledgerDatabase;
      takeIdentity(ledgerDatabase, { ...options, newLedgerId, restored, places });
      ledgerDatabase.begin();
      const ledger = sqliteLedger({
        database: ledgerDatabase.database,
        hooks: ledgerDatabase.hooks,
        space: () => reserve.space(),
        newLedgerId,
        onCommit,
        onDamage: whenDamaged(options, backupsOf(options)),
        release: () => {
          try {
            ledgerDatabase.close();
          } finally {
            reserve.close();
            lock.release();
          }
        },
      });
      // Of the id that it has: one that was not configured may be the host's earlier name.
      const own = backupsOf({ ...options, connectorId: readIdentity(ledgerDatabase.database).connectorId });
      return { ...ledger, ...backupMethods(ledgerDatabase, { options, backups: own, isShort: () => reserve.space() !== 'ok' }) };
    } catch (error) {
      opened?.close();
      const failure = ledgerErrorOf(error, `open the ledger in ${stateDir}`);
      if (failure.fault !== 'no_space' || !reserve.giveForOpening()) throw failure;
    }
  }
}

function backupMethods(
  { watchCopy }: LedgerDatabase,
  { options, backups, isShort }: { options: OpenSqliteLedgerOptions; backups: OwnBackups; isShort: () => boolean },
): Pick<SqliteLedger, 'backUp' | 'backupFolders' | 'backupTimes'> {
  const { places } = backups;
  const noticed = whenDamaged(options, backups);
  const path = join(options.stateDir, 'ledger.db');
  return {
    async backUp(at, signal) {
      try {
        return await backUpLedger({ from: path, watchCopy, isShort: isShort(), places, at }, signal);
      } catch (error) {
        if (error instanceof LedgerError && error.fault === 'damaged') noticed(error);
        throw error;
      }
    },
    backupFolders: places.map(({ folder }) => folder),
    backupTimes,
  };
}

/**
 * Where there is no backup, the ledger stays as it is: much of it can still be read and written, and nothing would come in its place.
 * That it is to be restored is kept first, so that a start after any end of this process does it.
 */
function whenDamaged({ stateDir, logger, onDamage }: OpenSqliteLedgerOptions, backups: OwnBackups): (error: LedgerError) => void {
  let isNoticed = false;
  return (error) => {
    if (isNoticed) return;
    isNoticed = true;
    const isRestorable = mayHaveFit(backups);
    logger?.error(
      { event: 'ledger.damaged', isRestorable, error },
      isRestorable ? error.message : `${error.message}; there is no backup, so what can be done with it goes on`,
    );
    if (!isRestorable) return;
    try {
      noteDamage(stateDir, error.message);
    } catch (failure) {
      logger?.error({ event: 'ledger.damaged', error: failure }, 'the next start will have to find the damage by itself');
    }
    onDamage?.(error);
  };
}
