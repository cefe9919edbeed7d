import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { createScrubber } from '../../src/observability/scrubber.ts';
import { Secret } from '../../src/secrets/secret.ts';

const SECRET = 'correct-horse/battery+staple=2026';
const scrubber = createScrubber([new Secret(SECRET)]);
const bytes = Buffer.from(SECRET);

/** RFC 4511 §4.2: what a simple bind puts on the wire. */
const bind = Buffer.concat([Buffer.from('303a0201016035020103040c636e3d6c617463686b6579802', 'hex'), bytes]);

test('a secret is found in every spelling that a program gives it', () => {
  const spellings = {
    plain: SECRET,
    'URI encoding': encodeURIComponent(SECRET),
    'URI encoding in small letters': encodeURIComponent(SECRET).toLowerCase(),
    'form encoding': new URLSearchParams({ password: SECRET }).toString(),
    'every byte escaped': [...bytes].map((byte) => `%${byte.toString(16)}`).join(''),
    hexadecimal: bytes.toString('hex'),
    'hexadecimal in capitals': bytes.toString('hex').toUpperCase(),
    base64: bytes.toString('base64'),
    'base64 of credentials': Buffer.from(`latchkey:${SECRET}`).toString('base64'),
    'base64 of a simple bind': bind.toString('base64'),
    'base64url of a simple bind': bind.toString('base64url'),
    'a URL': `https://control.example.com/?token=${encodeURIComponent(SECRET)}`,
  };
  for (const [name, text] of Object.entries(spellings)) {
    const out = scrubber.text(`before ${text} after`);
    assert.ok(out.includes('[redacted]'), name);
    // What the edges of base64 depend on may stay: a few digits at its end.
    assert.ok(!out.includes(text.slice(-14, -4)), `${name}: ${out}`);
  }
});

test('a secret in an error and its causes is found when the line is written, whatever the depth', () => {
  const line = JSON.stringify({
    error: { message: 'x', cause: { cause: { text: `"${SECRET}"`, nested: JSON.stringify({ SECRET }) } } },
  });
  assert.ok(!scrubber.jsonLine(line).includes('horse'));
});

test('a long secret that was cut in two shows no more than half of itself', () => {
  const places = fc.record({
    secret: fc.string({
      minLength: 24,
      maxLength: 80,
      unit: fc.constantFrom(...Array.from('abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789')),
    }),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(places, ({ secret, at }) => {
      const cut = Math.round(at * secret.length);
      const one = createScrubber([new Secret(secret)]);
      const fields = [one.text(`<${secret.slice(0, cut)}>`), one.text(`<${secret.slice(cut)}>`)];
      const left = fields.map((field) => field.replace('[redacted]', '').length - 2).reduce((sum, length) => sum + length, 0);
      assert.ok(left <= secret.length / 2, fields.join(' '));
    }),
  );
});

test('a line of a key is as secret as the key', () => {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const known = createScrubber([new Secret(privateKey)]);
  for (const line of privateKey.split('\n').filter((text) => text.length >= 16 && !text.startsWith('-----')))
    assert.equal(known.text(`at ${line}!`), 'at [redacted]!');
  assert.equal(known.text('-----BEGIN PRIVATE KEY-----'), '-----BEGIN PRIVATE KEY-----', 'what every key has is no secret');
});

test('what is no secret stays as it is', () => {
  for (const text of ['correct', 'horse and battery', 'cn=latchkey,ou=system', '2026-11-22T20:41:35.000Z'])
    assert.equal(scrubber.text(text), text);
});

test('of a secret that is replaced for ever the last eight are known, and those of other kinds stay', () => {
  const { learn, text } = createScrubber([new Secret('known-for-good')]);
  learn(new Secret('password-of-the-account'), 'password');
  const token = (at: number) => `hvs.token-number-${String(at).padStart(4, '0')}`;
  for (let at = 1; at <= 300; at += 1) {
    learn(new Secret(token(at)), 'token');
    // Read again and again, it stays among the last.
    learn(new Secret(token(1)), 'token');
  }
  for (const secret of ['known-for-good', 'password-of-the-account', token(1), token(300), token(294)])
    assert.equal(text(`<${secret}>`), '<[redacted]>', secret);
  assert.equal(text(`<${token(293)}>`), `<${token(293)}>`);
});
