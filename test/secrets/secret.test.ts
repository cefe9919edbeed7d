import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, inspect } from 'node:util';
import { Secret } from '../../src/secrets/secret.ts';

test('a secret shows itself only when it is asked to', () => {
  const secret = new Secret('correct horse');
  assert.equal(secret.reveal(), 'correct horse');
  for (const text of [String(secret), JSON.stringify({ secret }), inspect(secret), format('%s %o', secret, { secret })])
    assert.ok(text.includes('[redacted]') && !text.includes('correct'), text);
  assert.deepEqual(Object.keys(secret), []);
});
