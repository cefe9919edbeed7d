import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import { CompactSign } from 'jose';
import { later } from '../../src/access/instant.ts';
import type { SignatureFault } from '../../src/access/signature-fault.ts';
import { jobSignatures } from '../../src/link/job-signatures.ts';
import {
  base64url,
  CONNECTOR,
  claimsOf,
  GRANT,
  headerOf,
  jobKeysOf,
  NOW,
  signed,
  signedText,
  signingKey,
} from '../support/signed-jobs.ts';

const ed = signingKey('ed-1');
const ec = signingKey('ec-1', 'ES256');
/** Keys that the connector does not have; two of them go by the name of one that it has. */
const stranger = signingKey('stranger');
const namesake = signingKey('ed-1');
const ecNamesake = signingKey('ec-1', 'ES256');
const keys = jobKeysOf(ed, ec);

const at = (offsetMs = 0) => jobSignatures({ keys, connectorId: CONNECTOR, now: () => later(NOW, offsetMs) });
const verify = at();

const REVOKE = { jobId: 'job-2', kind: 'revoke', issuedAt: '2026-06-01T12:00:00.000Z', grantId: 'grant-1' };
const [header = '', payload = '', signature = ''] = signed(ed).split('.');
const SECONDS = NOW / 1000;
const HOUR_MS = 3_600_000;
const publicPem = ed.publicKey.export({ type: 'spki', format: 'pem' });
const hmac = (secret: string, text: string) => `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
const withHeader = (members: object) => signed(ed, claimsOf(), { ...headerOf(ed), ...members });
const withClaims = (members: Record<string, unknown>) => signed(ed, claimsOf(GRANT, members));
const without = (value: Readonly<Record<string, unknown>>, name: string) =>
  Object.fromEntries(Object.entries(value).filter(([one]) => one !== name));
const sibling = (text: string) => text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1);

describe('a signed job', () => {
  test('is believed with either kind of key, and is the job that was signed', async () => {
    for (const key of [ed, ec]) {
      const verified = await verify(signed(key));
      assert.ok(verified.ok, JSON.stringify(verified));
      assert.equal(verified.received.jobId, 'job-1');
      assert.ok(verified.received.job.ok && verified.received.job.value.kind === 'grant');
    }
  });

  test('is believed as another library writes it, and under the name of RFC 9864', async () => {
    const bytes = new TextEncoder().encode(JSON.stringify(claimsOf()));
    for (const alg of ['EdDSA', 'Ed25519']) {
      const jws = await new CompactSign(bytes).setProtectedHeader({ ...headerOf(ed), alg }).sign(ed.privateKey);
      assert.ok((await verify(jws)).ok, alg);
    }
  });

  test('has the content hash of the same job without a signature, whatever the envelope', async () => {
    const hashes = await Promise.all(
      [signed(ed), signed(ec), withClaims({ exp: SECONDS + 60, iss: 'somebody' })].map(async (jws) => {
        const verified = await verify(jws);
        return verified.ok ? verified.received.hash : '';
      }),
    );
    assert.equal(new Set(hashes).size, 1);
    assert.match(hashes[0] ?? '', /^[0-9a-f]{64}$/);
  });

  const refused: readonly (readonly [string, SignatureFault, string])[] = [
    ['of another key under a known kid is forged', 'signature', signed(namesake)],
    ['of another EC key under a known kid is forged', 'signature', signed(ecNamesake)],
    ['of a key that is not in the file', 'unknown_key', signed(stranger)],
    ['without a kid, though the key is known', 'unknown_key', signed(ed, claimsOf(), without(headerOf(ed), 'kid'))],
    ['whose kid is no text', 'unknown_key', withHeader({ kid: ['ed-1'] })],
    ['whose kid is a member of every object', 'unknown_key', withHeader({ kid: '__proto__' })],
    ['whose kid names another known key', 'algorithm', withHeader({ kid: 'ec-1' })],
    ['of an EC key that calls itself Ed25519', 'algorithm', signed(ec, claimsOf(), { ...headerOf(ec), alg: 'EdDSA' })],
    ['of an Ed25519 key that calls itself ES256', 'algorithm', withHeader({ alg: 'ES256' })],
    ['without alg', 'algorithm', signed(ed, claimsOf(), without(headerOf(ed), 'alg'))],
    ['with alg none and no signature', 'malformed', `${base64url({ ...headerOf(ed), alg: 'none' })}.${payload}.`],
    ['with alg none and a signature', 'algorithm', withHeader({ alg: 'none' })],
    ['with alg NONE', 'algorithm', withHeader({ alg: 'NONE' })],
    ['with alg eddsa', 'algorithm', withHeader({ alg: 'eddsa' })],
    ['with a list of algorithms', 'algorithm', withHeader({ alg: ['EdDSA'] })],
    ...['HS256', 'HS384', 'RS256', 'PS256', 'ES384', 'ES512', 'ES256K', 'Ed448'].map(
      (alg) => [`with alg ${alg}`, 'algorithm', withHeader({ alg })] as const,
    ),
    [
      'with HS256 over the public key as a secret',
      'algorithm',
      hmac(publicPem, `${base64url({ ...headerOf(ed), alg: 'HS256' })}.${payload}`),
    ],
    [
      'with HS256 over the x of the public key as a secret',
      'algorithm',
      hmac(String(ed.jwk['x']), `${base64url({ ...headerOf(ed), alg: 'HS256' })}.${payload}`),
    ],
    ['that brings its own key (jwk)', 'header', signed(stranger, claimsOf(), { ...headerOf(ed), jwk: stranger.jwk })],
    ...['jku', 'x5u'].map(
      (name) => [`that says where its key is (${name})`, 'header', withHeader({ [name]: 'https://example.com/keys' })] as const,
    ),
    ...['x5c', 'x5t', 'x5t#S256', 'crit', 'zip', 'cty', 'enc', 'anything'].map(
      (name) => [`whose header has ${name}`, 'header', withHeader({ [name]: ['x'] })] as const,
    ),
    ['with an unencoded payload (b64)', 'header', withHeader({ b64: false, crit: ['b64'] })],
    ['without typ', 'header', signed(ed, claimsOf(), without(headerOf(ed), 'typ'))],
    ['of another type, as an identity token', 'header', withHeader({ typ: 'JWT' })],
    [
      'whose header names a member twice',
      'malformed',
      signed(ed, claimsOf(), '{"alg":"none","alg":"EdDSA","kid":"ed-1","typ":"latchkey-job+jwt"}'),
    ],
    ['whose header is no object', 'malformed', signed(ed, claimsOf(), '["EdDSA"]')],
    ['whose header is no JSON', 'malformed', signed(ed, claimsOf(), 'EdDSA')],
    ['whose header is nested', 'malformed', withHeader({ typ: [[['x']]] })],
    ['whose header is very long', 'malformed', withHeader({ kid: 'x'.repeat(2_000) })],
    [
      'whose header is not UTF-8',
      'malformed',
      signedText(ed, `${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.${payload}`),
    ],
    ['whose header begins with a byte order mark', 'malformed', signed(ed, claimsOf(), `\ufeff${JSON.stringify(headerOf(ed))}`)],
    ['of no part', 'malformed', ''],
    ['of one part', 'malformed', header],
    ['of two parts', 'malformed', `${header}.${payload}`],
    ['of four parts', 'malformed', `${signed(ed)}.${payload}`],
    ['of five parts, as an encrypted one', 'malformed', `${header}..${payload}.${signature}.x`],
    ['with an empty payload', 'malformed', signedText(ed, `${header}.`)],
    ['in the JSON serialization', 'malformed', JSON.stringify({ protected: header, payload, signature })],
    ['with padding', 'malformed', `${header}.${payload}.${signature}==`],
    ['with a blank', 'malformed', ` ${signed(ed)}`],
    ['with a line break', 'malformed', `${signed(ed)}\n`],
    ['in the other alphabet', 'malformed', `${header}.${payload}.${'+'.repeat(86)}`],
    ['with bits that say nothing', 'malformed', `${header}.${payload}.${sibling(signature)}`],
    ['that is longer than any job', 'malformed', 'x'.repeat(131_073)],
    ['with a signature cut off', 'signature', `${header}.${payload}.${signature.slice(0, 84)}`],
    ['with a signature of nothing', 'signature', `${header}.${payload}.${Buffer.alloc(64).toString('base64url')}`],
    [
      'whose signature is in DER',
      'signature',
      `${signed(ec).split('.').slice(0, 2).join('.')}.${Buffer.alloc(71, 1).toString('base64url')}`,
    ],
    [
      'whose payload was changed',
      'signature',
      `${header}.${base64url(claimsOf({ ...GRANT, group: { name: 'admins' } }))}.${signature}`,
    ],
    ['whose header was changed', 'signature', `${base64url({ ...headerOf(ed), alg: 'Ed25519' })}.${payload}.${signature}`],
    [
      'with the signature of another job',
      'signature',
      `${header}.${payload}.${signed(ed, claimsOf(REVOKE)).split('.')[2] ?? ''}`,
    ],
    ['made for another connector', 'audience', withClaims({ aud: 'connector-2' })],
    ['made for nobody', 'audience', withClaims({ aud: undefined })],
    ['made for several', 'audience', withClaims({ aud: [CONNECTOR, 'connector-2'] })],
    ['made for a list of one', 'audience', withClaims({ aud: [CONNECTOR] })],
    ['made for a name that only looks alike', 'audience', withClaims({ aud: `${CONNECTOR} ` })],
    ['whose jti is another than its jobId', 'claims', withClaims({ jti: 'job-9' })],
    ['without jti', 'claims', withClaims({ jti: undefined })],
    ['whose jti is no text', 'claims', signed(ed, claimsOf({ ...GRANT, jobId: 7 }))],
    ['without iat', 'claims', withClaims({ iat: undefined })],
    ['without exp', 'claims', withClaims({ exp: undefined })],
    ['whose exp is text', 'claims', withClaims({ exp: String(SECONDS + 300) })],
    ['whose iat is a fraction', 'claims', withClaims({ iat: SECONDS - 0.5 })],
    ['whose iat is before there was time', 'claims', withClaims({ iat: -1 })],
    ['whose exp is in milliseconds', 'claims', withClaims({ exp: NOW + 300_000 })],
    ['whose exp is its iat', 'claims', withClaims({ exp: SECONDS })],
    ['that ends before it begins', 'claims', withClaims({ iat: SECONDS + 10, exp: SECONDS - 10 })],
    ['that lives for longer than 24 h', 'claims', withClaims({ exp: SECONDS + 86_401 })],
    ['whose nbf is text', 'claims', withClaims({ nbf: 'now' })],
    ['of the future', 'too_early', withClaims({ iat: SECONDS + 121, exp: SECONDS + 300 })],
    ['that is to hold later', 'too_early', withClaims({ nbf: SECONDS + 121 })],
    ['that is over', 'expired', withClaims({ iat: SECONDS - 400, exp: SECONDS - 120 })],
    [
      'whose payload names a member twice',
      'malformed',
      signed(ed, JSON.stringify(claimsOf()).replace('"aud":', '"aud":"connector-2","aud":')),
    ],
    [
      'whose job names a member twice',
      'malformed',
      signed(ed, JSON.stringify(claimsOf()).replace('"grantId":', '"grantId":"other","grantId":')),
    ],
    ['whose payload is nested without end', 'malformed', signed(ed, `{"x":${'['.repeat(40_000)}${']'.repeat(40_000)}}`)],
    ['whose payload has very many values', 'malformed', signed(ed, `{"x":[${'1,'.repeat(20_000)}1]}`)],
    ['whose payload is a list', 'malformed', signed(ed, [claimsOf()])],
    ['whose payload is no JSON', 'malformed', signed(ed, 'job')],
    [
      'whose payload is not UTF-8',
      'malformed',
      signedText(ed, `${header}.${Buffer.from([0x7b, 0xc3, 0x28, 0x7d]).toString('base64url')}`),
    ],
  ];
  for (const [what, fault, jws] of refused)
    test(`${what} is refused`, async () => {
      const verified = await verify(jws);
      assert.ok(!verified.ok, 'it was believed');
      assert.equal(verified.fault, fault, verified.message);
      assert.ok(verified.message.length < 700, verified.message);
    });

  test('is believed up to two minutes before it begins and after it ends, and not a moment longer', async () => {
    const jws = withClaims({ iat: SECONDS, exp: SECONDS + 300 });
    const faults = await Promise.all(
      [-120_001, -120_000, 0, 300_000, 419_999, 420_000].map(async (offsetMs) => {
        const verified = await at(offsetMs)(jws);
        return verified.ok ? 'ok' : verified.fault;
      }),
    );
    assert.deepEqual(faults, ['too_early', 'ok', 'ok', 'ok', 'ok', 'expired']);
    assert.ok((await verify(withClaims({ exp: SECONDS + 86_400 }))).ok, 'a life of 24 h');
  });

  test('that revokes needs nothing but its signature and its connector', async () => {
    const late = at(10 * 365 * 24 * HOUR_MS);
    for (const changes of [{}, { iat: undefined, exp: undefined, jti: undefined }, { jti: 'another' }, { exp: 'text' }])
      assert.ok((await late(signed(ed, claimsOf(REVOKE, changes)))).ok, JSON.stringify(changes));
    for (const [jws, fault] of [
      [signed(namesake, claimsOf(REVOKE)), 'signature'],
      [signed(ed, claimsOf(REVOKE, { aud: 'connector-2' })), 'audience'],
      [signed(ed, claimsOf({ ...REVOKE, kind: 'Revoke' }, { exp: undefined })), 'claims'],
    ] as const) {
      const verified = await late(jws);
      assert.deepEqual(verified.ok ? 'ok' : verified.fault, fault);
    }
  });

  test('that cannot be read is no fault of its signature', async () => {
    for (const job of [undefined, null, 'x', [], {}]) {
      const verified = await verify(signed(ed, { ...claimsOf(), job }));
      assert.deepEqual(verified.ok ? 'ok' : verified.fault, 'claims', JSON.stringify(job));
    }
    for (const jws of [
      signed(ed, claimsOf({ ...REVOKE, jobId: 'a b' })),
      signed(ed, JSON.stringify(claimsOf({ ...REVOKE, reason: '\ud800' }))),
    ]) {
      const verified = await verify(jws);
      assert.ok(!verified.ok && verified.fault === null, JSON.stringify(verified));
    }
    // A job with a legible id is taken, and fails as invalid_job.
    const verified = await verify(signed(ed, claimsOf({ jobId: 'job-3', kind: 'nothing' })));
    assert.ok(verified.ok && !verified.received.job.ok);
  });

  test('of a key of small order, for which anybody could sign, is refused', async () => {
    const x = Buffer.alloc(32).toString('base64url');
    const weak = jobSignatures({
      keys: [{ kid: 'weak', alg: 'EdDSA', jwk: { kty: 'OKP', crv: 'Ed25519', x } }],
      connectorId: CONNECTOR,
      now: () => NOW,
    });
    // R is the neutral point and S zero: valid for one hash in four, were such a key taken.
    const nothing = Buffer.alloc(64);
    nothing[0] = 1;
    for (let tried = 0; tried < 32; tried += 1) {
      const text = `${base64url({ ...headerOf(ed), kid: 'weak' })}.${base64url(claimsOf(GRANT, { tried }))}`;
      const verified = await weak(`${text}.${nothing.toString('base64url')}`);
      assert.deepEqual(verified.ok ? 'ok' : verified.fault, 'signature');
    }
  });

  test('is refused with what was found and what is expected', async () => {
    for (const [jws, words] of [
      [signed(stranger), /no key with the kid "stranger" in LATCHKEY_JOB_KEYS_FILE; known are "ed-1", "ec-1"/],
      [withClaims({ aud: 'connector-2' }), /aud is "connector-2"; expected the string "connector-1"/],
      [
        withClaims({ iat: SECONDS - 400, exp: SECONDS - 200 }),
        /held until 2026-06-01T11:56:40.000Z, and here it is 2026-06-01T12:00:00.000Z/,
      ],
      [withHeader({ jku: 'x' }), /the header holds "jku"; expected alg, kid and typ alone/],
    ] as const) {
      const verified = await verify(jws);
      assert.match(verified.ok ? '' : verified.message, words);
    }
  });
});
