import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { explainWrongPin, judgePin, keyPinOf, parseKeyPin } from '../../src/access/key-pin.ts';
import { certificateAuthority } from '../support/certificate-authority.ts';

const digest = createHash('sha256').update('a key').digest();
const base64 = digest.toString('base64');

test('a pin is read as base64 with or without a name before it, and as hex, and always means the same', () => {
  const hex = digest.toString('hex');
  for (const text of [base64, `sha256/${base64}`, `sha256//${base64}`, hex, hex.toUpperCase(), hex.replace(/..(?=.)/g, '$&:')])
    assert.deepEqual(parseKeyPin(text), { ok: true, value: `sha256/${base64}` }, text);
});

test('what is no SHA-256 is no pin', () => {
  const others = [
    '',
    'sha256/',
    'sha1/qqqqqqqqqqqqqqqqqqqqqqqqqqo=',
    base64.slice(0, -1),
    `${base64}=`,
    digest.toString('hex').slice(2),
  ];
  const twoSpellings = base64.replace(/.=$/, (end) => `${String.fromCharCode(end.charCodeAt(0) + 1)}=`);
  for (const text of [...others, twoSpellings, digest.toString('base64url'), 'x'.repeat(64), `sha512/${base64}`])
    assert.equal(parseKeyPin(text).ok, false, text);
});

test('the pin of a certificate is that of its public key: a renewed certificate keeps it, another key has another', () => {
  const authority = certificateAuthority('pins');
  const [one, other] = [1, 2].map(() => new X509Certificate(authority.issue({ name: 'server', purpose: 'server' }).chain));
  assert.ok(one !== undefined && other !== undefined);
  const spki = one.publicKey.export({ type: 'spki', format: 'der' });
  const pin = keyPinOf(one.raw);
  assert.equal(pin, `sha256/${createHash('sha256').update(spki).digest('base64')}`);
  assert.equal(judgePin([], other.raw), undefined);
  assert.equal(judgePin([keyPinOf(other.raw), pin], one.raw), undefined);
  const wrong = judgePin([pin], other.raw);
  assert.equal(wrong?.code, 'ERR_WRONG_PIN');
  const words = explainWrongPin({ found: keyPinOf(other.raw), expected: [pin] }, 'LDAP_PIN');
  for (const part of [keyPinOf(other.raw), pin, 'LDAP_PIN', 'no secret was sent', 'openssl x509'])
    assert.ok(words.includes(part), part);
});
