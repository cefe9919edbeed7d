import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { bareEnvironment } from './child.ts';

const RUNNERS = {
  'the tests in one process': ['scripts/run-tests.ts', 'unit'],
  'each file in a process': [
    '--import=./test/support/untracked-promises.ts',
    '--import=./test/support/end-of-file.ts',
    'scripts/run-tests.ts',
    'live',
  ],
};

const FILES = {
  followsNone: `const ids = new Set();
    for (let turn = 0; turn < 3; turn += 1) { await null; ids.add(executionAsyncId()); }
    assert.equal(ids.size, 1);`,
  fails: `assert.fail('this one fails');`,
  strays: `void (async () => { await null; throw new Error('this one strays'); })();
    await setTimeout(1);`,
};

for (const [name, runner] of Object.entries(RUNNERS)) {
  suite(name, () => {
    const folder = mkdtempSync(join(tmpdir(), 'latchkey-strays-'));
    after(() => rmSync(folder, { recursive: true }));

    function run(body: string) {
      const file = join(folder, 'one.test.ts');
      const imports = `import assert from 'node:assert/strict'; import { executionAsyncId } from 'node:async_hooks';
        import { test } from 'node:test'; import { setTimeout } from 'node:timers/promises';`;
      writeFileSync(file, `${imports}\ntest('a rule', async () => {\n${body}\n});\n`);
      return spawnSync(process.execPath, [...runner, file], {
        cwd: join(import.meta.dirname, '../..'),
        env: bareEnvironment(),
        encoding: 'utf8',
        timeout: 30_000,
      });
    }

    test('follows no promise', () => {
      const { status, stdout } = run(FILES.followsNone);
      assert.equal(status, 0, stdout);
    });

    test('fails by a test that fails', () => {
      const { status, stdout } = run(FILES.fails);
      assert.equal(status, 1);
      assert.match(stdout, /this one fails/);
    });

    test('fails by a rejection that nobody awaits, and tells where it comes from', () => {
      const { status, stdout, stderr } = run(FILES.strays);
      assert.equal(status, 1, stdout);
      assert.match(stdout + stderr, /nobody awaits: Error: this one strays\n\s+at .*one\.test\.ts/);
    });
  });
}

test('no test that is found is no test that passed', () => {
  const { status } = spawnSync(process.execPath, ['scripts/run-tests.ts', 'unit', 'test/no-such-file.test.ts'], {
    cwd: join(import.meta.dirname, '../..'),
    env: bareEnvironment(),
    timeout: 30_000,
  });
  assert.equal(status, 1);
});
