import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { runProgram } from './run-program.ts';

export type WantedPackages = {
  packages: readonly string[];
  /** Which of the dependencies that this machine lacks are needed beside the libraries, by name. Default: none. */
  dependencies?: RegExp;
};

/**
 * Downloads Debian packages, and those libraries they need that this machine lacks, and unpacks them into the user's cache.
 * Nothing is installed and no root is needed. Resolves with the folder that stands for `/`; a later call finds it there.
 * Processes that come here together each unpack for themselves, and the first to finish wins. Throws when apt cannot.
 */
export async function unpackDebianPackages(options: WantedPackages & { env: NodeJS.ProcessEnv }): Promise<string> {
  const env = { ...options.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
  const cache = await cacheFolder(options.env);
  const osRelease = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const unpacked = join(cache, unpackedName({ osRelease, arch: process.arch, packages: options.packages }));
  if (existsSync(unpacked)) return unpacked;

  const work = await mkdtemp(join(cache, 'unpacking.'));
  try {
    const debs = await download({ wanted: options, work, env });
    const root = join(work, 'root');
    for (const deb of debs) await succeed({ path: 'dpkg-deb', args: ['-x', deb, root], cwd: work, env });
    await renameUnlessThere(root, unpacked);
    return unpacked;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The name of the unpacked folder: libraries fit one release on one architecture. */
export function unpackedName(options: { osRelease: string; arch: string; packages: readonly string[] }): string {
  const field = (name: string) => new RegExp(`^${name}="?([\\w.-]+)"?$`, 'm').exec(options.osRelease)?.[1] ?? 'unknown';
  return `${field('ID')}-${field('VERSION_ID')}-${options.arch}-${options.packages.toSorted().join('+')}`;
}

/**
 * Which packages to download, from what `apt-get install --simulate` printed. Of the dependencies only libraries are taken, and
 * what is asked for: the rest (adduser, perl) serves maintainer scripts, which are not run here. Never the C library, which must
 * match the loader of the running system, nor anything of Perl's, 8 MB for a back-end that is not loaded.
 */
export function plannedPackages(options: WantedPackages & { simulation: string }): string[] {
  const named = [...options.simulation.matchAll(/^Inst ([a-z0-9.+-]+) /gm)].flatMap((match) => match[1] ?? []);
  const isLibrary = (name: string) => name.startsWith('lib') && !/^lib(?:c6|c-|perl)|-(?:dev|doc|dbg|perl)$/.test(name);
  const taken = named.filter((name) => isLibrary(name) || options.dependencies?.test(name) === true);
  return [...new Set([...options.packages, ...taken])];
}

/** Tries the machine's package lists; where they are empty, or name versions the archive has no more, fetches private ones. */
async function download(options: { wanted: WantedPackages; work: string; env: NodeJS.ProcessEnv }): Promise<string[]> {
  const { wanted, work, env } = options;
  // As root, apt would otherwise download as the user _apt, who may not enter this folder.
  const common = ['-q', '-o', 'APT::Sandbox::User=root', '-o', 'Acquire::Retries=2'];
  try {
    return await downloadWith({ apt: common, wanted, folder: join(work, 'debs'), env });
  } catch {
    const state = join(work, 'apt');
    await mkdir(join(state, 'lists', 'partial'), { recursive: true });
    await mkdir(join(state, 'cache', 'archives', 'partial'), { recursive: true });
    const directories = { 'Dir::State': state, 'Dir::Cache': join(state, 'cache'), 'Dir::State::status': '/var/lib/dpkg/status' };
    const settings = { ...directories, 'Debug::NoLocking': 'true', 'Acquire::Languages': 'none' };
    const apt = [...common, ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
    // Its exit code is not asked: one unreachable third-party source fails it, and does not matter if the next step succeeds.
    const update = await runProgram({ path: 'apt-get', args: [...apt, 'update'], cwd: work, env, timeoutMs: 300_000 });
    return await downloadWith({ apt, wanted, folder: join(work, 'debs-fresh'), env }).catch((cause: unknown) => {
      throw new Error(`apt-get update and download failed: ${update.stderr.trim()}`, { cause });
    });
  }
}

async function downloadWith(options: {
  apt: readonly string[];
  wanted: WantedPackages;
  folder: string;
  env: NodeJS.ProcessEnv;
}): Promise<string[]> {
  const { apt, wanted, folder, env } = options;
  await mkdir(folder);
  const simulate = [...apt, 'install', '--simulate', '--no-install-recommends', ...wanted.packages];
  const simulation = await succeed({ path: 'apt-get', args: simulate, cwd: folder, env });
  const planned = plannedPackages({ ...wanted, simulation });
  await succeed({ path: 'apt-get', args: [...apt, 'download', ...planned], cwd: folder, env });
  return (await readdir(folder)).filter((name) => name.endsWith('.deb')).map((name) => join(folder, name));
}

async function succeed(options: { path: string; args: readonly string[]; cwd: string; env: NodeJS.ProcessEnv }): Promise<string> {
  const result = await runProgram({ ...options, timeoutMs: 300_000 });
  if (result.code !== 0) throw new Error(`${options.path} ${options.args.join(' ')}: ${result.stderr.trim()}`);
  return result.stdout;
}

async function renameUnlessThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    // Another process was faster, and what it unpacked is the same.
    if (!existsSync(to)) throw error;
  }
}
