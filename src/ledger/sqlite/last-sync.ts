import { closeSync, constants, existsSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { JOB_ERROR_CODES } from '../../access/outcome.ts';
import { type AttributeCounts, SYNC_ATTRIBUTES, type SyncCounts } from '../../access/sync.ts';
import type { Logger } from '../../observability/logger.ts';
import type { FailedRun, HeldRun } from '../snapshots.ts';
import { instantColumn } from './columns.ts';
import { flush, openDurable } from './durable.ts';
import { ledgerErrorOf } from './faults.ts';
import { syncDirectory } from './state-directory.ts';

/** What outlives the picture: by how much there was, a run without a picture to compare with is judged, too. */
export interface LastSync {
  /** Of the last run that was published; null where none was, or nobody knows. */
  readonly counts: SyncCounts | null;
  /** Who had which attribute when a run read everything; null where nobody knows. */
  readonly had: AttributeCounts | null;
  /** Runs that are held, the newest first. */
  readonly held: readonly HeldRun[];
  /** The last run, where that failed. */
  readonly failed: FailedRun | null;
}

export interface LastSyncFile {
  read(): LastSync;
  /** Throws a `LedgerError` where it cannot write, and has then changed nothing. */
  write(last: LastSync): void;
}

const NOTHING: LastSync = { counts: null, had: null, held: [], failed: null };

const count = z.int().nonnegative();
const lastSync = z.strictObject({
  receiver: z.string().nullable(),
  counts: z.strictObject({ users: count, groups: count, memberships: count, membersOutOfScope: count }).nullable(),
  had: z.record(z.enum(SYNC_ATTRIBUTES), count).nullable().default(null),
  held: z.array(
    z.strictObject({
      syncId: z.string(),
      at: instantColumn,
      users: count,
      groups: count,
      memberships: count,
      lost: z.array(z.enum(SYNC_ATTRIBUTES)).default([]),
    }),
  ),
  failed: z
    .strictObject({ at: instantColumn, code: z.enum(JOB_ERROR_CODES), message: z.string() })
    .nullable()
    .default(null),
});

/** `sync-last.json`: small, written anew as a whole, and of one receiver. One that cannot be read counts as none, and that is said. */
export function lastSyncFile({
  folder,
  receiver,
  logger,
}: {
  folder: string;
  /** Null: of whomever. */
  receiver: string | null;
  logger: Logger;
}): LastSyncFile {
  const path = join(folder, 'sync-last.json');
  let known: LastSync | null = null;

  function load(): LastSync {
    if (!existsSync(path)) return NOTHING;
    try {
      const { receiver: told, ...last } = lastSync.parse(JSON.parse(readFileSync(path, 'utf8')));
      return receiver === null || told === receiver ? last : NOTHING;
    } catch (error) {
      logger.warn({ event: 'sync.last-unreadable', path, error }, 'how much the last sync told cannot be read, and is not known');
      return NOTHING;
    }
  }

  return {
    read() {
      known ??= load();
      return known;
    },
    write(last) {
      replaceFile(path, JSON.stringify({ receiver, ...last }));
      known = last;
    },
  };
}

function replaceFile(path: string, text: string): void {
  const next = `${path}.tmp`;
  try {
    rmSync(next, { force: true });
    const descriptor = openDurable(next, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      writeSync(descriptor, text);
      flush(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(next, path);
    syncDirectory(dirname(path));
  } catch (error) {
    throw ledgerErrorOf(error, `write ${path}`);
  }
}
