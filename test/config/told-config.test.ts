import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import { canonicalJson } from '../../src/access/canonical-json.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { toldConfig } from '../../src/config/told-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'latchkey-told-'));
after(() => rmSync(folder, { recursive: true }));

test('the audit trail is told the configuration, and never a secret', () => {
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, 'SECRET-of-the-file\n');
  const loaded = loadConfig({
    environment: {
      LATCHKEY_CONTROL_PLANE_URL: 'wss://control.example.com/connect',
      LATCHKEY_CONTROL_PLANE_TOKEN: 'SECRET-token',
      LDAP_URL: 'ldaps://ldap.example.com',
      LDAP_BIND_DN: 'cn=latchkey,dc=example,dc=com',
      LDAP_BIND_PASSWORD_FILE: passwordFile,
      LDAP_USER_FILTER: '(department=it)',
      HTTPS_PROXY: 'http://user:SECRET-of-the-proxy@proxy.example.com:3128',
      LATCHKEY_MAX_GRANT: '8h',
      LATCHKEY_PROTECTED_GROUPS: 'admins;cn=root,dc=example,dc=com',
    },
    dotenvText: null,
    terminal: false,
  });
  assert.ok(loaded.ok, inspect(loaded));
  const told = canonicalJson(toldConfig(loaded.config));
  assert.doesNotMatch(told, /SECRET/);
  for (const part of [
    '"password":"set"',
    '"token":"set"',
    '"credentials":"set"',
    '"account":"cn=latchkey,dc=example,dc=com"',
    '"maxGrantMs":28800000',
    '"userFilter":"(department=it)"',
    '"host":"ldap.example.com"',
    '"url":"wss://control.example.com/connect"',
    '"name":"admins"',
  ])
    assert.ok(told.includes(part), `${part} in ${told}`);
});
