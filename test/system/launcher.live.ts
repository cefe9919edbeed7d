import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

/** Starts what an image has of the launcher, where `node` only tells its arguments. */
async function argumentsOf(variables: Readonly<Record<string, string>>, files: readonly string[]): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-launcher-'));
  try {
    for (const name of ['scripts', 'dist', 'bin', 'state']) await mkdir(join(folder, name));
    await copyFile(new URL('../../scripts/latchkey.sh', import.meta.url), join(folder, 'scripts', 'latchkey.sh'));
    await writeFile(join(folder, 'bin', 'node'), '#!/bin/sh\nprintf "%s\\n" "$@"\n');
    await chmod(join(folder, 'bin', 'node'), 0o755);
    for (const name of files) await writeFile(join(folder, name), 'x');
    const env = { PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`, ...variables };
    const { stdout } = await promisify(execFile)('sh', [join(folder, 'scripts', 'latchkey.sh')], { cwd: folder, env });
    return stdout.replaceAll(folder, '').split('\n');
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('the launcher puts paths on the command line of Node.js, and no secret that stands where its path belongs', async () => {
  const shown = await argumentsOf(
    {
      LDAP_BIND_PASSWORD_FILE: 'correct-horse/battery=staple',
      LATCHKEY_CONTROL_PLANE_TOKEN_FILE: './token',
      VAULT_KUBERNETES_TOKEN_FILE: '/var/run/there/later',
    },
    ['token', '.env'],
  );
  assert.ok(
    shown.includes('--allow-fs-read=/./token') && shown.includes('--allow-fs-read=/var/run/there/later'),
    shown.join('\n'),
  );
  assert.ok(!shown.join('\n').includes('horse'), shown.join('\n'));
});

test('a secret that begins like a path, as one in base64 may, is not shown either', async () => {
  const shown = await argumentsOf(
    { LDAP_BIND_PASSWORD_FILE: '/correct/horse+battery=', VAULT_TOKEN_FILE: '/staple=', LDAP_CA_FILE: '/dev/null' },
    [],
  );
  assert.ok(shown.includes('--allow-fs-read=/dev/null'), shown.join('\n'));
  assert.ok(!/horse|staple/.test(shown.join('\n')), shown.join('\n'));
});
