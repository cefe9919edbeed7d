import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileSecret, fixedSecret } from '../../src/secrets/file-secret.ts';
import { SecretError } from '../../src/secrets/secret-source.ts';

const folder = mkdtempSync(join(tmpdir(), 'latchkey-secrets-'));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'secret');

test('a fixed secret is always the same', async () => {
  assert.equal((await fixedSecret('one')()).reveal(), 'one');
});

test('exactly one trailing newline of a file is dropped', async () => {
  for (const [written, read] of [
    ['s3cret', 's3cret'],
    ['s3cret\n', 's3cret'],
    ['s3cret\r\n', 's3cret'],
    ['s3cret\n\n', 's3cret\n'],
    [' pä$$ ', ' pä$$ '],
  ] as const) {
    writeFileSync(path, written);
    assert.equal((await fileSecret(path)()).reveal(), read);
  }
});

test('a rotated file is met at the next call', async () => {
  const source = fileSecret(path);
  writeFileSync(path, 'old');
  assert.equal((await source()).reveal(), 'old');
  writeFileSync(path, 'new');
  assert.equal((await source()).reveal(), 'new');
});

test('each way in which a file holds no secret has its fault, and no message shows what it holds', async () => {
  const faultOf = async (at: string) => {
    const error: unknown = await fileSecret(at)().then(
      () => assert.fail('expected a rejection'),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof SecretError && error.message.includes(at) && !error.message.includes('xxxx'));
    return error.fault;
  };
  assert.equal(await faultOf(join(folder, 'absent')), 'missing');
  assert.equal(await faultOf(folder), 'unreadable');
  writeFileSync(path, '\n');
  assert.equal(await faultOf(path), 'empty');
  writeFileSync(path, 'x'.repeat(20_000));
  assert.equal(await faultOf(path), 'too_large');
});

test('a FIFO is refused instead of waited for', { skip: process.platform === 'win32' }, async () => {
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  await assert.rejects(fileSecret(fifo)(), { name: 'SecretError', fault: 'unreadable' });
});
