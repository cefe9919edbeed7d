import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { inspect } from 'node:util';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse as parseDotenv } from 'dotenv';
import { loadConfig } from '../../../src/config/load-config.ts';
import type { VariableRow } from '../../../src/config/variables/row.ts';
import { VARIABLES } from '../../../src/config/variables.ts';
import { jwksOf, signingKey } from '../signed-jobs.ts';
import { type Chance, chance } from './chance.ts';
import type { FuzzTarget } from './target.ts';

const SCHEMA = new URL('../../../docs/configuration.schema.json', import.meta.url);
const SECRET = 'a-password-that-nobody-says';
const LEAST: Readonly<Record<string, string>> = {
  LATCHKEY_CONTROL_PLANE_URL: 'wss://control.example.com/connect',
  LATCHKEY_CONTROL_PLANE_TOKEN: 'token',
  LDAP_URL: 'ldaps://ldap.example.com',
  LDAP_BIND_DN: 'cn=latchkey,dc=example,dc=com',
  LDAP_BIND_PASSWORD: SECRET,
};
/** Variables of other programs, too: where no value refers to what they are for, they are not looked at. */
const ONLY_FOR: Readonly<Record<string, { readonly scheme: string; readonly isOf: (name: string) => boolean }>> = {
  VAULT_: { scheme: 'vault:', isOf: (name) => ['LATCHKEY_CONTROL_PLANE_TOKEN', 'LDAP_BIND_PASSWORD'].includes(name) },
  // In the place of a secret that a file may hold, or of the path of a file.
  CREDENTIALS_DIRECTORY: {
    scheme: 'credential:',
    isOf: (name) => Object.hasOwn(VARIABLES, name) && (name.endsWith('_FILE') || Object.hasOwn(VARIABLES, `${name}_FILE`)),
  },
};
const STRANGE = [
  'SYNC_SHEDULE',
  'LDAP_',
  'LATCHKEY_X',
  'latchkey_name',
  '__proto__',
  'NODE_OPTIONS',
  'LDAP_SERVICE_HOST',
] as const;
const VALUES = [
  '',
  ' ',
  '0',
  '-1',
  '1e3',
  '99999999999999999999',
  'true',
  'TRUE',
  'false',
  '8h',
  '999999999999d',
  '0s',
  'simple',
  'external',
  'cn=a,dc=b',
  'cn=a,',
  ',',
  ';',
  'a;b',
  '*',
  '${HOME}',
  '\u0000',
  'x'.repeat(5000),
  'wss://h/\u202e',
  'ws://127.0.0.1:1',
  'ws://127.0.0.1.example.com',
  'wss://u:p@h',
  'ldap://localhost',
  'ldap://[::1]:389',
  'ldaps://h:0',
  'ldaps://h:65536',
  'ldaps://a ldaps://b',
  'credential:x',
  'vault:a/data/b#c',
  '* * * * *',
  '99 * * * *',
  'Europe/Berlin',
  'sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
  '::',
  '127.0.0.1:99999',
  'auto',
  'member',
  '\ud800',
] as const;

/** Environments and `.env` files: what is accepted is in order by the published schema, and no problem tells a secret. */
export function configuration(): FuzzTarget {
  const validate = new Ajv2020({ strict: true, allErrors: true, strictRequired: false }).compile(
    JSON.parse(readFileSync(SCHEMA, 'utf8')) as object,
  );
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-fuzz-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const examples = examplesIn(folder);
  return {
    one(random) {
      const choice = chance(random);
      const environment = mutated(choice, examples);
      const asFile = choice.often(0.3);
      const dotenvText = asFile ? dotenvOf(environment, choice) : null;
      const loaded = loadConfig({ environment: asFile ? {} : environment, dotenvText, terminal: false });
      assert.equal(Object.hasOwn(Object.prototype, 'controlPlane'), false);
      if (!loaded.ok) {
        assert.ok(loaded.problems.length > 0);
        // What stands behind "credential:" is a name, and its path may be told.
        const isName = environment['LDAP_BIND_PASSWORD']?.startsWith('credential:') === true;
        if (!isName && isWhereItBelongs(dotenvText) && JSON.stringify(loaded.problems).includes(SECRET))
          assert.fail(inspect(environment));
        return 'refused';
      }
      // Blanks around a value are forgiven, but of a password they are part; a variable that is set to nothing is one that is not set.
      const given = Object.entries(dotenvText === null ? environment : parseDotenv(dotenvText))
        .map(([name, text]) => [name, name === 'LDAP_BIND_PASSWORD' ? text : text.trim()] as const)
        .filter(([, text]) => text !== '');
      const isLookedAt = (name: string) =>
        !Object.entries(ONLY_FOR).some(
          ([start, { scheme, isOf }]) =>
            name.startsWith(start) && !given.some((one) => isOf(one[0]) && one[1].startsWith(scheme)),
        );
      const merged = Object.fromEntries(given.filter(([name]) => isLookedAt(name)));
      if (!validate(merged)) assert.fail(`${inspect(merged)}: ${inspect(validate.errors)}`);
      assert.ok(!JSON.stringify(loaded.config).includes(SECRET));
      return asFile ? 'accepted from a file' : 'accepted';
    },
    outcomes: ['refused', 'accepted', 'accepted from a file'],
  };
}

/** What is written on the line of another variable is a value of that. */
function isWhereItBelongs(dotenvText: string | null): boolean {
  const lines = (dotenvText ?? '').split(/\r\n|\r|\n/).filter((line) => line.includes(SECRET));
  return lines.every((line) => /^(?:export )?LDAP_BIND_PASSWORD/.test(line));
}

/** The examples of the reference; where one names a file, one that is there. */
function examplesIn(folder: string): readonly [readonly [string, string], ...(readonly [string, string])[]] {
  const key = generateKeyPairSync('ed25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const contents: Readonly<Record<string, string>> = {
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
  const examples = Object.entries<VariableRow<unknown>>(VARIABLES).map(([name, { example }]): readonly [string, string] => {
    const ending = Object.keys(contents).find((end) => name.endsWith(end));
    if (ending === undefined) return [name, example];
    writeFileSync(join(folder, name), contents[ending] ?? '');
    return [name, join(folder, name)];
  });
  return examples as [readonly [string, string], ...(readonly [string, string])[]];
}

function mutated(
  { pick, often, below }: Chance,
  examples: readonly [readonly [string, string], ...(readonly [string, string])[]],
): Record<string, string> {
  const environment: Record<string, string> = { ...LEAST };
  for (let more = below(6); more > 0; more -= 1) {
    const [name, example] = pick(examples);
    // A file takes longer to read than all else together.
    if (!name.endsWith('_FILE') || often(0.2)) environment[name] = example;
  }
  for (let edits = below(3); edits > 0; edits -= 1) {
    const [name, example] = pick(examples);
    const value = environment[name] ?? example;
    const at = below(value.length + 1);
    switch (below(6)) {
      case 0:
        Reflect.deleteProperty(environment, name);
        break;
      case 1:
        environment[name] = pick(VALUES);
        break;
      case 2:
        environment[name] = pick(examples)[1];
        break;
      case 3:
        environment[name] = value.slice(0, at) + String.fromCharCode(below(often(0.5) ? 128 : 65_536)) + value.slice(at + 1);
        break;
      case 4:
        environment[name] = value.slice(0, at) + pick(VALUES) + value.slice(at);
        break;
      default:
        Object.defineProperty(environment, pick(STRANGE), {
          value: pick(VALUES),
          enumerable: true,
          configurable: true,
          writable: true,
        });
    }
  }
  return environment;
}

/** As it would be written into a file, or nearly so. */
function dotenvOf(environment: Readonly<Record<string, string>>, { pick, often, below }: Chance): string {
  const text = Object.entries(environment)
    .map(([name, value]) => {
      const quote = pick(['', '', '"', "'"]);
      return `${often(0.1) ? 'export ' : ''}${name}${pick(['=', '=', '=', ' = '])}${quote}${value}${often(0.97) ? quote : ''}`;
    })
    .join(pick(['\n', '\r\n']));
  if (!often(0.3)) return text;
  const at = below(text.length + 1);
  return text.slice(0, at) + pick(['\n', '#', '"', '=', '\u0000', '\ufeff', ' ']) + text.slice(at + below(3));
}
