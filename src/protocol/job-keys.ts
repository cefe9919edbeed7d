import { createPublicKey } from 'node:crypto';
import { z } from 'zod';
import type { Parsed } from '../access/brand.ts';
import { readJsonObject } from './json-object.ts';

/** A public key that jobs are signed for, as a JWK (RFC 7517), and the one algorithm that it is used with. */
export interface JobKey {
  readonly kid: string;
  readonly alg: JobAlgorithm;
  readonly jwk: PublicJwk;
}

export type JobAlgorithm = 'EdDSA' | 'ES256';

export type PublicJwk =
  | { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string }
  | { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string };

/** `typ` of a signed job (RFC 8725 §3.11): what was signed for another purpose by the same key is no job. */
export const SIGNED_JOB_TYPE = 'latchkey-job+jwt';

/** Room for several keys while they change; a file with more is another kind of file. */
export const MAX_JOB_KEYS = 16;
const SHAPE = { maxDepth: 6, maxValues: 1_000 } as const;

/** What a key file may not hold, whatever the kind of key (RFC 7518 §6): with any of these, who reads the file can sign. */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const;

const kidSchema = z.string().regex(/^[\x21-\x7e]{1,128}$/);
const coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/**
 * Reads the keys of a JWKS: public ones of Ed25519 or P-256, each with a `kid` of its own. Members that say nothing to us are
 * passed over (RFC 7517 §4). The problem is short, goes on the name of the file and shows no key. Never throws.
 */
export function parseJobKeys(text: string): Parsed<readonly JobKey[]> {
  const json = readJsonObject(text, SHAPE);
  if (!json.ok) return json;
  const listed = json.value['keys'];
  if (!Array.isArray(listed)) return { ok: false, problem: 'has no list "keys", as a JWKS (RFC 7517) has' };
  if (listed.length === 0) return { ok: false, problem: 'has no key' };
  if (listed.length > MAX_JOB_KEYS) return { ok: false, problem: `has ${listed.length} keys; at most ${MAX_JOB_KEYS}` };
  const keys: JobKey[] = [];
  for (const [index, one] of listed.entries()) {
    const key = readKey(one);
    if (!key.ok) return { ok: false, problem: `has key ${index + 1}${shownKid(one)}, which ${key.problem}` };
    if (keys.some(({ kid }) => kid === key.value.kid))
      return { ok: false, problem: `has two keys with the kid "${key.value.kid.slice(0, 40)}"` };
    keys.push(key.value);
  }
  return { ok: true, value: keys };
}

function readKey(value: unknown): Parsed<JobKey> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { ok: false, problem: 'is no object' };
  const key = value as Record<string, unknown>;
  if (key['kty'] === 'oct') return { ok: false, problem: 'is symmetric: who can verify with it can sign' };
  if (SECRET_MEMBERS.some((name) => Object.hasOwn(key, name)))
    return { ok: false, problem: 'is a private key: make a new pair, and put its public half here' };
  if (key['kty'] === 'RSA') return { ok: false, problem: 'is of RSA; expected Ed25519 or P-256' };
  const jwk = readPublic(key);
  if (jwk === null) return { ok: false, problem: 'is no key of Ed25519 (OKP) or P-256 (EC)' };
  const kid = kidSchema.safeParse(key['kid']);
  if (!kid.success) return { ok: false, problem: 'has no legible kid (1-128 printable characters)' };
  const alg = jwk.kty === 'OKP' ? 'EdDSA' : 'ES256';
  const said = key['alg'];
  if (said !== undefined && said !== alg && !(alg === 'EdDSA' && said === 'Ed25519'))
    return { ok: false, problem: `is for another algorithm than ${alg}` };
  if (key['use'] !== undefined && key['use'] !== 'sig') return { ok: false, problem: 'is not for signatures (use)' };
  const operations = key['key_ops'];
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify')))
    return { ok: false, problem: 'is not for verifying (key_ops)' };
  return { ok: true, value: { kid: kid.data, alg, jwk } };
}

/** The key alone, without what else stands in its JWK; null where it is none of the two kinds. */
function readPublic(key: Record<string, unknown>): PublicJwk | null {
  const [x, y] = [coordinate.safeParse(key['x']), coordinate.safeParse(key['y'])];
  const { kty, crv } = key;
  if (!x.success) return null;
  if (kty === 'OKP' && crv === 'Ed25519') return usable({ kty, crv, x: x.data });
  return kty === 'EC' && crv === 'P-256' && y.success ? usable({ kty, crv, x: x.data, y: y.data }) : null;
}

/** Null for a point that is not on its curve. */
function usable<T extends PublicJwk>(jwk: T): T | null {
  try {
    createPublicKey({ key: { ...jwk }, format: 'jwk' });
    return jwk;
  } catch {
    return null;
  }
}

function shownKid(value: unknown): string {
  const kid = kidSchema.safeParse(typeof value === 'object' && value !== null && 'kid' in value ? value.kid : undefined);
  return kid.success ? ` ("${kid.data.slice(0, 30)}")` : '';
}
