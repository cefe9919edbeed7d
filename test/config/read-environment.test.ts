import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfig } from '../../src/config/load-config.ts';
import { readEnvironment } from '../../src/config/read-environment.ts';

const folder = mkdtempSync(join(tmpdir(), 'latchkey-environment-'));
after(() => rmSync(folder, { recursive: true }));

test('the .env file is read as text and changes nothing in this process', () => {
  const path = join(folder, '.env');
  writeFileSync(path, 'LDAP_BASE_DN=dc=x\n');
  const { environment, dotenvText, dotenvFault } = readEnvironment(path);
  assert.deepEqual([dotenvText, dotenvFault], ['LDAP_BASE_DN=dc=x\n', null]);
  assert.equal(environment['PATH'], process.env['PATH']);
  assert.equal(process.env['LDAP_BASE_DN'], undefined);
});

test('no .env file is nothing to speak of; one that cannot be read is a problem', () => {
  assert.deepEqual(readEnvironment(join(folder, 'absent')).dotenvFault, null);
  const loaded = loadConfig({ ...readEnvironment(folder), environment: {}, terminal: false });
  assert.ok(!loaded.ok);
  assert.deepEqual(loaded.problems[0], {
    variable: '.env',
    found: 'a file that cannot be read (EISDIR)',
    expected: 'a readable file, or none',
  });
});
