import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

interface Package {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
}

const ours = JSON.parse(read('package.json')) as Package;
const { packages } = JSON.parse(read('package-lock.json')) as { packages: Readonly<Record<string, Locked>> };
const locked = Object.entries(packages).filter(([path]) => path !== '');

/** Most that run in production: each is code that holds the admin account with us. */
const MOST_AT_RUN_TIME = 12;

test('everything that is installed is in the lockfile with a checksum, and comes from a registry', () => {
  assert.ok(locked.length > 50);
  for (const [path, { integrity, link, resolved }] of locked) {
    assert.match(integrity ?? '', /^sha512-[A-Za-z0-9+/]{86}==$/, path);
    assert.ok(link !== true && resolved === undefined, path);
  }
});

test('no dependency runs a script when it is installed, and none could', () => {
  assert.deepEqual(
    locked.filter(([, { hasInstallScript }]) => hasInstallScript === true).map(([path]) => path),
    [],
  );
  assert.match(read('.npmrc'), /^ignore-scripts=true$/m);
});

test('a dependency of ours has one version, and that is the one in the lockfile', () => {
  const all = { ...ours.dependencies, ...ours.devDependencies, ...ours.optionalDependencies };
  for (const [name, version] of Object.entries(all)) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
    assert.equal(packages[`node_modules/${name}`]?.version, version, name);
  }
});

test('at most a dozen dependencies run in production, and each of all has its reason in CONTRIBUTING', () => {
  assert.ok(Object.keys(ours.dependencies ?? {}).length <= MOST_AT_RUN_TIME);
  const [, section = ''] = read('CONTRIBUTING.md').split('## Dependencies');
  const rows = [...section.matchAll(/^\| (`.+?) \| (.+?) \| (.+?) \|$/gm)].map(([, names = '', why = '', where = '']) => ({
    names: [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
    why,
    where,
  }));
  for (const { names, why, where } of rows) assert.ok(why.length > 10 && where.length > 3, names.join());
  const explained = rows.flatMap(({ names }) => names).toSorted();
  const direct = Object.keys({ ...ours.dependencies, ...ours.devDependencies }).toSorted();
  assert.deepEqual(
    explained.filter((name) => !name.startsWith('node-linux-')),
    direct,
  );
});
