/**
 * Writes the software bill of materials (CycloneDX 1.5, JSON) of what runs: the dependencies of package-lock.json without those that
 * are for development or for machines with an older Node.js. `npm run sbom [FILE]`; default `latchkey.cdx.json`.
 */

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Package {
  readonly name: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
  readonly devDependencies?: unknown;
  readonly optionalDependencies?: unknown;
}

const ROOT = join(import.meta.dirname, '..');
const read = (name: string): unknown => JSON.parse(readFileSync(join(ROOT, name), 'utf8'));

/** A package without what does not run. */
const running = ({ devDependencies: _dev, optionalDependencies: _optional, ...rest }: Package) => rest;

/**
 * npm is asked about a project that has nothing else: with `--omit dev` it also leaves out what is needed by both (npm 11.19 left
 * out zod). It takes the name of the folder for the project's.
 */
function billOfMaterials(): string {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-sbom-'));
  try {
    const project = read('package.json') as Package;
    const lock = read('package-lock.json') as { packages: Readonly<Record<string, Package>> };
    const packages = Object.entries(lock.packages)
      .filter(([, { dev, optional, devOptional }]) => !(dev ?? optional ?? devOptional ?? false))
      .map(([path, locked]) => [path, path === '' ? running(locked) : locked]);
    const place = join(folder, project.name);
    mkdirSync(place);
    writeFileSync(join(place, 'package.json'), JSON.stringify(running(project)));
    writeFileSync(join(place, 'package-lock.json'), JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }));
    const args = ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--package-lock-only'];
    return execFileSync('npm', args, { cwd: place, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const [file = 'latchkey.cdx.json'] = process.argv.slice(2);
writeFileSync(file, billOfMaterials());
process.stdout.write(`${file}\n`);
