import { constants } from 'node:fs';
import { access, mkdtemp, rmdir, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { CheckStep } from '../../access/event.ts';

const MIB = 1024 * 1024;
/** What a ledger that is there cannot do without. */
const LEDGER_FILES = ['ledger.db', 'ledger.sum'] as const;
/** For the ledger of a small site and the 8 MiB that are set aside for endings. */
const LEAST_FREE = 32 * MIB;
/** File systems of other machines (statfs(2)): NFS, SMB, CIFS. Neither locks nor syncs can be relied upon there. */
const REMOTE: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xfe534d42, 'SMB'],
  [0xff534d42, 'CIFS'],
]);

/**
 * Whether a ledger can be kept in the directory. What the rights and the kind of a file system promise need not be so (/proc, a
 * read-only mount, root), so an empty folder is made there and taken away again; a connector that runs is not disturbed by that.
 */
export async function checkStateDirectory(
  stateDir: string,
  { tryToMake = makeAndRemove }: { tryToMake?: (place: string) => Promise<void> } = {},
): Promise<CheckStep> {
  const found = (status: CheckStep['status'], detail: string): CheckStep => ({ step: 'state directory', status, detail });
  try {
    const path = resolve(stateDir);
    const there = await statOf(path);
    const place = there === null ? await nearest(path) : path;
    if (!(await stat(place)).isDirectory()) return found('fail', `${place} is no directory: set LATCHKEY_STATE_DIR`);
    const obstacle = (await obstacleTo(place, tryToMake)) ?? (there === null ? null : await foreign(path, there));
    if (obstacle !== null) return found('fail', obstacle);
    const { bavail, bsize, type } = await statfs(place);
    const freeMib = Math.floor((bavail * bsize) / MIB);
    const remote = REMOTE.get(type >>> 0);
    if (remote !== undefined)
      return found('warn', `${path} is on a file system of another machine (${remote}): use a local disk`);
    if (bavail * bsize < LEAST_FREE)
      return found('warn', `${path} has ${freeMib} MiB free, and should have at least ${LEAST_FREE / MIB}: free space on it`);
    if (there === null) return found('ok', `${path} will be made; ${freeMib} MiB are free there`);
    const ledger = await statOf(join(path, 'ledger.db'));
    const held = ledger === null ? 'no ledger yet' : `a ledger of ${Math.ceil(ledger.size / MIB)} MiB`;
    const mode = (there.mode & 0o777).toString(8);
    if ((there.mode & 0o077) !== 0)
      return found('warn', `${path} is open to others (mode ${mode}); the connector takes these rights away when it starts`);
    return found('ok', `${path} (mode ${mode}), ${held}, ${freeMib} MiB free`);
  } catch (error) {
    return found('fail', `${stateDir} cannot be looked at (${codeOf(error)}): check LATCHKEY_STATE_DIR and who owns it`);
  }
}

/** Null where nothing is there. Rejects where that cannot be looked at. */
export async function statOf(path: string) {
  return await stat(path).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  });
}

/** The directory in which one that is missing would be made. Rejects where that cannot be looked at. */
export async function nearest(path: string): Promise<string> {
  const parent = dirname(path);
  return parent === path || (await statOf(parent)) !== null ? parent : await nearest(parent);
}

/** Makes an empty folder and takes it away again: what rights promise need not be so. Throws what the file system throws. */
export async function makeAndRemove(place: string): Promise<void> {
  await rmdir(await mkdtemp(join(place, '.latchkey-check-')));
}

/** Why nothing can be made in a directory; null where it can. */
async function obstacleTo(place: string, tryToMake: (place: string) => Promise<void>): Promise<string | null> {
  try {
    // Listing is not needed to make something, but to find a ledger.
    await access(place, constants.R_OK | constants.W_OK | constants.X_OK);
    await tryToMake(place);
    return null;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EACCES' || code === 'EPERM')
      return `this user (${ownUser() ?? 'unknown'}) must not write to ${place}: give it the directory`;
    if (code === 'ENOSPC' || code === 'EDQUOT') return `nothing can be made in ${place} (${code}): free space there`;
    return `nothing can be made in ${place} (${code}): set LATCHKEY_STATE_DIR to a directory on a local disk that can be written`;
  }
}

/** What belongs to somebody else, as after a start by another user; null where nothing does. */
async function foreign(path: string, { uid, mode }: { uid: number; mode: number }): Promise<string | null> {
  const own = ownUser();
  if ((mode & 0o077) !== 0 && own !== undefined && own !== 0 && own !== uid)
    return `${path} is open to others and belongs to user ${uid}, so that this user (${own}) cannot close it: give it the directory`;
  for (const name of LEDGER_FILES) {
    const file = join(path, name);
    if ((await statOf(file)) === null) continue;
    const may = await access(file, constants.R_OK | constants.W_OK).then(
      () => true,
      () => false,
    );
    if (!may) return `this user (${own ?? 'unknown'}) must not read and write ${file}: give it the file`;
  }
  return null;
}

function ownUser(): number | undefined {
  return process.getuid?.();
}

/** The code of a file system's error, for a person. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
