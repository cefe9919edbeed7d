import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { formatInstant, type Instant } from '../../access/instant.ts';
import { LedgerError } from '../ledger.ts';
import { instantColumn } from './columns.ts';
import { openDatabase } from './database.ts';
import { ledgerErrorOf } from './faults.ts';
import { preparePrivateFile } from './state-directory.ts';

/** The right to be the only one who writes a ledger. */
export interface OwnerLock {
  release(): void;
}

const ownerSchema = z.strictObject({ pid: z.int(), host: z.string(), startedAt: instantColumn });
type Owner = z.output<typeof ownerSchema>;

/**
 * Takes the state directory for this process, or throws `locked` and names who has it. The lock is an exclusive
 * transaction on a file of its own: the kernel drops it with the process, however that ends, so none is ever stale.
 * `owner.json` beside it only serves the message.
 */
export function lockStateDirectory(stateDir: string, startedAt: Instant): OwnerLock {
  const lockPath = join(stateDir, 'lock.db');
  const ownerPath = join(stateDir, 'owner.json');
  preparePrivateFile(lockPath);
  const lock = openDatabase({ path: lockPath, busyMs: 0 });
  try {
    // Without a journal, for which a full disk has no room; nothing is ever written to this file.
    lock.script('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    writeOwner(ownerPath, { pid: process.pid, host: hostname(), startedAt });
  } catch (error) {
    lock.close();
    if (error instanceof LedgerError && error.fault === 'locked') throw lockedBy(stateDir, readOwner(ownerPath), error);
    throw ledgerErrorOf(error, `lock ${stateDir}`);
  }
  return {
    release: () => {
      try {
        // Before the lock goes, or the next owner's file would be removed.
        rmSync(ownerPath, { force: true });
      } catch {
        // One that stays behind misleads nobody: it is only read where the lock is taken, and written anew by whoever takes it.
      } finally {
        lock.close();
      }
    },
  };
}

function lockedBy(stateDir: string, owner: Owner | null, cause: LedgerError): LedgerError {
  const who =
    owner === null
      ? 'another process'
      : `process ${owner.pid} on host ${owner.host}, started at ${formatInstant(owner.startedAt)}`;
  return new LedgerError(
    'locked',
    `the ledger in ${stateDir} is in use by ${who}; stop that connector, or give this one its own LATCHKEY_STATE_DIR`,
    { cause },
  );
}

function writeOwner(path: string, owner: Owner): void {
  const draft = `${path}.new`;
  try {
    rmSync(draft, { force: true });
    writeFileSync(draft, `${JSON.stringify(owner)}\n`, { mode: 0o600 });
    renameSync(draft, path);
  } catch (error) {
    // A full disk must not keep endings from being done for want of a message.
    if (ledgerErrorOf(error, `write ${path}`).fault !== 'no_space') throw error;
  }
}

/** Who wrote the file; null where it is missing or unreadable, as between the lock and the writing. */
function readOwner(path: string): Owner | null {
  try {
    const read = ownerSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
    return read.success ? read.data : null;
  } catch {
    return null;
  }
}
