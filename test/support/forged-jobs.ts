import { createHmac } from 'node:crypto';
import type { SignatureFault } from '../../src/access/signature-fault.ts';
import { base64url, claimsOf, headerOf, type SigningKey, signed, signedText, signingKey } from './signed-jobs.ts';

type Members = Readonly<Record<string, unknown>>;

const hmac = (secret: string, text: string) => `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
const without = (value: Members, name: string) => Object.fromEntries(Object.entries(value).filter(([one]) => one !== name));
const sibling = (text: string) => text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1);

/**
 * Whatever can be wrong with a job that is signed by somebody else, for somebody else, for another time, or in another way; each with
 * why it has to be refused. `ed` and `ec` are the keys that the connector has; `seconds` is the time, since 1970.
 */
export function forgedJobs({
  ed,
  ec,
  connectorId,
  seconds,
  job,
}: {
  ed: SigningKey;
  ec: SigningKey;
  connectorId: string;
  seconds: number;
  /** A grant, which a revoke is exempt from most claims beside. */
  job: Members;
}): readonly (readonly [what: string, fault: SignatureFault, jws: string])[] {
  /** Keys that the connector does not have; two of them go by the name of one that it has. */
  const stranger = signingKey('stranger');
  const namesake = signingKey(ed.kid);
  const ecNamesake = signingKey(ec.kid, 'ES256');
  const revoke = { jobId: 'job-2', kind: 'revoke', issuedAt: job['issuedAt'], grantId: job['grantId'] };
  const claims = (of: Members = job, changes: Members = {}) =>
    claimsOf(of, { aud: connectorId, jti: of['jobId'], iat: seconds, exp: seconds + 300, ...changes });
  const sign = (key: SigningKey, payload: unknown = claims(), header: unknown = headerOf(key)) => signed(key, payload, header);
  const [header = '', payload = '', signature = ''] = sign(ed).split('.');
  const publicPem = ed.publicKey.export({ type: 'spki', format: 'pem' });
  const withHeader = (members: object) => sign(ed, claims(), { ...headerOf(ed), ...members });
  const withClaims = (members: Members) => sign(ed, claims(job, members));
  return [
    ['of another key under a known kid is forged', 'signature', sign(namesake)],
    ['of another EC key under a known kid is forged', 'signature', sign(ecNamesake)],
    ['of a key that is not in the file', 'unknown_key', sign(stranger)],
    ['without a kid, though the key is known', 'unknown_key', sign(ed, claims(), without(headerOf(ed), 'kid'))],
    ['whose kid is no text', 'unknown_key', withHeader({ kid: [ed.kid] })],
    ['whose kid is a member of every object', 'unknown_key', withHeader({ kid: '__proto__' })],
    ['whose kid names another known key', 'algorithm', withHeader({ kid: ec.kid })],
    ['of an EC key that calls itself Ed25519', 'algorithm', sign(ec, claims(), { ...headerOf(ec), alg: 'EdDSA' })],
    ['of an Ed25519 key that calls itself ES256', 'algorithm', withHeader({ alg: 'ES256' })],
    ['without alg', 'algorithm', sign(ed, claims(), without(headerOf(ed), 'alg'))],
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
    ['that brings its own key (jwk)', 'header', sign(stranger, claims(), { ...headerOf(ed), jwk: stranger.jwk })],
    ...['jku', 'x5u'].map(
      (name) => [`that says where its key is (${name})`, 'header', withHeader({ [name]: 'https://example.com/keys' })] as const,
    ),
    ...['x5c', 'x5t', 'x5t#S256', 'crit', 'zip', 'cty', 'enc', 'anything'].map(
      (name) => [`whose header has ${name}`, 'header', withHeader({ [name]: ['x'] })] as const,
    ),
    ['with an unencoded payload (b64)', 'header', withHeader({ b64: false, crit: ['b64'] })],
    ['without typ', 'header', sign(ed, claims(), without(headerOf(ed), 'typ'))],
    ['of another type, as an identity token', 'header', withHeader({ typ: 'JWT' })],
    [
      'whose header names a member twice',
      'malformed',
      sign(ed, claims(), `{"alg":"none","alg":"EdDSA","kid":"${ed.kid}","typ":"latchkey-job+jwt"}`),
    ],
    ['whose header is no object', 'malformed', sign(ed, claims(), '["EdDSA"]')],
    ['whose header is no JSON', 'malformed', sign(ed, claims(), 'EdDSA')],
    ['whose header is nested', 'malformed', withHeader({ typ: [[['x']]] })],
    ['whose header is very long', 'malformed', withHeader({ kid: 'x'.repeat(2_000) })],
    [
      'whose header is not UTF-8',
      'malformed',
      signedText(ed, `${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.${payload}`),
    ],
    ['whose header begins with a byte order mark', 'malformed', sign(ed, claims(), `\ufeff${JSON.stringify(headerOf(ed))}`)],
    ['of no part', 'malformed', ''],
    ['of one part', 'malformed', header],
    ['of two parts', 'malformed', `${header}.${payload}`],
    ['of four parts', 'malformed', `${sign(ed)}.${payload}`],
    ['of five parts, as an encrypted one', 'malformed', `${header}..${payload}.${signature}.x`],
    ['with an empty payload', 'malformed', signedText(ed, `${header}.`)],
    ['in the JSON serialization', 'malformed', JSON.stringify({ protected: header, payload, signature })],
    ['with padding', 'malformed', `${header}.${payload}.${signature}==`],
    ['with a blank', 'malformed', ` ${sign(ed)}`],
    ['with a line break', 'malformed', `${sign(ed)}\n`],
    ['in the other alphabet', 'malformed', `${header}.${payload}.${'+'.repeat(86)}`],
    ['with bits that say nothing', 'malformed', `${header}.${payload}.${sibling(signature)}`],
    ['that is longer than any job', 'malformed', 'x'.repeat(131_073)],
    ['with a signature cut off', 'signature', `${header}.${payload}.${signature.slice(0, 84)}`],
    ['with a signature of nothing', 'signature', `${header}.${payload}.${Buffer.alloc(64).toString('base64url')}`],
    [
      'whose signature is in DER',
      'signature',
      `${sign(ec).split('.').slice(0, 2).join('.')}.${Buffer.alloc(71, 1).toString('base64url')}`,
    ],
    [
      'whose payload was changed',
      'signature',
      `${header}.${base64url(claims({ ...job, group: { name: 'admins' } }))}.${signature}`,
    ],
    ['whose header was changed', 'signature', `${base64url({ ...headerOf(ed), alg: 'Ed25519' })}.${payload}.${signature}`],
    ['with the signature of another job', 'signature', `${header}.${payload}.${sign(ed, claims(revoke)).split('.')[2] ?? ''}`],
    ['made for another connector', 'audience', withClaims({ aud: 'another-connector' })],
    ['made for nobody', 'audience', withClaims({ aud: undefined })],
    ['made for several', 'audience', withClaims({ aud: [connectorId, 'another-connector'] })],
    ['made for a list of one', 'audience', withClaims({ aud: [connectorId] })],
    ['made for a name that only looks alike', 'audience', withClaims({ aud: `${connectorId} ` })],
    ['whose jti is another than its jobId', 'claims', withClaims({ jti: 'job-9' })],
    ['without jti', 'claims', withClaims({ jti: undefined })],
    ['whose jti is no text', 'claims', sign(ed, claims({ ...job, jobId: 7 }))],
    ['without iat', 'claims', withClaims({ iat: undefined })],
    ['without exp', 'claims', withClaims({ exp: undefined })],
    ['whose exp is text', 'claims', withClaims({ exp: String(seconds + 300) })],
    ['whose iat is a fraction', 'claims', withClaims({ iat: seconds - 0.5 })],
    ['whose iat is before there was time', 'claims', withClaims({ iat: -1 })],
    ['whose exp is in milliseconds', 'claims', withClaims({ exp: seconds * 1000 + 300_000 })],
    ['whose exp is its iat', 'claims', withClaims({ exp: seconds })],
    ['that ends before it begins', 'claims', withClaims({ iat: seconds + 10, exp: seconds - 10 })],
    ['that lives for longer than 24 h', 'claims', withClaims({ exp: seconds + 86_401 })],
    ['whose nbf is text', 'claims', withClaims({ nbf: 'now' })],
    ['of the future', 'too_early', withClaims({ iat: seconds + 600, exp: seconds + 900 })],
    ['that is to hold later', 'too_early', withClaims({ nbf: seconds + 600, exp: seconds + 900 })],
    ['that is over', 'expired', withClaims({ iat: seconds - 400, exp: seconds - 120 })],
    [
      'whose payload names a member twice',
      'malformed',
      sign(ed, JSON.stringify(claims()).replace('"aud":', '"aud":"another-connector","aud":')),
    ],
    [
      'whose job names a member twice',
      'malformed',
      sign(ed, JSON.stringify(claims()).replace('"grantId":', '"grantId":"other","grantId":')),
    ],
    ['whose payload is nested without end', 'malformed', sign(ed, `{"x":${'['.repeat(40_000)}${']'.repeat(40_000)}}`)],
    ['whose payload has very many values', 'malformed', sign(ed, `{"x":[${'1,'.repeat(20_000)}1]}`)],
    ['whose payload is a list', 'malformed', sign(ed, [claims()])],
    ['whose payload is no JSON', 'malformed', sign(ed, 'job')],
    [
      'whose payload is not UTF-8',
      'malformed',
      signedText(ed, `${header}.${Buffer.from([0x7b, 0xc3, 0x28, 0x7d]).toString('base64url')}`),
    ],
  ];
}
