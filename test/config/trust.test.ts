import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { loadConfig } from '../../src/config/load-config.ts';
import { toldConfig } from '../../src/config/told-config.ts';
import { configFolder, configOf, MINIMAL, problemsOf } from '../support/minimal-config.ts';
import { jwksOf, signingKey } from '../support/signed-jobs.ts';

const { folder, file } = configFolder();

type Variables = Readonly<Record<string, string | undefined>>;
const load = (variables: Variables) => loadConfig({ environment: { ...MINIMAL, ...variables }, terminal: false });

/** Asserts that exactly one problem is found, about this variable. */
function refused(variables: Variables, variable: string, about = /./): void {
  const problems = problemsOf(load(variables));
  assert.equal(problems.length, 1, inspect(problems));
  assert.match(problems[0] ?? '', new RegExp(`^${variable}: `));
  assert.match(problems[0] ?? '', about);
}
const spki = 'sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=';
const hex = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

test('pins are read in every spelling, several for the time of a change, and each is kept once', () => {
  const config = configOf(load({ LATCHKEY_CONTROL_PLANE_PIN: `${spki}; ${hex}`, LDAP_PIN: `${hex} ${'00'.repeat(32)}` }));
  assert.deepEqual(config.controlPlane.pins, [spki]);
  assert.deepEqual(config.directory.pins, [spki, `sha256/${'A'.repeat(43)}=`]);
});

test('a pin that is none, or that nothing would be compared with, is a problem', () => {
  refused({ LDAP_PIN: 'sha256/short' }, 'LDAP_PIN', /not the SHA-256 of a public key/);
  refused({ LATCHKEY_CONTROL_PLANE_PIN: ';' }, 'LATCHKEY_CONTROL_PLANE_PIN', /no pin/);
  refused({ LDAP_PIN: Array.from({ length: 17 }, () => hex).join(' ') }, 'LDAP_PIN', /17 pins; at most 16/);
  refused({ LDAP_PIN: hex, LDAP_URL: 'ldap://127.0.0.1' }, 'LDAP_PIN', /without TLS, where no key is shown/);
  refused(
    { LDAP_PIN: hex, LDAP_URL: 'ldaps://a.example.com ldap://127.0.0.1' },
    'LDAP_PIN',
    /127\.0\.0\.1 is spoken to without TLS/,
  );
  assert.ok(load({ LDAP_PIN: hex, LDAP_URL: 'ldap://127.0.0.1', LDAP_START_TLS: 'true' }).ok);
  refused(
    { LATCHKEY_CONTROL_PLANE_PIN: hex, LATCHKEY_CONTROL_PLANE_URL: 'ws://127.0.0.1/connect' },
    'LATCHKEY_CONTROL_PLANE_PIN',
    /ws:\/\/, which shows no key/,
  );
});

test('the keys of jobs are read from a JWKS file, and what is wrong with it is said', () => {
  const key = signingKey('k1');
  const path = file('job-keys.json', jwksOf(key, signingKey('k2', 'ES256')));
  const { jobKeys } = configOf(load({ LATCHKEY_JOB_KEYS_FILE: path })).controlPlane;
  assert.deepEqual([jobKeys?.path, jobKeys?.keys.map(({ kid }) => kid)], [path, ['k1', 'k2']]);
  refused({ LATCHKEY_JOB_KEYS_FILE: join(folder, 'nowhere.json') }, 'LATCHKEY_JOB_KEYS_FILE', /does not exist/);
  refused({ LATCHKEY_JOB_KEYS_FILE: folder }, 'LATCHKEY_JOB_KEYS_FILE', /is not a regular file/);
  refused({ LATCHKEY_JOB_KEYS_FILE: '' }, 'LATCHKEY_JOB_KEYS_FILE');
  const long = file('long.json', jwksOf(key).padEnd(65_537));
  refused({ LATCHKEY_JOB_KEYS_FILE: long }, 'LATCHKEY_JOB_KEYS_FILE', /is a file of 65537 bytes/);
  const secret = file('private.json', JSON.stringify({ keys: [{ kid: 'k1', ...key.privateKey.export({ format: 'jwk' }) }] }));
  refused({ LATCHKEY_JOB_KEYS_FILE: secret }, 'LATCHKEY_JOB_KEYS_FILE', /is a private key.*expected|.*Ed25519 \(kty OKP\)/);
});

test('the audit trail is told which keys are trusted, and no other', () => {
  const key = signingKey('k1');
  const path = file('told-keys.json', jwksOf(key));
  const told = JSON.stringify(toldConfig(configOf(load({ LATCHKEY_JOB_KEYS_FILE: path, LDAP_PIN: hex }))));
  for (const part of [`"kid":"k1"`, String(key.jwk['x']), `"pins":["${spki}"]`]) assert.ok(told.includes(part), part);
});
