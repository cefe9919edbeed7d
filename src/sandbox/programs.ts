import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { unpackDebianPackages } from './debian-packages.ts';

/** A program that can be run. `root` is '' for the system's own, else the folder it was unpacked into. */
export type Program = { path: string; root: string; env: Record<string, string> };

type Platform = 'macos' | 'debian' | 'fedora' | 'alpine' | 'other';

/** What to tell the person, for each platform, when the programs are neither there nor to be had. */
type InstallHints = Record<Platform, string>;

/**
 * `with` are packages that the program's own does not depend on, and is of no use without; `orElse` are other programs on PATH
 * that do as well, the best first.
 */
type WantedProgram<Name extends string> = {
  name: Name;
  orElse?: readonly string[];
  debianPackage: string;
  with?: readonly string[];
};

/**
 * Makes programs available without installing anything: the system's own where there is one, else unpacked Debian packages.
 * Resolves with a look-up. Rejects with one sentence for this platform when a program cannot be had; the cause says why.
 */
export async function providePrograms<Name extends string>(options: {
  wanted: readonly WantedProgram<Name>[];
  hints: InstallHints;
  /** Where else to look, before PATH. */
  folders?: readonly string[];
  /** Which dependencies of the Debian packages are needed beside the libraries, by name. */
  dependencies?: RegExp;
  env: NodeJS.ProcessEnv;
}): Promise<(name: Name) => Program> {
  const { wanted, hints, env } = options;
  // PATH of an ordinary user on Debian has no sbin folder, and slapd lies in one.
  const onPath = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const folders = [...(options.folders ?? []), ...onPath, '/usr/local/sbin', '/usr/sbin', '/sbin'];
  const found = new Map<Name, Program>();
  for (const { name, orElse = [] } of wanted) {
    const path = [name, ...orElse].flatMap((one) => findProgram(one, folders) ?? [])[0];
    if (path !== undefined) found.set(name, { path, root: '', env: {} });
  }

  const missing = wanted.filter(({ name }) => !found.has(name));
  if (missing.length > 0) {
    const sentence = `${missing.map(({ name }) => name).join(', ')} not found: ${hints[hostPlatform()]}.`;
    if (findProgram('apt-get', folders) === undefined || findProgram('dpkg-deb', folders) === undefined)
      throw new Error(sentence);
    const packages = [...new Set(missing.flatMap((program) => [program.debianPackage, ...(program.with ?? [])]))];
    const { dependencies } = options;
    const wantedPackages = { packages, ...(dependencies === undefined ? {} : { dependencies }) };
    const root = await unpackDebianPackages({ ...wantedPackages, env }).catch((cause: unknown) => {
      throw new Error(sentence, { cause });
    });
    const unpackedEnv = { LD_LIBRARY_PATH: (await libraryFolders(root)).join(':') };
    for (const { name } of missing) {
      const path = findProgram(name, [join(root, 'usr/bin'), join(root, 'usr/sbin'), join(root, 'bin'), join(root, 'sbin')]);
      if (path === undefined) throw new Error(`${packages.join(', ')} in ${root} have no program ${name}.`);
      found.set(name, { path, root, env: unpackedEnv });
    }
  }

  return (name) => {
    const program = found.get(name);
    if (program === undefined) throw new Error(`${name} was not asked for.`);
    return program;
  };
}

/** The kind of system, from Node's name for it and the text of os-release(5), whose ID_LIKE names the families. */
export function platformOf(platform: string, osRelease: string): Platform {
  if (platform === 'darwin') return 'macos';
  const families = [...osRelease.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap((match) => (match[1] ?? '').split(' '));
  if (families.some((family) => family === 'debian' || family === 'ubuntu')) return 'debian';
  if (families.some((family) => family === 'fedora' || family === 'rhel')) return 'fedora';
  return families.includes('alpine') ? 'alpine' : 'other';
}

function hostPlatform(): Platform {
  let osRelease = '';
  try {
    osRelease = readFileSync('/etc/os-release', 'utf8');
  } catch {
    // Only Linux has the file, and not every one.
  }
  return platformOf(process.platform, osRelease);
}

function findProgram(name: string, folders: readonly string[]): string | undefined {
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Debian keeps libraries in a folder named after the machine, such as `usr/lib/x86_64-linux-gnu`. */
async function libraryFolders(root: string): Promise<string[]> {
  const bases = [join(root, 'usr/lib'), join(root, 'lib')];
  const listed = await Promise.all(
    bases.map(async (base) => (await readdir(base).catch(() => [])).map((name) => join(base, name))),
  );
  return listed.flat().filter((folder) => folder.includes('-linux-gnu'));
}
