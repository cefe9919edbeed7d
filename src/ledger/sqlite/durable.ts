import { closeSync, constants, fsyncSync, openSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { openDatabase } from './database.ts';

/**
 * Node.js takes fsync(2) away from a process under its permission model, even on files that it may write (since January 2026,
 * 24.13). There what must be durable is written through open(2)'s O_DSYNC, and where a whole file or folder must be,
 * SQLite is let do it, whose calls the model does not judge. `process.permission` is there under the model alone.
 */
function mayFsync(): boolean {
  return process.permission === undefined;
}

/** Opens a file of ours for writing, so that after {@link flush} what was written is durable. */
export function openDurable(path: string, flags: number, mode?: number): number {
  return openSync(path, mayFsync() ? flags : flags | constants.O_DSYNC, mode);
}

/** After it, all that was written to a descriptor of {@link openDurable} is on the disk; without fsync it was as it was written. */
export function flush(descriptor: number): void {
  if (mayFsync()) fsyncSync(descriptor);
}

/**
 * A file whose writes are many and cheap, and that is seldom made durable, by `again`: it writes once more what the disk may lack.
 */
export function flushByWriting({
  path,
  descriptor,
  again,
}: {
  readonly path: string;
  readonly descriptor: number;
  readonly again: (descriptor: number) => void;
}): void {
  if (mayFsync()) {
    fsyncSync(descriptor);
    return;
  }
  const durable = openDurable(path, constants.O_RDWR);
  try {
    again(durable);
  } finally {
    closeSync(durable);
  }
}

/** Makes the names of new files in the folder durable. */
export function flushFolder(folder: string): void {
  if (!mayFsync()) {
    const path = join(folder, 'names.db');
    commitIn(path);
    rmSync(path);
    return;
  }
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The same, without anybody waiting for a disk that may be elsewhere; under the permission model such a disk does it in its own time. */
export async function flushNames(folder: string): Promise<void> {
  if (!mayFsync()) return;
  await using names = await open(folder, 'r');
  await names.sync();
}

/** Makes the file of a SQLite database durable that was written without syncs, and that nobody has open. */
export async function flushDatabase(path: string): Promise<void> {
  if (!mayFsync()) {
    // A commit syncs the whole file, whoever wrote it.
    commitIn(path);
    return;
  }
  await using file = await open(path, 'r+');
  await file.sync();
}

/** One commit with a rollback journal: SQLite syncs the file, and with `EXTRA` its folder once the journal is in it, and once it has gone. */
function commitIn(path: string): void {
  const database = openDatabase({ path, busyMs: 0 });
  try {
    // What it sets is what it was.
    database.script('PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA; PRAGMA application_id = 0');
  } finally {
    database.close();
  }
}
