import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { inspect } from 'node:util';
import type { LoadedConfig } from '../../src/config/load-config.ts';

/** The least that a connector starts with. */
export const MINIMAL = {
  LATCHKEY_CONTROL_PLANE_URL: 'wss://control.example.com/connect',
  LATCHKEY_CONTROL_PLANE_TOKEN: 'control-plane-token',
  LDAP_URL: 'ldaps://ldap.example.com',
  LDAP_BIND_DN: 'cn=latchkey,dc=example,dc=com',
  LDAP_BIND_PASSWORD: 'bind-password',
};

/** A folder for files that a configuration names; it goes after the tests. */
export function configFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-config-'));
  after(() => rmSync(folder, { recursive: true }));
  return {
    folder,
    file(name: string, content: string): string {
      const path = join(folder, name);
      writeFileSync(path, content);
      return path;
    },
  };
}

/** The configuration; throws with the problems where there is none. */
export function configOf(loaded: LoadedConfig) {
  assert.ok(loaded.ok, inspect(loaded));
  return loaded.config;
}

/** The problems as `variable: found | expected`; throws where there are none. */
export function problemsOf(loaded: LoadedConfig): readonly string[] {
  assert.ok(!loaded.ok, 'expected problems');
  return loaded.problems.map(({ variable, found, expected }) => `${variable}: ${found} | ${expected}`);
}
