import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..');
const read = (path: string): unknown => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));

test('the runtime is new enough, and the pinned one where it is installed', () => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  assert.ok(major > 24 || (major === 24 && minor >= 15), `Node.js ${process.versions.node}; 24.15 or later is needed`);
  if (existsSync(join(ROOT, 'node_modules/.bin/node'))) assert.equal(process.versions.node, '26.10.0');
});

test('one version of the runtime is pinned for every platform', () => {
  const manifest = read('package.json');
  assert.ok(typeof manifest === 'object' && manifest !== null && 'optionalDependencies' in manifest);
  const pinned = Object.values(manifest.optionalDependencies ?? {});
  assert.ok(pinned.length >= 4 && pinned.every((version) => version === '26.10.0'), String(pinned));
});

test('the lockfile names no host, so that any registry serves it', () => {
  const found: string[] = [];
  const visit = (value: unknown, path: string): void => {
    if (typeof value === 'string' && /:\/\//.test(value)) found.push(`${path}: ${value}`);
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      // Where a package's authors take donations is no place that anything is fetched from.
      if (key === 'funding') continue;
      if (key === 'resolved') found.push(`${path}: resolved`);
      visit(inner, `${path}/${key}`);
    }
  };
  visit(read('package-lock.json'), '');
  assert.deepEqual(found, []);
});

test('the lockfile holds every platform package with its hash, so that a clean install needs nothing else', () => {
  const lock = read('package-lock.json') as {
    packages: Record<string, { integrity?: string; optionalDependencies?: Record<string, string> }>;
  };
  const missing = Object.entries(lock.packages).flatMap(([path, entry]) => [
    ...(path === '' || entry.integrity !== undefined ? [] : [`${path} has no hash`]),
    ...Object.keys(entry.optionalDependencies ?? {}).filter((name) => lock.packages[`node_modules/${name}`] === undefined),
  ]);
  assert.deepEqual(missing, []);
});
