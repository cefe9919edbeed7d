import { lstat, mkdir } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * The folder for what this user has fetched: `latchkey` under `$XDG_CACHE_HOME` or `~/.cache` (XDG Base Directory
 * Specification 0.8), else one under the temporary folder with the user's number in its name. It exists on return and only
 * this user can write to it, because programs are run from it. Throws when there is no such folder.
 */
export async function cacheFolder(env: NodeJS.ProcessEnv): Promise<string> {
  const candidates = cacheCandidates({
    xdgCacheHome: env['XDG_CACHE_HOME'],
    home: ownHome(),
    temporary: tmpdir(),
    uid: ownUid(),
  });
  for (const folder of candidates) {
    if (await isOwnFolder(folder)) return folder;
  }
  throw new Error(`None of ${candidates.join(', ')} is a folder that belongs to this user and to nobody else.`);
}

/**
 * Where the cache may lie, the preferred place first. A relative `$XDG_CACHE_HOME` is ignored, as its specification asks, and so
 * is a home that is not absolute: an empty `$HOME` would put the cache into whatever folder one stands in.
 */
export function cacheCandidates(options: {
  xdgCacheHome: string | undefined;
  home: string;
  temporary: string;
  uid: number;
}): string[] {
  const { xdgCacheHome, home, temporary, uid } = options;
  const base = [xdgCacheHome ?? '', join(home, '.cache')].find(isAbsolute);
  return [...(base === undefined ? [] : [join(base, 'latchkey')]), join(temporary, `latchkey-${uid}`)];
}

async function isOwnFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const found = await lstat(folder);
    const othersMayWrite = (found.mode & 0o022) !== 0;
    const ownerMayWrite = (found.mode & 0o200) !== 0;
    return found.isDirectory() && found.uid === ownUid() && ownerMayWrite && !othersMayWrite;
  } catch {
    // Not there and not to be made, for whatever reason: the next candidate is tried.
    return false;
  }
}

/** '' for a user without a home: a number in a container has no name to look one up by. */
function ownHome(): string {
  try {
    return homedir();
  } catch {
    return '';
  }
}

function ownUid(): number {
  return process.getuid?.() ?? 0;
}
