import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, test } from 'node:test';
import { parseJobKeys } from '../../src/protocol/job-keys.ts';
import { jwksOf, signingKey } from '../support/signed-jobs.ts';

const ed = signingKey('ed-1');
const ec = signingKey('ec-1', 'ES256');
const changed = (changes: object, key = ed) => JSON.stringify({ keys: [{ ...key.jwk, ...changes }] });
const set = (key: KeyObject) => JSON.stringify({ keys: [{ kid: 'k', ...key.export({ format: 'jwk' }) }] });
const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });

describe('a file of job keys', () => {
  test('is read with several keys of both kinds, without what else stands in it', () => {
    const read = parseJobKeys(
      changed({ alg: 'Ed25519', key_ops: ['verify'], x5t: 'x', note: { a: [1] } }).replace('"keys"', '"v":1,"keys"'),
    );
    assert.ok(read.ok, JSON.stringify(read));
    assert.deepEqual(read.value, [{ kid: 'ed-1', alg: 'EdDSA', jwk: { kty: 'OKP', crv: 'Ed25519', x: ed.jwk['x'] } }]);
    const both = parseJobKeys(jwksOf(ed, ec));
    assert.deepEqual(both.ok ? both.value.map(({ kid, alg }) => [kid, alg]) : both, [
      ['ed-1', 'EdDSA'],
      ['ec-1', 'ES256'],
    ]);
  });

  for (const [what, text, words] of [
    ['is empty', '', /is not JSON/],
    ['is a certificate', '-----BEGIN CERTIFICATE-----', /is not JSON/],
    ['is a key and no set of them', JSON.stringify(ed.jwk), /no list "keys"/],
    ['has no key', '{"keys":[]}', /no key/],
    [
      'has very many',
      JSON.stringify({ keys: Array.from({ length: 17 }, (_, i) => ({ ...ed.jwk, kid: `k${i}` })) }),
      /17 keys; at most 16/,
    ],
    ['names a member twice', '{"keys":[],"keys":[]}', /two members/],
    ['has something that is no key', '{"keys":["x"]}', /key 1, which is no object/],
    [
      'has a private key',
      set(generateKeyPairSync('ed25519').privateKey),
      /key 1 \("k"\), which is a private key: make a new pair/,
    ],
    ['has a private EC key', set(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey), /is a private key/],
    ['has a private RSA key', set(rsa.privateKey), /is a private key/],
    ['has a symmetric key', '{"keys":[{"kty":"oct","k":"AAAA","kid":"k"}]}', /is symmetric/],
    ['has a key of RSA', set(rsa.publicKey), /is of RSA; expected Ed25519 or P-256/],
    [
      'has a key of P-384',
      set(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey),
      /no key of Ed25519 \(OKP\) or P-256 \(EC\)/,
    ],
    ['has a key of X25519', set(generateKeyPairSync('x25519').publicKey), /no key of/],
    ['has a key of Ed448', set(generateKeyPairSync('ed448').publicKey), /no key of/],
    ['has a point that is not on the curve', changed({ x: ec.jwk['y'], y: ec.jwk['x'] }, ec), /no key of/],
    ['has a key that is too short', changed({ x: 'AAAA' }), /no key of/],
    ['has a key without a kid', changed({ kid: undefined }), /has no legible kid/],
    ['has a kid with a line break', changed({ kid: 'a\nb' }), /has no legible kid/],
    ['has a key for another algorithm', changed({ alg: 'ES256' }), /is for another algorithm than EdDSA/],
    ['has a key for encryption', changed({ use: 'enc' }), /is not for signatures/],
    ['has a key that does not verify', changed({ key_ops: ['deriveBits'] }), /is not for verifying/],
    ['has two keys of one kid', jwksOf(ed, signingKey('ed-1', 'ES256')), /two keys with the kid "ed-1"/],
  ] as const)
    test(`that ${what} is refused, shortly and without showing a key`, () => {
      const read = parseJobKeys(text);
      assert.ok(!read.ok);
      assert.match(read.problem, words);
      // So much of it stands in a problem of the configuration.
      assert.ok(read.problem.length <= 120, `${read.problem.length}: ${read.problem}`);
      assert.ok(!/[A-Za-z0-9_-]{40}/.test(read.problem));
    });
});
