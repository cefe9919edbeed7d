import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import { loadConfig } from '../../src/config/load-config.ts';
import { parseVaultReference } from '../../src/secrets/vault/reference.ts';

const folder = mkdtempSync(join(tmpdir(), 'latchkey-references-'));
after(() => rmSync(folder, { recursive: true }));

const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const LEAST = {
  LATCHKEY_CONTROL_PLANE_URL: 'wss://control.example.com/connect',
  LATCHKEY_CONTROL_PLANE_TOKEN: 'token',
  LDAP_URL: 'ldaps://ldap.example.com',
  LDAP_BIND_DN: 'cn=latchkey,dc=example,dc=com',
  LDAP_BIND_PASSWORD: 'password',
};
const VAULT = { VAULT_ADDR: 'https://vault.example.com:8200', VAULT_TOKEN_FILE: file('vault-token', 'hvs.x\n') };
const REFERENCE = 'vault:secret/data/latchkey#password';

const load = (changes: Readonly<Record<string, string | undefined>>) =>
  loadConfig({ environment: { ...LEAST, ...changes }, terminal: false });

function problemOf(changes: Readonly<Record<string, string | undefined>>, variable: string): string {
  const loaded = load(changes);
  assert.ok(!loaded.ok, 'it was taken');
  const problem = loaded.problems.find((one) => one.variable === variable);
  assert.ok(problem !== undefined, inspect(loaded.problems));
  return `${problem.found} | ${problem.expected}`;
}

const passwordOf = async (changes: Readonly<Record<string, string | undefined>>): Promise<string> => {
  const loaded = load(changes);
  assert.ok(loaded.ok, inspect(loaded));
  const { bind } = loaded.config.directory;
  assert.ok(bind.mechanism === 'simple');
  return (await bind.password()).reveal();
};

test('a credential of systemd stands for a secret, and for the path of a file', async () => {
  file('bind-password', 'of-systemd\n');
  const CREDENTIALS_DIRECTORY = folder;
  assert.equal(await passwordOf({ CREDENTIALS_DIRECTORY, LDAP_BIND_PASSWORD: 'credential:bind-password' }), 'of-systemd');
  const byFile = { LDAP_BIND_PASSWORD: undefined, LDAP_BIND_PASSWORD_FILE: 'credential:bind-password' };
  assert.equal(await passwordOf({ CREDENTIALS_DIRECTORY, ...byFile }), 'of-systemd');
  assert.match(problemOf({ CREDENTIALS_DIRECTORY, LDAP_CA_FILE: 'credential:absent' }, 'LDAP_CA_FILE'), /absent.*does not exist/);
  const nowhere = { CREDENTIALS_DIRECTORY: 'x'.repeat(5_000), LDAP_CA_FILE: 'credential:ca' };
  assert.match(problemOf(nowhere, 'LDAP_CA_FILE'), /CREDENTIALS_DIRECTORY is not the path of a folder/);
});

test('what cannot be resolved is told once, and not again as a bad value', () => {
  const loaded = load({ LATCHKEY_CONTROL_PLANE_TOKEN: 'credential:token', LDAP_CA_FILE: 'credential:ca' });
  assert.deepEqual(loaded.ok ? [] : loaded.problems.map(({ variable }) => variable).toSorted(), [
    'LATCHKEY_CONTROL_PLANE_TOKEN',
    'LDAP_CA_FILE',
  ]);
});

test('a credential that cannot be looked for is a problem which does not show it', () => {
  for (const [text, said] of [
    ['credential:bind-password', /CREDENTIALS_DIRECTORY is not set/],
    ['credential:../shadow', /without a name/],
    ['credential:..', /without a name/],
  ] as const) {
    const problem = problemOf({ LDAP_BIND_PASSWORD: text }, 'LDAP_BIND_PASSWORD');
    assert.match(problem, said);
    assert.ok(!problem.includes('shadow') && !problem.includes('bind-password'));
  }
  const both = { CREDENTIALS_DIRECTORY: folder, LDAP_BIND_PASSWORD: 'credential:x', LDAP_BIND_PASSWORD_FILE: file('y', 'y') };
  assert.match(problemOf(both, 'LDAP_BIND_PASSWORD'), /too/);
});

test('a reference to Vault needs its address and one login, and nothing of Vault is looked at without one', () => {
  assert.ok(load({ ...VAULT, LDAP_BIND_PASSWORD: REFERENCE, LATCHKEY_CONTROL_PLANE_TOKEN: 'vault:kv/data/a/b#token' }).ok);
  assert.ok(load({ VAULT_ADDR: 'nonsense', VAULT_TOKEN_FILE: '/nowhere', VAULT_SKIP_VERIFY: '1' }).ok);
  assert.match(problemOf({ LDAP_BIND_PASSWORD: REFERENCE }, 'VAULT_ADDR'), /not set/);
  assert.match(problemOf({ LDAP_BIND_PASSWORD: REFERENCE }, 'VAULT_TOKEN_FILE'), /nor another login/);
  const inVault = { ...VAULT, LDAP_BIND_PASSWORD: REFERENCE };
  assert.match(problemOf({ ...inVault, VAULT_ROLE_ID: 'x' }, 'VAULT_TOKEN_FILE'), /2 of them/);
  assert.match(problemOf({ ...inVault, VAULT_TOKEN_FILE: undefined, VAULT_ROLE_ID: 'x' }, 'VAULT_SECRET_ID'), /not set/);
  assert.ok(
    load({ ...inVault, VAULT_TOKEN_FILE: undefined, VAULT_KUBERNETES_ROLE: 'latchkey', VAULT_AUTH_MOUNT: 'k8s/berlin' }).ok,
  );
  assert.match(problemOf({ ...inVault, VAULT_SKIP_VERIFY: 'true' }, 'VAULT_SKIP_VERIFY'), /VAULT_CACERT/);
});

test('Vault is reached over TLS, or on this machine', () => {
  const at = (VAULT_ADDR: string) => ({ ...VAULT, LDAP_BIND_PASSWORD: REFERENCE, VAULT_ADDR });
  for (const address of ['https://vault', 'https://vault/behind/a/proxy/', 'http://127.0.0.1:8200', 'http://[::1]:8200'])
    assert.ok(load(at(address)).ok, address);
  for (const address of ['http://vault:8200', 'ftp://vault', 'https://u:p@vault', 'https://vault?x', 'https://vault/v1', 'vault'])
    assert.match(problemOf(at(address), 'VAULT_ADDR'), /https:\/\/host/, address);
});

test('a reference has a mount, "data", a path and a field, and a wrong one is never taken for a password nor shown', () => {
  assert.deepEqual(parseVaultReference('vault:team/kv/data/a b/c#pass word'), {
    ok: true,
    value: { path: 'team/kv/data/a b/c', field: 'pass word' },
  });
  for (const wrong of [
    'vault:x',
    'vault:secret/data/x',
    'vault:secret/x#f',
    'vault:data/x#f',
    'vault:secret/data#f',
    'vault:secret/data/#f',
    'vault:secret/data/../x#f',
    'vault:/secret/data/x#f',
    'vault:v1/secret/data/x#f',
    'vault:secret/data/x#',
    'vault:secret/data/x#f#g',
    'vault:secret/data/x?version=1#f',
    'vault:secret/data/x\n#f',
    'vault:secret/data/\ud800#f',
    `vault:secret/data/${'x'.repeat(2_000)}#f`,
  ]) {
    assert.ok(!parseVaultReference(wrong).ok, wrong);
    const problem = problemOf({ ...VAULT, LDAP_BIND_PASSWORD: wrong }, 'LDAP_BIND_PASSWORD');
    assert.match(problem, /a reference to Vault \(not shown\) .*vault:MOUNT\/data\/PATH#FIELD/);
  }
});
