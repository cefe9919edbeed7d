import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Logger } from '../../observability/logger.ts';
import { LedgerError } from '../ledger.ts';
import { readRow } from './columns.ts';
import type { CommitHooks } from './commit-queue.ts';
import { type CopyWatch, copyWatches } from './copy-watch.ts';
import { type Database, openDatabase } from './database.ts';
import { ledgerErrorOf } from './faults.ts';
import { readTally } from './identity.ts';
import { checkInFull, MIGRATIONS, type Migration, type MigrationPlace, migrate } from './migrations.ts';
import { createPageSums, openPageSums, type PageSums, type Tally } from './page-sums.ts';
import type { Reserve } from './reserve.ts';
import { preparePrivateFile, syncDirectory } from './state-directory.ts';
import { PAGE_BYTES, type WriteAheadLog, writeAheadLog } from './write-ahead-log.ts';

/** How long a commit waits for a reader from outside (a backup, a person with a shell). */
const BUSY_MS = 5000;

/** The write-ahead log is taken over into the file when it has grown so long: SQLite's own default. */
const CHECKPOINT_BYTES = 1000 * PAGE_BYTES;
/** And so long while the disk is full, since only a log that was taken over is written from its beginning again. */
const CHECKPOINT_BYTES_WHEN_LOW = 64 * PAGE_BYTES;

const journalRow = z.strictObject({ journal_mode: z.string() });
const checkpointRow = z.strictObject({ busy: z.int(), log: z.int(), checkpointed: z.int() });
const changesRow = z.strictObject({ changes: z.int() });

/** The ledger's open file, with what stands beside it for the day on which it is damaged or the disk is full. */
export interface LedgerDatabase {
  readonly database: Database;
  /** Has to be told of every transaction. */
  readonly hooks: CommitHooks;
  /** What the checksums knew of the ledger before this opening; null where they are missing. */
  readonly known: Tally | null;
  /** The ledger has its identity: from now on its checksums are kept. */
  begin(): void;
  /** A copy of the file is about to be made: what it comes to hold can be judged by the checksums. */
  watchCopy(): CopyWatch;
  close(): void;
}

export interface LedgerDatabaseOptions {
  readonly stateDir: string;
  readonly reserve: Reserve;
  readonly logger?: Logger | undefined;
  /** Parameters for tests. */
  readonly migrations?: readonly Migration[] | undefined;
  readonly passed?: ((place: MigrationPlace) => void) | undefined;
}

/**
 * Opens the ledger's file, whole, with the newest tables, and set to have each commit on disk before it returns. The
 * caller owns the state directory.
 */
export function openLedgerDatabase(options: LedgerDatabaseOptions): LedgerDatabase {
  const { stateDir, logger, migrations = MIGRATIONS, passed } = options;
  const path = join(stateDir, 'ledger.db');
  const log = writeAheadLog(`${path}-wal`);
  const { sums, known } = verifiedSums({ path, sumsPath: join(stateDir, 'ledger.sum'), log });
  syncDirectory(stateDir);
  let database: Database | null = null;
  try {
    database = openDatabase({ path, busyMs: BUSY_MS });
    writeThrough(database, path);
    const steps = migrate(database, migrations, passed);
    if (steps > 0) {
      logger?.info({ event: 'ledger.migrated', steps, schemaVersion: migrations.length }, 'the ledger has the newest schema');
    }
    return summed({ database, sums, known, log, options });
  } catch (error) {
    // The sums were not written since they were read.
    database?.closeKeepingLog();
    log.close();
    sums.close();
    throw ledgerErrorOf(error, `open ${path}`);
  }
}

/** The checksums of the ledger's file, which holds what they say. Where they are missing, they are taken from it as it is. */
function verifiedSums({ path, sumsPath, log }: { path: string; sumsPath: string; log: WriteAheadLog }): {
  readonly sums: PageSums;
  readonly known: Tally | null;
} {
  const found = openPageSums(sumsPath);
  const known = found?.tally() ?? null;
  try {
    const isThere = sizeOf(path) > 0;
    if (found !== null && found.pages() > 0 && isThere) {
      preparePrivateFile(path);
      const inLog = log.committed();
      found.verify(path, inLog);
      found.committed(inLog);
      log.close();
      return { sums: found, known };
    }
    found?.close();
    return { sums: measuredSums({ path, sumsPath, known, isThere }), known };
  } catch (error) {
    throw ledgerErrorOf(error, `check ${path}`);
  }
}

/**
 * What an earlier ledger is remembered by stays in the file of checksums until the new one says that it has replaced it. A
 * ledger that comes without checksums, as a restored copy does, is looked at in every way that SQLite has.
 */
function measuredSums({
  path,
  sumsPath,
  known,
  isThere,
}: {
  path: string;
  sumsPath: string;
  known: Tally | null;
  isThere: boolean;
}): PageSums {
  if (!isThere && known !== null && known.commits > 0 && sizeOf(`${path}-wal`) > 0) {
    // SQLite would delete the log of an empty file.
    throw new LedgerError('damaged', `the ledger is damaged: ${path} is missing or empty, but its write-ahead log is there`);
  }
  preparePrivateFile(path);
  if (isThere) inOneOpening(path, checkInFull);
  const sums = createPageSums(sumsPath, known ?? { commits: 0, ledgerId: '' });
  if (!isThere) {
    sums.save(sums.tally());
    sums.sync();
  }
  // What changes the mode writes the first page past the log: its sum can only be taken when SQLite has closed the file again.
  inOneOpening(path, (database) => writeThrough(database, path));
  sums.measure(path);
  return sums;
}

function inOneOpening(path: string, use: (database: Database) => void): void {
  const database = openDatabase({ path, busyMs: BUSY_MS });
  try {
    use(database);
  } finally {
    database.close();
  }
}

/** 0 for a file that is missing. */
function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

function summed({
  database,
  sums,
  known,
  log,
  options: { reserve, logger },
}: {
  database: Database;
  sums: PageSums;
  known: Tally | null;
  log: WriteAheadLog;
  options: LedgerDatabaseOptions;
}): LedgerDatabase {
  let hasBegun = false;
  let changesBefore = 0;
  let isChange = false;
  let said = false;
  /**
   * No commit since the last one that succeeded. One that failed as it was synced stands whole in the log, and yet is no part of
   * the ledger until a start finds it there: its sums must not be taken for those of what a checkpoint writes.
   */
  let isSettled = true;
  let isRecorded = false;

  const copies = copyWatches(sums);

  function takeCommitted(): void {
    const pages = log.committed();
    sums.committed(pages);
    copies.committed(pages);
  }

  /** The sums of what was committed. A failure loses nothing: what has no sums stays in the write-ahead log, which has its own. */
  function record(): boolean {
    if (!hasBegun || (!isSettled && !isRecorded)) return false;
    isRecorded = false;
    try {
      if (isSettled) takeCommitted();
      sums.save(readTally(database));
      isRecorded = true;
      return true;
    } catch (error) {
      const failure = ledgerErrorOf(error, 'write the checksums of the ledger');
      // Ends: the reserve does.
      if (failure.fault === 'no_space' && reserve.give()) return record();
      if (!said) logger?.error({ event: 'ledger.sums-failed', error: failure }, failure.message);
      said = true;
      return false;
    }
  }

  /**
   * Takes the write-ahead log over into the file, or what a reader from outside leaves of it. Nothing is lost where that fails:
   * it is tried again after the next commit.
   */
  function checkpoint(): boolean {
    try {
      sums.sync();
      const { busy, log: frames, checkpointed } = readRow(checkpointRow, database.row('PRAGMA wal_checkpoint(PASSIVE)'));
      if (busy !== 0 || frames !== checkpointed) return true;
      sums.settled();
      sums.save(readTally(database));
      // Before the next commit begins the log anew, which alone could tell a page that was cut off.
      sums.sync();
      return true;
    } catch (error) {
      const failure = ledgerErrorOf(error, 'take over the write-ahead log');
      // Ends: the reserve does.
      if (failure.fault === 'no_space' && reserve.give()) return checkpoint();
      if (!said) logger?.error({ event: 'ledger.sums-failed', error: failure }, failure.message);
      said = true;
      return false;
    }
  }

  const hooks: CommitHooks = {
    sealing() {
      const changes = changesOf(database);
      isChange = changes !== changesBefore;
      // A commit of nothing writes no frame over those of one that failed.
      isSettled &&= !isChange;
      changesBefore = changes;
      if (isChange) changesBefore += database.run('UPDATE identity SET commits = commits + 1');
    },
    committed() {
      if (!isChange) return;
      isSettled = true;
      const limit = reserve.space() === 'ok' ? CHECKPOINT_BYTES : CHECKPOINT_BYTES_WHEN_LOW;
      if (record() && log.bytes() >= limit) checkpoint();
    },
    relieve: () => reserve.give(),
  };

  return {
    database,
    hooks,
    known,
    begin() {
      hasBegun = true;
      changesBefore = changesOf(database);
      if (record()) sums.sync();
    },
    watchCopy: () => copies.watch(() => hasBegun && isSettled && isRecorded),
    close() {
      let isSummed = false;
      try {
        isSummed = record() && checkpoint();
      } finally {
        log.close();
        // SQLite would write pages whose sums are not there.
        if (isSummed) database.close();
        else database.closeKeepingLog();
        sums.close();
      }
    },
  };
}

function changesOf(database: Database): number {
  return readRow(changesRow, database.row('SELECT total_changes() AS changes')).changes;
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
  // The log is taken over when its sums are written, not when SQLite likes to; what it had grown to is given back.
  database.script(`PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = ${2 * CHECKPOINT_BYTES}`);
}
