import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A file that is written whole or not at all: what had the name before stays until `keep`. */
export interface OutFile {
  readonly append: (text: string) => Promise<void>;
  readonly keep: () => Promise<void>;
  /** Takes away what was written; nothing after `keep`. */
  readonly discard: () => Promise<void>;
}

/** A file could not be written, in words for the person who named it. */
export class OutFileError extends Error {
  override readonly name = 'OutFileError';

  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`cannot write ${path}: ${reason}`, options);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such folder',
  ENOTDIR: 'there is no such folder',
  EISDIR: 'it is a folder',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ENAMETOOLONG: 'the name is too long',
};

/** Opens a file that only its owner can read. Rejects with an {@link OutFileError}, as its functions do. */
export async function outFile(path: string): Promise<OutFile> {
  const saying = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (error instanceof OutFileError) throw error;
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      throw new OutFileError(path, REASONS[code] ?? code, { cause: error });
    }
  };
  const { written, target } = await saying(placeOf(path));
  const handle = await saying(open(written, target === null ? constants.O_WRONLY : 'wx', 0o600));
  return {
    append: (text) => saying(handle.appendFile(text)),
    keep: () => saying(keep(handle, { written, target })),
    async discard() {
      await handle.close();
      if (target !== null) await rm(written, { force: true });
    },
  };
}

/** Where to write, and what name it gets in the end; null: what is there is no file (a pipe, a device) and is written to itself. */
async function placeOf(path: string): Promise<{ written: string; target: string | null }> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (found?.isDirectory() === true) throw new OutFileError(path, 'it is a folder');
  if (found !== null && !found.isFile()) return { written: path, target: null };
  // What a symbolic link points to is replaced, and not the link.
  const target = found === null ? path : await realpath(path);
  return { written: join(dirname(target), `.${basename(target)}.${randomUUID()}`), target };
}

async function keep(handle: FileHandle, { written, target }: { written: string; target: string | null }): Promise<void> {
  if (target === null) return;
  await handle.sync();
  await rename(written, target);
}
