import { readdirSync } from 'node:fs';
import { chmod, mkdir, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatInstant, type Instant, parseInstant } from '../../access/instant.ts';
import { flushNames } from './durable.ts';

/** A folder in which backups of one ledger are kept. */
export interface BackupPlace {
  readonly folder: string;
  /** The folder that must be there already, such as a mount; null where it is made. */
  readonly within: string | null;
}

/** A verified copy of a ledger. */
export interface Backup {
  readonly path: string;
  readonly name: string;
  /** When it was made. */
  readonly at: Instant;
  /** The first 16 hex digits of the SHA-256 of its content. */
  readonly digest: string;
}

/** Free on the disk when a backup has been written: two reserves (reserve.ts), so that no ending ever misses what a backup took. */
export const LEAST_LEFT_BYTES = 16 * 1024 * 1024;

/** What is being written, and is no backup yet. */
const DRAFT = 'new-backup.part';
const NAME = /^ledger-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z-([0-9a-f]{16})\.db$/;

/** Of a connector that is given one: a folder of its own in LATCHKEY_BACKUP_DIR, which several may share. */
export function backupPlaces(
  stateDir: string,
  { backupDir, connectorId }: { backupDir: string | null; connectorId: string },
): readonly BackupPlace[] {
  const own: BackupPlace = { folder: join(stateDir, 'backups'), within: null };
  // Never a name that leads elsewhere, as ".." would.
  return backupDir === null ? [own] : [own, { folder: join(backupDir, `latchkey-${connectorId}`), within: backupDir }];
}

/** The name says when it was made and what it holds, so that a backup is one file, and is there whole or not at all. */
export function backupName({ at, digest }: Pick<Backup, 'at' | 'digest'>): string {
  return `ledger-${formatInstant(at).replaceAll(/[-:.]/g, '')}-${digest}.db`;
}

/** What a name says; null for a file that is none of ours. */
export function readBackupName(name: string): Pick<Backup, 'at' | 'digest'> | null {
  const [, year, month, day, hour, minute, second, ms, digest = ''] = NAME.exec(name) ?? [];
  const at = parseInstant(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
  return at.ok ? { at: at.value, digest } : null;
}

/** The backups of a folder, the newest first; none where it is not there. Throws where it cannot be read. */
export function listBackups(folder: string): readonly Backup[] {
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  return backupsAmong(folder, names);
}

function backupsAmong(folder: string, names: readonly string[]): readonly Backup[] {
  return names
    .flatMap((name) => {
      const read = readBackupName(name);
      return read === null ? [] : [{ ...read, name, path: join(folder, name) }];
    })
    .toSorted((one, other) => other.at - one.at);
}

/** The backups of all places, the newest first, and what could not be looked at. */
export function findBackups(places: readonly BackupPlace[]): {
  readonly backups: readonly Backup[];
  readonly problems: readonly { readonly folder: string; readonly reason: string }[];
} {
  const problems: { folder: string; reason: string }[] = [];
  const backups = places.flatMap(({ folder }) => {
    try {
      return listBackups(folder);
    } catch (error) {
      problems.push({ folder, reason: error instanceof Error ? error.message : String(error) });
      return [];
    }
  });
  return { backups: backups.toSorted((one, other) => other.at - one.at), problems };
}

/** Whether any backup is there; none of them is looked at. */
export function hasBackup(places: readonly BackupPlace[]): boolean {
  return findBackups(places).backups.length > 0;
}

/** When the backups of a folder were made, by their names, the newest first; none where it is not there. Rejects where it cannot be read. */
export async function backupTimes(folder: string): Promise<readonly Instant[]> {
  try {
    return backupsAmong(folder, await readdir(folder)).map(({ at }) => at);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** Makes the folder where it is missing, and takes away what an earlier life left half written. Rejects where that cannot be done. */
export async function prepareBackups({ folder, within }: BackupPlace): Promise<void> {
  if (within !== null && !(await stat(within).catch(() => null))?.isDirectory())
    throw new Error(`${within} is no directory; is it mounted? (LATCHKEY_BACKUP_DIR)`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  await dropDraft(folder);
}

/** Whether so many bytes fit and leave what endings may need. */
export async function hasRoomFor(folder: string, bytes: number): Promise<boolean> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize - bytes >= LEAST_LEFT_BYTES;
}

/** An empty file that nobody else can read, to write a backup into. */
export async function newDraft(folder: string): Promise<string> {
  await dropDraft(folder);
  const path = join(folder, DRAFT);
  await writeFile(path, '', { flag: 'wx', mode: 0o600 });
  return path;
}

export async function dropDraft(folder: string): Promise<void> {
  for (const name of [DRAFT, `${DRAFT}-journal`]) await rm(join(folder, name), { force: true });
}

/** What was written, is on disk and is verified becomes a backup, durably; returns its path. */
export async function keepDraft(folder: string, { at, digest }: Pick<Backup, 'at' | 'digest'>): Promise<string> {
  const path = join(folder, backupName({ at, digest }));
  await rename(join(folder, DRAFT), path);
  await flushNames(folder);
  return path;
}

/**
 * Deletes what no generation needs any more; `onlyNewest` where the disk is short of room. What is named later than `now` is of a clock
 * that was ahead, and older than whatever is not: it would take the place of each that is made from now on. Rejects where that cannot
 * be done.
 */
export async function prune(folder: string, { now, onlyNewest }: { now: Instant; onlyNewest: boolean }): Promise<void> {
  const backups = backupsAmong(folder, await readdir(folder));
  const past = backups.filter(({ at }) => at <= now);
  const dated = past.length === 0 ? backups : past;
  const kept = new Set(onlyNewest ? dated.slice(0, 1) : generations(dated));
  for (const backup of backups) if (!kept.has(backup)) await rm(backup.path, { force: true });
}

const DAY_MS = 86_400_000;

/** The two newest, and the first of each of the last two days that have any: four at most. Given the newest first. */
export function generations<B extends Pick<Backup, 'at'>>(backups: readonly B[]): readonly B[] {
  const firstOfDay = new Map<number, B>();
  for (const backup of backups) firstOfDay.set(Math.floor(backup.at / DAY_MS), backup);
  return [...new Set([...backups.slice(0, 2), ...[...firstOfDay.values()].slice(0, 2)])];
}
