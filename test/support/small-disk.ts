import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A file system of so many MiB, mounted at the folder. The caller has the right to, and mounts of its own. */
export function mountSmallDisk(folder: string, mebibytes: number) {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=0700`, 'none', folder], { encoding: 'utf8' });
  if (mounted.status !== 0) throw new Error(`could not mount: ${mounted.stderr}`);
  const filler = join(folder, 'filler');
  return {
    /** Writes until nothing more can be written. */
    fill(): void {
      const descriptor = openSync(filler, 'a', 0o600);
      try {
        for (const size of [1024 * 1024, 4096, 1]) {
          const bytes = Buffer.alloc(size, 1);
          // Ends: the disk is full at last.
          for (;;) {
            try {
              writeSync(descriptor, bytes);
            } catch (error) {
              if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') break;
              throw error;
            }
          }
        }
      } finally {
        closeSync(descriptor);
      }
    },
    /** Takes so many bytes back of what was filled. */
    leave(bytes: number): void {
      truncateSync(filler, statSync(filler).size - bytes);
    },
    free(): void {
      rmSync(filler, { force: true });
    },
    freeBytes(): number {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize;
    },
    unmount(): void {
      spawnSync('umount', ['-l', folder]);
    },
  };
}
