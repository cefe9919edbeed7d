import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { instant } from '../../src/access/instant.ts';
import { type JobKey, parseJobKeys } from '../../src/protocol/job-keys.ts';

/** A key of a control plane, with its public half as it stands in a JWKS. */
export interface SigningKey {
  readonly kid: string;
  readonly alg: 'EdDSA' | 'ES256';
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly jwk: Readonly<Record<string, unknown>>;
}

export function signingKey(kid: string, alg: 'EdDSA' | 'ES256' = 'EdDSA'): SigningKey {
  const pair = alg === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { kid, alg, ...pair, jwk: { kid, alg, use: 'sig', ...pair.publicKey.export({ format: 'jwk' }) } };
}

/** The text of a JWKS file. */
export function jwksOf(...keys: readonly Pick<SigningKey, 'jwk'>[]): string {
  return JSON.stringify({ keys: keys.map(({ jwk }) => jwk) });
}

/** The same as a connector reads it. */
export function jobKeysOf(...keys: readonly Pick<SigningKey, 'jwk'>[]): readonly JobKey[] {
  const read = parseJobKeys(jwksOf(...keys));
  if (!read.ok) throw new Error(read.problem);
  return read.value;
}

export const CONNECTOR = 'connector-1';
export const NOW = instant(Date.UTC(2026, 5, 1, 12));
const SECONDS = NOW / 1000;

type Members = Readonly<Record<string, unknown>>;

/** A revoke is exempt from most claims, so the job of these tests is a grant. */
export const GRANT: Members = {
  jobId: 'job-1',
  kind: 'grant',
  issuedAt: '2026-06-01T12:00:00.000Z',
  grantId: 'grant-1',
  user: { username: 'grace' },
  group: { name: 'on-call' },
  durationSeconds: 60,
};

export const base64url = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

export const headerOf = ({ alg, kid }: Pick<SigningKey, 'alg' | 'kid'>): Members => ({ alg, kid, typ: 'latchkey-job+jwt' });

export function claimsOf(job: Members = GRANT, changes: Members = {}): Members {
  return { aud: CONNECTOR, jti: job['jobId'], iat: SECONDS, exp: SECONDS + 300, job, ...changes };
}

/** A compact JWS, made without the library that verifies it. A text stands for the JSON that it is. */
export function signed(key: SigningKey, payload: unknown = claimsOf(), header: unknown = headerOf(key)): string {
  return signedText(key, `${base64url(header)}.${base64url(payload)}`);
}

/** What a key says to any two parts. */
export function signedText({ alg, privateKey }: Pick<SigningKey, 'alg' | 'privateKey'>, text: string): string {
  const bytes = Buffer.from(text);
  const signature =
    alg === 'EdDSA' ? sign(null, bytes, privateKey) : sign('sha256', bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}
