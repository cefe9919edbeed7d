import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { loadConfig } from '../../src/config/load-config.ts';
import { formatProblems } from '../../src/config/problem.ts';
import { judgeName, NOT_YET_SUPPORTED, SUPPORTED } from '../../src/config/variables.ts';

const ALPHABET = Array.from('abcdefghjkmnpqrstuvwxyz23456789');

/** Every variable that the documentation of the configuration names, in its order. */
const DOCUMENTED = `
  LATCHKEY_CONTROL_PLANE_URL LATCHKEY_CONTROL_PLANE_TOKEN LATCHKEY_CONTROL_PLANE_TOKEN_FILE LATCHKEY_CONTROL_PLANE_CA_FILE
  LATCHKEY_CONTROL_PLANE_PIN LATCHKEY_CONTROL_PLANE_CERT_FILE LATCHKEY_CONTROL_PLANE_KEY_FILE LATCHKEY_CONNECTOR_ID LATCHKEY_NAME
  HTTPS_PROXY NO_PROXY LATCHKEY_JOB_KEYS_FILE
  LDAP_URL LDAP_START_TLS LDAP_CA_FILE LDAP_PIN LDAP_BIND LDAP_CERT_FILE LDAP_KEY_FILE LDAP_BIND_DN LDAP_BIND_PASSWORD
  LDAP_BIND_PASSWORD_FILE LDAP_ALLOW_CLEARTEXT LDAP_DOMAIN LDAP_BASE_DN LDAP_GROUPS_SCOPE LDAP_USERS_SCOPE LDAP_GROUP_FILTER
  LDAP_USER_FILTER LDAP_USER_EMAIL_ATTRIBUTE LDAP_USERNAME_ATTRIBUTE LDAP_FULL_NAME_ATTRIBUTE LDAP_GROUP_NAME_ATTRIBUTE
  LDAP_MANAGER_ATTRIBUTE LDAP_OWNER_ATTRIBUTE LDAP_MEMBER_ATTRIBUTE LDAP_PLACEHOLDER_MEMBER LDAP_FLAVOUR LDAP_REFERRALS
  LDAP_CONNECT_TIMEOUT LDAP_READ_TIMEOUT LDAP_PAGE_SIZE
  LATCHKEY_MAX_GRANT LATCHKEY_MAX_PENDING LATCHKEY_PROTECTED_GROUPS LATCHKEY_UNPROTECTED_GROUPS LATCHKEY_MAX_GRANTS_PER_MINUTE
  LATCHKEY_DRIFT LATCHKEY_POLICY_FILE
  SYNC_SCHEDULE SYNC_FULL_SCHEDULE SYNC_TIMEZONE SYNC_MAX_REMOVED
  LATCHKEY_STATE_DIR LATCHKEY_BACKUP_DIR LATCHKEY_RETENTION LATCHKEY_HTTP_ADDR LATCHKEY_LOG_LEVEL LATCHKEY_LOG_FORMAT
  LATCHKEY_SHUTDOWN_GRACE
  CREDENTIALS_DIRECTORY VAULT_ADDR VAULT_CACERT VAULT_NAMESPACE VAULT_TOKEN VAULT_TOKEN_FILE VAULT_ROLE_ID VAULT_SECRET_ID
  VAULT_SECRET_ID_FILE VAULT_KUBERNETES_ROLE VAULT_KUBERNETES_TOKEN_FILE VAULT_AUTH_MOUNT
`
  .trim()
  .split(/\s+/);

test('every documented variable is either supported or refused, and no other is known', () => {
  assert.deepEqual([...SUPPORTED, ...NOT_YET_SUPPORTED].toSorted(), DOCUMENTED.toSorted());
  for (const name of DOCUMENTED) assert.match(judgeName(name).kind, /^(?:supported|not_yet_supported)$/);
});

test('each variable of a later version is refused under its own name, whatever its value', () => {
  for (const name of NOT_YET_SUPPORTED) {
    const loaded = loadConfig({ environment: { [name]: '' }, terminal: false });
    assert.ok(
      !loaded.ok && loaded.problems.some(({ variable, expected }) => variable === name && /not yet supported/.test(expected)),
    );
  }
});

test('the name one edit away from a known one leads back to it', () => {
  const edited = fc
    .tuple(fc.constantFrom(...SUPPORTED), fc.nat(20), fc.constantFrom('drop', 'double', 'replace'))
    .map(([name, offset, edit]) => {
      const at = 9 + (offset % (name.length - 9));
      const middle = edit === 'drop' ? '' : edit === 'double' ? name.charAt(at).repeat(2) : '0';
      return { name, misspelt: name.slice(0, at) + middle + name.slice(at + 1) };
    })
    .filter(({ name, misspelt }) => name.length > 12 && judgeName(misspelt).kind === 'unknown');
  // Each of these has another known name within one edit of a misspelling of it.
  const distinct = new Set(['LDAP_BIND_DN', 'LDAP_BASE_DN', 'LATCHKEY_PROTECTED_GROUPS', 'LATCHKEY_UNPROTECTED_GROUPS']);
  fc.assert(
    fc.property(edited, ({ name, misspelt }) => {
      const verdict = judgeName(misspelt);
      assert.ok(verdict.kind === 'unknown');
      if (!distinct.has(name)) assert.equal(verdict.nearest, name);
    }),
  );
});

test('problems are printed with the variable, what was found and what is expected, on clean lines', () => {
  const text = formatProblems([
    { variable: 'LDAP_URL', found: 'not set', expected: 'a URL' },
    { variable: 'LDAP_\u001b[31m', found: 'x', expected: 'y' },
  ]);
  assert.match(text, /2 problems:\n\n {2}LDAP_URL\n {4}found: {4}not set\n {4}expected: a URL\n/);
  assert.ok(!text.includes('\u001b'));
});

test('of a value of several lines no more than the first is shown: the others may be what a secret stands in', () => {
  const lines = { LDAP_URL: 'x\r\nVAULT_TOKEN=open-sesame\n', LDAP_BIND_DN: '\nLDAP_BIND_PASSWORD=open-sesame' };
  const loaded = loadConfig({ environment: lines, terminal: false });
  assert.ok(!loaded.ok);
  const foundOf = (name: string) => loaded.problems.find(({ variable }) => variable === name)?.found;
  assert.deepEqual([foundOf('LDAP_URL'), foundOf('LDAP_BIND_DN')], ['"x…": more than one line', '"…": more than one line']);
  assert.ok(!JSON.stringify(loaded.problems).includes('open-sesame'));
});

test('no secret is in any problem or warning, wherever it was put by mistake', () => {
  const marker = fc.string({ minLength: 12, maxLength: 12, unit: fc.constantFrom(...ALPHABET) });
  const place = fc.record({
    environment: fc.dictionary(fc.constantFrom(...DOCUMENTED, 'LDAP_BIND_PASWORD', 'LATCHKEY_TOKEN', 'https_proxy'), marker, {
      minKeys: 1,
      maxKeys: 8,
    }),
    shape: fc.constantFrom<(secret: string) => string>(
      (secret) => secret,
      (secret) => `${secret} ${secret}\n`,
      (secret) => `ldaps://admin:${secret}@ldap.example.com`,
      (secret) => `wss://h/?token=${secret}`,
      (secret) => `http://user:${secret}@proxy.example.com/path`,
      (secret) => `cn=${secret}`,
      (secret) => '\u0000'.repeat(5_000) + secret,
    ),
  });
  const alwaysSecret = new Set(['LATCHKEY_CONTROL_PLANE_TOKEN', 'LDAP_BIND_PASSWORD', 'LATCHKEY_CONTROL_PLANE_KEY_FILE']);
  fc.assert(
    fc.property(place, marker, ({ environment, shape }, shared) => {
      // One secret put everywhere, while it is also where it belongs; and secrets in unknown, file and URL variables.
      const everywhere = Object.fromEntries(Object.keys(environment).map((name) => [name, shape(shared)]));
      const all = { ...everywhere, LDAP_BIND_PASSWORD: shared };
      const told = JSON.stringify(loadConfig({ environment: all, terminal: false }), (key, value: unknown) =>
        key === 'config' ? undefined : value,
      );
      assert.ok(!told.includes(shared), told);
      const alone = loadConfig({ environment, terminal: false });
      for (const [name, secret] of Object.entries(environment)) {
        const hidden = alwaysSecret.has(name) || /_TOKEN|PASS?WORD|PROXY/.test(name);
        if (hidden) assert.ok(!JSON.stringify(alone).includes(secret), name);
      }
    }),
    { numRuns: 300 },
  );
});
