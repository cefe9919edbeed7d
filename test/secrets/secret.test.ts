import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, inspect } from 'node:util';
import { serialize } from 'node:v8';
import { Secret } from '../../src/secrets/secret.ts';

test('a secret shows itself only when it is asked to', () => {
  const secret = new Secret('correct horse');
  assert.equal(secret.reveal(), 'correct horse');
  for (const text of [String(secret), JSON.stringify({ secret }), inspect(secret), format('%s %o', secret, { secret })])
    assert.ok(text.includes('[redacted]') && !text.includes('correct'), text);
  assert.deepEqual(Object.keys(secret), []);
});

test('no way to copy, join, print or throw a secret shows it', () => {
  const secret = new Secret('correct horse');
  // What the compiler and the linter would not let pass, a mistake elsewhere may.
  const asText = secret as unknown as string;
  const asPlain = secret as unknown as object;
  const error = new Error(`it was ${asText}`, { cause: { secret } });
  const shown = [
    [asText, asText].join(),
    JSON.stringify([secret, { ...asPlain }, structuredClone(secret), Object.assign({}, secret)]),
    inspect({ ...asPlain }, { showHidden: true, depth: 9 }),
    inspect(secret, { showHidden: true, customInspect: false, depth: 9, getters: true }),
    inspect(structuredClone(secret), { showHidden: true }),
    inspect(new Map([[secret, new Set([secret])]]), { depth: 9 }),
    inspect(error, { depth: 9, showHidden: true }),
    String(error.stack),
    inspect(new AggregateError([error], 'both'), { depth: 9 }),
    serialize({ ...asPlain }).toString('latin1'),
    new URLSearchParams({ secret: String(secret) }).toString(),
    format('%s %d %i %f %j %o %O %c', secret, secret, secret, secret, secret, secret, secret, secret),
  ];
  for (const text of shown) assert.ok(!text.includes('correct'), text);
});

test('one secret is not the same as another, nor a text', () => {
  assert.notEqual(new Secret('a'), 'a');
  // Two of them are alike to whoever compares what they show.
  assert.equal(String(new Secret('a')), String(new Secret('b')));
});
