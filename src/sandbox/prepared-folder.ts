import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';

// What has not been made anew for so long was made from something that is no more.
const keptForMs = 30 * 24 * 3_600_000;

/**
 * A folder that is costly to make: made once, and kept in the user's cache for as long as what it is made from stays the same.
 * Whoever wants to write in it makes a copy. Processes that come here together each make it, and the first to finish wins.
 */
export async function preparedFolder(options: {
  name: string;
  madeFrom: readonly string[];
  env: NodeJS.ProcessEnv;
  prepare: (folder: string) => Promise<void>;
}): Promise<string> {
  const { name, madeFrom, prepare } = options;
  const cache = await cacheFolder(options.env);
  const key = createHash('sha256').update(JSON.stringify(madeFrom)).digest('hex').slice(0, 16);
  const ready = join(cache, `${name}-${key}`);
  if (existsSync(ready)) return ready;

  const work = await mkdtemp(join(cache, 'preparing.'));
  try {
    await prepare(work);
    await rename(work, ready).catch((error: unknown) => {
      // Another process was faster, and what it made is as good.
      if (!existsSync(ready)) throw error;
    });
    await removeOld(cache, name);
    return ready;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function removeOld(cache: string, name: string): Promise<void> {
  const isOurs = (entry: string) => entry.startsWith(`${name}-`) && /^[0-9a-f]{16}$/.test(entry.slice(name.length + 1));
  for (const entry of (await readdir(cache)).filter(isOurs)) {
    const { mtimeMs } = await stat(join(cache, entry));
    if (Date.now() - mtimeMs > keptForMs) await rm(join(cache, entry), { recursive: true, force: true });
  }
}
