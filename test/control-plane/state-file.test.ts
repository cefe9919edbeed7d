import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openBook } from '../../src/control-plane/book.ts';
import { openStateFile } from '../../src/control-plane/state-file.ts';
import { temporaryFolder } from '../support/control-plane.ts';

function counter(file: string) {
  let value = 0;
  const written: number[] = [];
  const contents = {
    revision: () => value,
    text: () => {
      written.push(value);
      return String(value);
    },
  };
  const stateFile = openStateFile(file, contents);
  return {
    written,
    stateFile,
    bump: () => {
      value += 1;
      return stateFile.save();
    },
  };
}

test('what was changed before a save is on the disk when it resolves, and changes share a write', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'state');
  const { bump, written } = counter(file);
  await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      await bump();
      assert.ok(Number(await readFile(file, 'utf8')) > i);
    }),
  );
  assert.ok(written.length < 10, `${written.length} writes`);
});

test('saves that begin as a write ends do not write at the same time', async () => {
  await using folder = await temporaryFolder();
  const { bump } = counter(join(folder.path, 'state'));
  const chains = Array.from({ length: 8 }, async (_, turns) => {
    for (let i = 0; i < 10; i += 1) {
      await bump();
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    }
  });
  await Promise.all(chains);
  assert.deepEqual(await readdir(folder.path), ['state']);
});

test('what has not changed is not written again', async () => {
  await using folder = await temporaryFolder();
  const { bump, stateFile, written } = counter(join(folder.path, 'state'));
  await bump();
  await stateFile.save();
  assert.deepEqual(written, [1]);
});

test('a failed write is told, and the next one writes everything', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'state');
  // A folder in the place of the file cannot be replaced by one.
  await mkdir(file);
  const { bump } = counter(file);
  await assert.rejects(bump());
  await rmdir(file);
  await bump();
  assert.equal(await readFile(file, 'utf8'), '2');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test('a file that is no state of a stub is refused, not overwritten', () => {
  for (const text of ['', '{', '[]', '{"version":2}', '{"version":1}']) assert.throws(() => openBook(text), text);
});
