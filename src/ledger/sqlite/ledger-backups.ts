import { existsSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Instant } from '../../access/instant.ts';
import { LedgerError } from '../ledger.ts';
import { type BackupPlace, dropDraft, hasRoomFor, keepDraft, newDraft, prepareBackups, prune } from './backup-folder.ts';
import { type MeasuredFile, measure, verifyLedgerCopy } from './copy-ledger.ts';
import type { CopyVerdict } from './copy-watch.ts';
import { copyDatabase } from './database.ts';
import type { LedgerDatabase } from './ledger-database.ts';

/** One backup that is to be made. */
export interface BackupJob {
  /** The ledger's file, which is in use. */
  readonly from: string;
  readonly watchCopy: LedgerDatabase['watchCopy'];
  readonly places: readonly BackupPlace[];
  readonly at: Instant;
  /** The disk of the ledger is short of room, which is for endings: only the newest backup stays there. */
  readonly isShort: boolean;
}

/** What became of a backup in one folder; `problem` is null where it is kept there. */
export interface BackupKept {
  readonly folder: string;
  readonly problem: string | null;
}

/** A copy that is kept, and what it holds. */
interface Made extends MeasuredFile {
  readonly path: string;
}

/** How long the copying waits for a connector that opens or closes the ledger. */
const BUSY_MS = 5000;

/**
 * Backs up a ledger that is in use: copied at one instant by a thread of SQLite's work, and read and compared in small turns, so that no
 * ending waits. A copy is kept only if each page of it is what the ledger has committed, by its checksums, and takes an older one's place
 * only then. A folder that cannot be written is no reason for the others to have none. Rejects with a `LedgerError`: `damaged` where two
 * copies show the same damage, which then is the ledger's; or with the signal's reason.
 */
export async function backUpLedger(job: BackupJob, signal: AbortSignal): Promise<readonly BackupKept[]> {
  const kept: BackupKept[] = [];
  let made: Made | null = null;
  for (const place of job.places) {
    const { folder } = place;
    let problem = await obstacle(place, job);
    if (problem === null) {
      try {
        const first: Made | null = made;
        const copy: Made =
          first === null ? await copyVerified(folder, job, signal) : await copyAgain(folder, first, { job, signal });
        made ??= copy;
        await prune(folder, { now: job.at, onlyNewest: false });
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof LedgerError && error.fault === 'damaged') throw error;
        problem = problemOf(folder, error);
      }
    }
    kept.push({ folder, problem });
  }
  return kept;
}

/** Twice where it is not what it should be: a disk that writes badly is not a ledger that is damaged. */
async function copyVerified(folder: string, job: BackupJob, signal: AbortSignal): Promise<Made> {
  const first = await copyOnce(folder, job, signal);
  if ('path' in first) return first;
  const second = await copyOnce(folder, job, signal);
  if ('path' in second) return second;
  if (first.finding === second.finding)
    throw new LedgerError('damaged', `the ledger is damaged: ${first.finding}, and in a second copy it is the same`);
  throw new Error(`two copies were not what the ledger holds, each in another way (${first.finding}; ${second.finding})`);
}

async function copyOnce(folder: string, job: BackupJob, signal: AbortSignal): Promise<Made | { readonly finding: string }> {
  const watch = job.watchCopy();
  try {
    const draft = await newDraft(folder);
    await copyDatabase({ from: job.from, isInUse: true, to: draft, busyMs: BUSY_MS });
    const copied = await measure(draft, signal);
    const finding = findingOf(watch.judge(copied.sums), copied) ?? damageOf(draft);
    if (finding !== null) return { finding };
    return { ...copied, path: await keepDraft(folder, { at: job.at, digest: copied.digest }) };
  } finally {
    watch.end();
    await dropDraft(folder);
  }
}

function findingOf(verdict: CopyVerdict, { sums }: MeasuredFile): string | null {
  switch (verdict.kind) {
    case 'same':
      return null;
    case 'unknown':
      throw new Error('the checksums of the ledger could not be written, so that no copy can be verified');
    case 'other':
      return `page ${verdict.page} is not what was written (its checksum is ${(sums[verdict.page] ?? 0).toString(16)})`;
    default:
      return verdict satisfies never;
  }
}

/** The first page, which has no sum to compare, is where SQLite begins to read. */
function damageOf(path: string): string | null {
  try {
    verifyLedgerCopy(path, { inFull: false });
    return null;
  } catch (error) {
    if (error instanceof LedgerError && error.fault === 'damaged') return error.message.replaceAll(path, 'the copy');
    throw error;
  }
}

/** What is kept elsewhere is read back: each of its pages must be that of the first copy. */
async function copyAgain(folder: string, first: Made, { job, signal }: { job: BackupJob; signal: AbortSignal }): Promise<Made> {
  try {
    const draft = await newDraft(folder);
    await copyDatabase({ from: first.path, isInUse: false, to: draft, busyMs: BUSY_MS });
    const copied = await measure(draft, signal);
    const isSame =
      copied.sums.length === first.sums.length && copied.sums.every((sum, page) => page < 2 || sum === first.sums[page]);
    if (!isSame) throw new Error('what was written is not what is there; its disk is broken');
    return { ...copied, path: await keepDraft(folder, { at: job.at, digest: copied.digest }) };
  } finally {
    await dropDraft(folder);
  }
}

/** Why no backup is to be written in that folder now; null where one is. */
async function obstacle(place: BackupPlace, { from, isShort, at }: BackupJob): Promise<string | null> {
  const { folder } = place;
  const bytes = sizeOf(from) + sizeOf(`${from}-wal`);
  try {
    await prepareBackups(place);
    if (isShort && (await stat(folder)).dev === statSync(from).dev) {
      await prune(folder, { now: at, onlyNewest: true });
      return `no backup is written to ${folder} while the disk of the ledger is full: what is left is for endings. Free space on it`;
    }
    if (await hasRoomFor(folder, bytes)) return null;
    await prune(folder, { now: at, onlyNewest: true });
    if (await hasRoomFor(folder, bytes)) return null;
    return `${folder} has no room for a backup of ${Math.ceil(bytes / 1024 / 1024)} MiB: free space on its disk`;
  } catch (error) {
    return problemOf(folder, error);
  }
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

function problemOf(folder: string, error: unknown): string {
  return `no backup could be written to ${folder}: ${error instanceof Error ? error.message : String(error)}`;
}
