import { chmodSync, closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Logger } from '../../observability/logger.ts';
import { flushFolder } from './durable.ts';
import { ledgerErrorOf } from './faults.ts';

/** Creates the directory (mode 0700) where it is missing, and takes from others what rights they have to it. */
export function prepareStateDirectory(stateDir: string, logger: Logger | undefined): void {
  try {
    makeDirectory(resolve(stateDir));
    const mode = statSync(stateDir).mode & 0o777;
    if ((mode & 0o077) === 0) return;
    chmodSync(stateDir, 0o700);
    logger?.warn(
      { event: 'ledger.directory-tightened', stateDir, mode: mode.toString(8) },
      'the state directory was open to others; its mode is now 0700',
    );
  } catch (error) {
    throw ledgerErrorOf(error, `prepare the state directory ${stateDir}`);
  }
}

/**
 * Creates a directory, and those above it, where they are missing. Node.js's own `recursive` turns for ever where a directory is there
 * and answers that nothing can be in it, as /proc does.
 */
function makeDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  if (!existsSync(dirname(path))) makeDirectory(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/** Creates an empty file of mode 0600 where there is none, so that SQLite never makes one that others can read. */
export function preparePrivateFile(path: string): void {
  try {
    // Exclusive creation: to open and close a file that exists would drop the locks that this process holds on it (POSIX).
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (!isExisting(error)) throw ledgerErrorOf(error, `create ${path}`);
    tighten(path);
  }
}

/** Makes the names of new files in the directory durable. */
export function syncDirectory(stateDir: string): void {
  try {
    flushFolder(stateDir);
  } catch (error) {
    throw ledgerErrorOf(error, `sync the state directory ${stateDir}`);
  }
}

function tighten(path: string): void {
  try {
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
  } catch (error) {
    throw ledgerErrorOf(error, `take the rights of others from ${path}`);
  }
}

function isExisting(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'EEXIST';
}
