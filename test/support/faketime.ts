import { readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackDebianPackages } from '../../src/sandbox/debian-packages.ts';

/** The clock of one child process, which a test moves while the child runs. */
export interface SteppedClock {
  /** For the environment of the child. */
  readonly env: Readonly<Record<string, string>>;
  /** What the child's wall clock shows, in milliseconds since the epoch. */
  wallMs(): number;
  offsetMs(): number;
  /** Puts the clock so far ahead of this machine's (behind it, if negative). */
  set(offsetMs: number): Promise<void>;
}

/** Why a test of a stepped clock cannot run here; false where it can. */
export const NO_FAKETIME = process.platform === 'linux' ? false : 'libfaketime is preloaded on Linux only';

/**
 * A clock in a file of this folder, which libfaketime reads at each question. It moves the wall clock alone, or with
 * `monotonic` both, as time that passes does; the monotonic one must never be set back then, since Node.js aborts.
 */
export async function steppedClock({
  folder,
  name = 'clock',
  monotonic = false,
}: {
  folder: string;
  name?: string;
  monotonic?: boolean;
}): Promise<SteppedClock> {
  const file = join(folder, name);
  let offset = 0;

  async function set(offsetMs: number): Promise<void> {
    // Renamed into place: a child that reads half a line would see another time.
    await writeFile(`${file}.next`, `${offsetMs < 0 ? '-' : '+'}${(Math.abs(offsetMs) / 1000).toFixed(3)}\n`);
    await rename(`${file}.next`, file);
    offset = offsetMs;
  }

  await set(0);
  return {
    env: {
      LD_PRELOAD: await faketimeLibrary(),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: monotonic ? '0' : '1',
    },
    wallMs: () => Date.now() + offset,
    offsetMs: () => offset,
    set,
  };
}

/** Debian's libfaketime for programs with threads, unpacked into the user's cache like the sandbox's programs. */
async function faketimeLibrary(): Promise<string> {
  const root = await unpackDebianPackages({ packages: ['libfaketime'], env: process.env });
  const libraries = join(root, 'usr/lib');
  const paths = await readdir(libraries, { recursive: true });
  const path = paths.find((one) => one.endsWith('/faketime/libfaketimeMT.so.1'));
  if (path === undefined) throw new Error(`there is no libfaketimeMT.so.1 beneath ${libraries}`);
  return join(libraries, path);
}
