import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What the file shall hold. */
export interface Contents {
  text(): string;
  /** Grows with every change worth keeping, so that nothing is written twice. */
  revision(): number;
}

/** A file that holds one text, replaced as a whole. */
export interface StateFile {
  /** Resolves when everything told before this call is on the disk. Calls made during a write share the next one. */
  save(): Promise<void>;
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

/** Keeps the contents in the file; a reader sees the old text or the new one, never a part. */
export function openStateFile(file: string, contents: Contents): StateFile {
  let last: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  let kept = -1;

  async function writeAfter(before: Promise<void>): Promise<void> {
    // A failed write is told to those who asked for it; the next one writes everything again.
    await Promise.allSettled([before]);
    next = undefined;
    const revision = contents.revision();
    if (revision === kept) return;
    await replaceFile(file, contents.text());
    kept = revision;
  }

  return {
    save() {
      if (next === undefined) {
        // One at a time: each waits for the one that was asked for before.
        next = writeAfter(last);
        last = next;
      }
      return next;
    },
  };
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
  await syncFolder(dirname(file));
}

/** What was renamed in the folder is so on the disk. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
