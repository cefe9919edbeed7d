import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A file that holds one JSON value, replaced as a whole. */
export interface StateFile {
  /** Resolves when everything told before this call is on the disk. Calls made during a write share the next one. */
  save(): Promise<void>;
  /** Resolves when nothing is being written. */
  idle(): Promise<void>;
}

/** The text of the file, or undefined where there is none. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes the text of `contents` to the file whenever asked; a reader sees the old text or the new one, never a part. */
export function openStateFile(file: string, contents: () => string): StateFile {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  function write(): Promise<void> {
    running = replaceFile(file, contents()).finally(() => {
      running = undefined;
    });
    return running;
  }

  function save(): Promise<void> {
    if (running === undefined) return write();
    // A failed write is told to those who asked for it; the next one writes everything again.
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return write();
      });
    return next;
  }

  async function idle(): Promise<void> {
    await Promise.allSettled([running, next]);
  }

  return { save, idle };
}

/** Replaces a file atomically: temporary file, fsync, rename, fsync of the folder. */
export async function replaceFile(file: string, text: string, mode = 0o600): Promise<void> {
  const temporary = `${file}.new`;
  try {
    const written = await open(temporary, 'w', mode);
    try {
      await written.writeFile(text, 'utf8');
      await written.sync();
    } finally {
      await written.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
