import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { rootCertificates } from 'node:tls';
import { inspect } from 'node:util';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse as parseDotenv } from 'dotenv';
import { configDocs } from '../../scripts/config-docs.ts';
import { configSchema } from '../../scripts/config-schema.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import type { VariableRow } from '../../src/config/variables/row.ts';
import { NOT_YET_SUPPORTED, SUPPORTED, VARIABLES } from '../../src/config/variables.ts';
import { jwksOf, signingKey } from '../support/signed-jobs.ts';

const docs = configDocs();
const rows = Object.entries<VariableRow<unknown>>(VARIABLES);
const validate = new Ajv2020({ strict: true, allErrors: true, strictRequired: false }).compile(configSchema());

const folder = mkdtempSync(join(tmpdir(), 'latchkey-config-docs-'));
after(() => rmSync(folder, { recursive: true }));
const key = generateKeyPairSync('ed25519', {
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
/** What may stand in a file that a variable names, by how the variable ends. */
const CONTENTS: Readonly<Record<string, string>> = {
  JOB_KEYS_FILE: jwksOf(signingKey('k1')),
  TOKEN_FILE: 'token',
  PASSWORD_FILE: 'password',
  KEY_FILE: key.privateKey,
  CA_FILE: rootCertificates[0] ?? '',
  CERT_FILE: rootCertificates[0] ?? '',
  CACERT: rootCertificates[0] ?? '',
  SECRET_ID_FILE: 'secret-id',
  POLICY_FILE: '{}',
};

/** The example of a variable; where that names a file, one that is there. */
function exampleOf(name: string): string {
  const ending = Object.keys(CONTENTS).find((end) => name.endsWith(end));
  const { example } = rows.find(([known]) => known === name)?.[1] ?? { example: '' };
  if (ending === undefined) return example;
  const path = join(folder, name);
  writeFileSync(path, CONTENTS[ending] ?? '');
  return path;
}

const LEAST = {
  LATCHKEY_CONTROL_PLANE_URL: 'wss://control.example.com/connect',
  LATCHKEY_CONTROL_PLANE_TOKEN: 'token',
  LDAP_URL: 'ldaps://ldap.example.com',
  LDAP_BIND_DN: 'cn=latchkey,dc=example,dc=com',
  LDAP_BIND_PASSWORD: 'password',
};

const load = (environment: Readonly<Record<string, string>>) => loadConfig({ environment, terminal: false });

test('reference, schema and example of the configuration are what the tables of variables say: else run scripts/write-config-docs.ts', () => {
  assert.equal(docs.size, 4);
  for (const [path, text] of docs) assert.equal(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'), text, path);
});

test('an address whose scheme is written in capital letters is taken by reading and by the published schema', () => {
  const environment = { ...LEAST, LATCHKEY_CONTROL_PLANE_URL: 'WSS://control.example.com', LDAP_URL: 'LDAPS://ldap.example.com' };
  assert.ok(load(environment).ok);
  assert.ok(validate(environment), inspect(validate.errors));
});

test('every variable has a row in the reference, a property in the schema and a line in the example, and so has no other', () => {
  const named = (path: string, pattern: RegExp) => [...(docs.get(path) ?? '').matchAll(pattern)].map(([, name = '']) => name);
  assert.deepEqual(named('docs/configuration.md', /^\| `([A-Z_]+)` \|(?: .*? \|){4}$/gm), SUPPORTED);
  assert.deepEqual(named('.env.example', /^#?([A-Z_]+)=/gm), SUPPORTED);
  assert.deepEqual(Object.keys(configSchema()['properties'] as object), SUPPORTED);
});

test('a variable that is refused for now is in none of them but where the reference says so', () => {
  for (const name of NOT_YET_SUPPORTED)
    assert.ok((docs.get('docs/configuration.md') ?? '').split('later versions')[1]?.includes(name), name);
});

test('a default is what a variable means that is not set', () => {
  // Secrets are functions, which JSON leaves out.
  const loaded = (environment: Readonly<Record<string, string>>) => JSON.stringify(load(environment));
  const defaults = rows.flatMap(([name, row]) => (row.default === undefined ? [] : [{ name, value: row.default }]));
  assert.ok(defaults.length > 10);
  for (const { name, value } of defaults) assert.equal(loaded({ ...LEAST, [name]: value }), loaded(LEAST), name);
});

test('every example is taken by what reads the variable, and by the schema', () => {
  for (const [name, { value, example }] of rows) {
    assert.ok(value.read(exampleOf(name)).ok, name);
    assert.ok(validate({ ...LEAST, ...without(name), [name]: example }), `${name}: ${inspect(validate.errors)}`);
  }
});

/** What has to be there, or not, besides this variable. */
function without(name: string): Readonly<Record<string, string | undefined>> {
  if (name === 'LATCHKEY_CONTROL_PLANE_TOKEN_FILE') return { LATCHKEY_CONTROL_PLANE_TOKEN: undefined };
  if (name === 'LDAP_BIND_PASSWORD_FILE') return { LDAP_BIND_PASSWORD: undefined };
  const pair = /^(.*_)(CERT|KEY)_FILE$/.exec(name);
  if (pair !== null) return { [`${pair[1]}${pair[2] === 'KEY' ? 'CERT' : 'KEY'}_FILE`]: './the-other.pem' };
  return name === 'LDAP_BIND' ? { LDAP_CERT_FILE: './one.pem', LDAP_KEY_FILE: './other.pem' } : {};
}

test('the example as it stands is a whole configuration, once the files that it names are there', () => {
  const text = docs.get('.env.example') ?? '';
  const set = parseDotenv(text);
  assert.ok(validate(set), inspect(validate.errors));
  const loaded = load(Object.fromEntries(Object.keys(set).map((name) => [name, exampleOf(name)])));
  assert.ok(loaded.ok, inspect(loaded));
  assert.deepEqual(loaded.warnings, []);
});

test('a line of the example reads as its value where the # before it is taken away', () => {
  const all = parseDotenv((docs.get('.env.example') ?? '').replace(/^#(?=[A-Z_]+=)/gm, ''));
  for (const [name, { example }] of rows) assert.equal(all[name], example, name);
});

const WRONG: readonly Readonly<Record<string, string | undefined>>[] = [
  { LDAP_URL: undefined },
  { LDAP_URL: 'https://ldap.example.com' },
  { LDAP_URL: 'ldaps://admin:password@ldap.example.com' },
  { LATCHKEY_CONTROL_PLANE_URL: undefined },
  { LATCHKEY_CONTROL_PLANE_URL: 'https://control.example.com' },
  { LATCHKEY_CONTROL_PLANE_URL: 'wss://control.example.com/?token=x' },
  { LATCHKEY_CONTROL_PLANE_TOKEN: undefined },
  { LATCHKEY_CONTROL_PLANE_TOKEN: 'two words' },
  { LATCHKEY_CONTROL_PLANE_TOKEN_FILE: './token' },
  { LDAP_BIND_DN: undefined },
  { LDAP_BIND_PASSWORD: undefined },
  { LDAP_BIND_PASSWORD: '' },
  { LDAP_BIND: 'external' },
  { LDAP_BIND: 'gssapi' },
  { LDAP_CERT_FILE: './one.pem' },
  { LATCHKEY_CONTROL_PLANE_KEY_FILE: './one.pem' },
  { LDAP_GROUP_SCOPE: 'ou=groups,dc=example,dc=com' },
  { SYNC_SHEDULE: 'daily' },
  { LATCHKEY_MAX_GRANT: '8' },
  { LATCHKEY_HTTP_ADDR: '9464' },
  { LATCHKEY_LOG_FORMAT: 'xml' },
  { SYNC_MAX_REMOVED: '0.3' },
  { SYNC_SCHEDULE: 'weekly' },
  { LDAP_START_TLS: 'yes' },
  { LDAP_PAGE_SIZE: 'many' },
  { LATCHKEY_CONNECTOR_ID: 'two words' },
  { LDAP_USERNAME_ATTRIBUTE: 'user name' },
];

test('what the schema refuses is refused at the start, too', () => {
  for (const change of WRONG) {
    const environment = Object.fromEntries(
      Object.entries({ ...LEAST, ...change }).flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])),
    );
    assert.ok(!validate(environment), inspect(change));
    assert.ok(!load(environment).ok, inspect(change));
  }
});

test('what is foreign to us is left alone by the schema as it is at the start', () => {
  const foreign = { ...LEAST, PATH: '/usr/bin', LDAP_SERVICE_HOST: '10.0.0.1', LDAP_PORT_636_TCP: 'tcp://10.0.0.1:636' };
  assert.ok(load(foreign).ok);
  assert.ok(validate(foreign), inspect(validate.errors));
});
