import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const INSIDE = fileURLToPath(new URL('../support/full-disk-tests.ts', import.meta.url));

/** Whose mounts are their own: they are gone with the last process in it, however that ends. */
const NAMESPACE = process.getuid?.() === 0 ? ['-m'] : ['-r', '-m'];

const canMount = spawnSync('unshare', [...NAMESPACE, 'mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', '/mnt']).status === 0;

// A container without rights can neither mount nor make a namespace of its own. There, what a full disk answers is still
// tried through SQLite's own limit (sqlite-ledger.test.ts) and through the errors of the system calls.
test('a full disk: endings go on, new grants are refused as no_space, and space that returns is used', {
  skip: canMount ? false : 'needs a small file system of its own: root, or namespaces of users',
}, async (t) => {
  // The runner of these tests must not be taken for a part of the one that runs this file.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn('unshare', [...NAMESPACE, process.execPath, '--test-reporter=spec', INSIDE], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [code] = (await once(child, 'close')) as [number | null];
  assert.equal(code, 0, said);
  for (const line of said.split('\n').filter((text) => /^\s*ℹ (?!tests|suites|fail|cancelled|skipped|todo|duration)/.test(text)))
    t.diagnostic(line.trim().slice(2));
});
