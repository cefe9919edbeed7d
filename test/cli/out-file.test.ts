import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { outFile } from '../../src/cli/out-file.ts';

suite('a file that is written whole or not at all', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-out-file-'));
  });
  after(() => rm(folder, { recursive: true }));

  test('replaces what was there only when it is kept, also behind a link, and only its owner can read it', async () => {
    const path = join(folder, 'kept');
    await writeFile(path, 'old');
    await symlink(path, join(folder, 'link'));
    const file = await outFile(join(folder, 'link'));
    await file.append('new ');
    await file.append('text');
    assert.equal(await readFile(path, 'utf8'), 'old');
    await file.keep();
    await file.discard();
    assert.equal(await readFile(path, 'utf8'), 'new text');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual((await readdir(folder)).toSorted(), ['kept', 'link']);
  });

  test('leaves what was there, and nothing else, where it is discarded', async () => {
    const path = join(folder, 'discarded');
    await writeFile(path, 'old');
    const file = await outFile(path);
    await file.append('half');
    await file.discard();
    assert.equal(await readFile(path, 'utf8'), 'old');
    assert.ok((await readdir(folder)).every((name) => !name.startsWith('.')));
  });

  test('that cannot be written is refused in words', async () => {
    await assert.rejects(outFile(folder), { message: `cannot write ${folder}: it is a folder` });
    const nowhere = join(folder, 'missing', 'file');
    await assert.rejects(outFile(nowhere), { message: `cannot write ${nowhere}: there is no such folder` });
    await writeFile(join(folder, 'plain'), '');
    const beneath = join(folder, 'plain', 'file');
    await assert.rejects(outFile(beneath), { message: `cannot write ${beneath}: there is no such folder` });
  });

  test('may be a device, which is written to and not replaced', async () => {
    const file = await outFile('/dev/null');
    await file.append('gone');
    await file.keep();
    await file.discard();
    assert.ok((await stat('/dev/null')).isCharacterDevice());
  });
});
