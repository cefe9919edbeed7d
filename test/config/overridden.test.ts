import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overridden } from '../../src/config/overridden.ts';

test('what the environment gives another value than the .env file is named, and no value is', () => {
  const environment = { LDAP_URL: 'ldaps://one', LATCHKEY_MAX_GRANT: '1d', LDAP_BIND_PASSWORD: 'secret' };
  const dotenvText = 'LDAP_URL=ldaps://two\nLATCHKEY_MAX_GRANT=1d\nLATCHKEY_NAME=x\nLDAP_BIND_PASSWORD=other\n';
  assert.deepEqual(overridden({ environment, dotenvText }), ['LDAP_URL', 'LDAP_BIND_PASSWORD']);
  assert.deepEqual(overridden({ environment, dotenvText: null }), []);
});
