import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { formatInstant, type Instant } from '../../access/instant.ts';
import type { Logger } from '../../observability/logger.ts';
import { LedgerError } from '../ledger.ts';
import { type BackupPlace, hasBackup, readBackupName } from './backup-folder.ts';
import { measureAtOnce, verifyLedgerCopy } from './copy-ledger.ts';
import { openForReading } from './database.ts';
import { flush, openDurable } from './durable.ts';
import { ledgerErrorOf } from './faults.ts';
import { newestFit, type OwnBackups, type PassedOver } from './fit-backup.ts';
import { readTally } from './identity.ts';
import { prepareStateDirectory, syncDirectory } from './state-directory.ts';

/** What a ledger was restored from, and why. */
export interface Restored {
  readonly why: string;
  /** The folder with the files that were there; null where there were none. */
  readonly setAside: string | null;
  readonly backup: string;
  readonly backupAt: Instant;
}

/** The files of a ledger, the log before the file that it belongs to: without it, the file may be older than what was told. */
const FILES = ['ledger.db-wal', 'ledger.db-shm', 'ledger.db', 'ledger.sum'] as const;
/** Says that the ledger is not to be opened as it is; there until a restored one is open. */
const NOTE = 'ledger.damaged';
const DRAFT = 'ledger.db.restoring';
const CHUNK_BYTES = 1024 * 1024;

const noteSchema = z.strictObject({
  why: z.string(),
  setAside: z.string().nullable(),
  isSetAside: z.boolean(),
  /** What was to take its place when it was set aside. */
  backup: z.string().optional(),
});
type Note = z.output<typeof noteSchema>;

/** Keeps, through any end of the process, that the ledger is damaged: the next opening restores it. Throws a `LedgerError`. */
export function noteDamage(stateDir: string, why: string): void {
  writeNote(stateDir, { why, setAside: null, isSetAside: false });
}

/** Why the ledger is to be restored before anybody opens it, and whether it was set aside already; null where it is not. */
export function damageNoted(stateDir: string): Pick<Note, 'why' | 'isSetAside'> | null {
  return readNote(stateDir);
}

/** Reads them until one is. */
export function hasFitBackup(backups: OwnBackups): boolean {
  return newestFit(backups).backup !== null;
}

/** How many commits the newest backup that could be restored has had; 0 where none is. */
export function commitsOfBackup(backups: OwnBackups): number {
  const { backup } = newestFit(backups);
  if (backup === null) return 0;
  const database = openForReading({ path: backup.path, busyMs: 0 });
  try {
    return readTally(database).commits;
  } finally {
    database.close();
  }
}

/** The restored ledger is open, and nothing was done with it yet. Throws a `LedgerError`. */
export function forgetDamage(stateDir: string): void {
  try {
    rmSync(join(stateDir, NOTE), { force: true });
    syncDirectory(stateDir);
  } catch (error) {
    throw ledgerErrorOf(error, `remove ${join(stateDir, NOTE)}`);
  }
}

/** Whether there is no ledger where there was one: nothing that could be opened, and backups of it. */
export function isLost(stateDir: string, places: readonly BackupPlace[]): boolean {
  if (['ledger.db', 'ledger.db-wal'].some((name) => sizeOf(join(stateDir, name)) > 0)) return false;
  return hasBackup(places);
}

/**
 * Puts the newest backup that is whole and of this connector into the place of the ledger, whose files are set aside and never deleted. The caller owns the
 * state directory, opens what is there then, and forgets the damage; interrupted anywhere, it begins anew. Throws `damaged`, or
 * `wrong_connector` where each is another's, with nothing changed, where there is no such backup.
 */
export function restoreLedger(
  stateDir: string,
  { why, backups, at, logger }: { why: string; backups: OwnBackups; at: Instant; logger: Logger | undefined },
): Restored {
  const begun = takeUpMoved(stateDir);
  if (begun !== null) return begun;
  const { backup, passedOver } = newestFit(backups);
  for (const { path, reason } of passedOver)
    logger?.error({ event: 'ledger.backup-unfit', backup: path, problem: reason }, `${path} is not restored from: ${reason}`);
  if (backup === null) throw nothingToRestore({ why, stateDir, passedOver });
  try {
    const setAside = putAside(stateDir, { why, at, backup: backup.path });
    const draft = join(stateDir, DRAFT);
    rmSync(draft, { force: true });
    bring(backup.path, draft);
    renameSync(draft, join(stateDir, 'ledger.db'));
    syncDirectory(stateDir);
    return { why, setAside, backup: backup.path, backupAt: backup.at };
  } catch (error) {
    throw ledgerErrorOf(error, `restore the ledger in ${stateDir} from ${backup.path}`);
  }
}

/**
 * An earlier attempt that found no room for a copy has made the backup itself the ledger, and was cut off before that was open: it is
 * nowhere else by then. Null where there is none, or what is there is not whole.
 */
function takeUpMoved(stateDir: string): Restored | null {
  const noted = readNote(stateDir);
  if (noted?.isSetAside !== true || noted.backup === undefined || existsSync(noted.backup)) return null;
  const { why, setAside, backup } = noted;
  const name = readBackupName(basename(backup));
  if (name === null) return null;
  const [draft, ledger] = [join(stateDir, DRAFT), join(stateDir, 'ledger.db')];
  try {
    if (existsSync(draft) && measureAtOnce(draft).digest === name.digest) {
      renameSync(draft, ledger);
      syncDirectory(stateDir);
    }
    if (!existsSync(ledger)) return null;
    verifyLedgerCopy(ledger, { inFull: true });
    return { why, setAside, backup, backupAt: name.at };
  } catch (error) {
    const failure = ledgerErrorOf(error, `take up ${ledger}`);
    if (failure.fault === 'damaged') return null;
    throw failure;
  }
}

/** On a full disk the backup itself becomes the ledger, where that is on the same one. */
function bring(backup: string, draft: string): void {
  try {
    writeDurably(draft, chunksOf(backup));
  } catch (error) {
    if (ledgerErrorOf(error, `copy ${backup}`).fault !== 'no_space') throw error;
    rmSync(draft, { force: true });
    renameSync(backup, draft);
  }
}

/** What was noted before is of an earlier attempt: what stands there since then is a copy of a backup that nobody has used. */
function putAside(stateDir: string, { why, at, backup }: { why: string; at: Instant; backup: string }): string | null {
  const noted = readNote(stateDir);
  if (noted?.isSetAside === true) {
    if (noted.backup !== backup) writeNote(stateDir, { ...noted, backup });
    for (const name of FILES) rmSync(join(stateDir, name), { force: true });
    return noted.setAside;
  }
  const there = FILES.filter((name) => existsSync(join(stateDir, name)));
  // An attempt that was cut off may have moved some of them.
  const setAside =
    noted?.setAside ?? (there.length === 0 ? null : join(stateDir, 'damaged', formatInstant(at).replaceAll(':', '-')));
  writeNote(stateDir, { why, setAside, isSetAside: false });
  if (setAside !== null) {
    prepareStateDirectory(join(stateDir, 'damaged'), undefined);
    mkdirSync(setAside, { recursive: true, mode: 0o700 });
    for (const name of there) renameSync(join(stateDir, name), join(setAside, name));
    for (const folder of [setAside, join(stateDir, 'damaged'), stateDir]) syncDirectory(folder);
  }
  writeNote(stateDir, { why, setAside, isSetAside: true, backup });
  return setAside;
}

/** `wrong_connector` where all there is would be another's. */
function nothingToRestore({
  why,
  stateDir,
  passedOver,
}: {
  why: string;
  stateDir: string;
  passedOver: readonly PassedOver[];
}): LedgerError {
  const looked = passedOver.map(({ path, reason }) => `${path}: ${reason}`).join('; ');
  const isOthers = passedOver.length > 0 && passedOver.every((one) => one.isOthers);
  const unfit = isOthers ? 'each backup is of another connector' : 'no backup of it is whole';
  const backups = passedOver.length === 0 ? 'there is no backup of it' : `${unfit} (${looked})`;
  return new LedgerError(
    isOthers ? 'wrong_connector' : 'damaged',
    `${why}; ${backups}. Nothing was changed, and nothing is begun with an empty ledger, which would leave all access that was given: ` +
      `${isOthers ? 'set LATCHKEY_CONNECTOR_ID to the id of the connector that this is, ' : ''}put a backup in its place ` +
      `(docs/operations.md, "Restore by hand"), or, to give up what it knew, move ${stateDir} and its backups aside`,
  );
}

function readNote(stateDir: string): Note | null {
  const path = join(stateDir, NOTE);
  try {
    if (!existsSync(path)) return null;
    const read = noteSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
    if (read.success) return read.data;
  } catch {
    // Cut off as it was written: nothing had been moved yet.
  }
  return { why: 'the ledger was found to be damaged', setAside: null, isSetAside: false };
}

function writeNote(stateDir: string, note: Note): void {
  const path = join(stateDir, NOTE);
  try {
    const draft = `${path}.new`;
    writeDurably(draft, [Buffer.from(`${JSON.stringify(note)}\n`)]);
    renameSync(draft, path);
    syncDirectory(stateDir);
  } catch (error) {
    throw ledgerErrorOf(error, `write ${path}`);
  }
}

/** Writes a new file that nobody else can read; it is on disk when this returns. */
function writeDurably(path: string, chunks: Iterable<Buffer>): void {
  const descriptor = openDurable(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
  try {
    // Ends: a write that takes nothing throws.
    for (const chunk of chunks) for (let written = 0; written < chunk.length; ) written += writeSync(descriptor, chunk, written);
    flush(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Each is used before the next is read. */
function* chunksOf(path: string): Generator<Buffer> {
  const descriptor = openSync(path, 'r');
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    // Ends with the file.
    for (let length = readSync(descriptor, chunk); length > 0; length = readSync(descriptor, chunk))
      yield chunk.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}
