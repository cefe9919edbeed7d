import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { runCommand } from '../support/program.ts';
import { FULL_SCALE } from '../support/scale.ts';

const SETTINGS = {
  LATCHKEY_CONTROL_PLANE_URL: 'wss://127.0.0.1:9/connect',
  LATCHKEY_CONTROL_PLANE_TOKEN: 'a-token-of-nobody',
  LDAP_URL: 'ldaps://127.0.0.1:9',
  LDAP_BIND_DN: 'cn=latchkey,dc=example,dc=test',
  LDAP_BIND_PASSWORD: 'a-password-of-nobody',
  LATCHKEY_STATE_DIR: './state',
};

/** Every command that may connect somewhere. */
const COMMANDS = [
  ['run'],
  ['check', '--json'],
  ['sync'],
  ['sync', '--dry-run'],
  ['acl'],
  ['revoke', '--all', '--yes'],
  ['adopt', 'g1', '--yes'],
];
const SAMPLE = new Set(['run', 'check', 'revoke']);
const TRIED = COMMANDS.filter(([name = '']) => FULL_SCALE || SAMPLE.has(name));

suite('a variable that turns verification off', { timeout: 120_000 }, () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-unverified-'));
  });
  after(() => rm(folder, { recursive: true }));

  for (const args of TRIED)
    test(`ends "latchkey ${args.join(' ')}" with 78 before it connects or writes anything`, async () => {
      const said = await runCommand({ args, env: { ...SETTINGS, NODE_TLS_REJECT_UNAUTHORIZED: '0' }, cwd: folder });
      assert.equal(said.code, 78, said.stderr);
      assert.match(
        said.stderr,
        /NODE_TLS_REJECT_UNAUTHORIZED\n {4}found: {4}"0", which lets anyone pose as the directory or the control plane/,
      );
      assert.match(
        said.stderr,
        /expected: not set; a certificate of your own goes into LDAP_CA_FILE or LATCHKEY_CONTROL_PLANE_CA_FILE/,
      );
      assert.equal(said.stdout, '');
      assert.deepEqual(await readdir(folder), []);
    });

  test('is found in an .env file too', async () => {
    await writeFile(join(folder, '.env'), 'NODE_TLS_REJECT_UNAUTHORIZED=0\n');
    assert.equal((await runCommand({ args: ['acl'], env: SETTINGS, cwd: folder })).code, 78);
    await rm(join(folder, '.env'));
  });
});
