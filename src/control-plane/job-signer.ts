import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { dirname, join } from 'node:path';
import { calculateJwkThumbprint } from 'jose';
import { type JobKey, parseJobKeys, SIGNED_JOB_TYPE } from '../protocol/job-keys.ts';
import { readIfThere, replaceFile } from './state-file.ts';

/** Signs jobs for connectors that take no others. */
export interface JobSigner {
  /** The JWKS with the public key, for LATCHKEY_JOB_KEYS_FILE. */
  readonly jwksFile: string;
  /** A compact JWS (RFC 7515) that holds the job for that connector, for five minutes from now. */
  sign(job: Readonly<Record<string, unknown>>, to: { readonly connectorId: string; readonly nowMs: number }): string;
}

const LIFE_SECONDS = 300;
/** Earlier keys that stay in the JWKS, so that a connector which has not read it anew is not cut off. */
const MAX_EARLIER_KEYS = 3;

/**
 * Takes the Ed25519 key kept beside the state file, or makes one; without its file a new key comes before the earlier ones in
 * the JWKS, which is how keys are changed. Throws what the file system throws, and for files that are none of ours.
 */
export async function keepJobSigner(stateFile: string): Promise<JobSigner> {
  const keyFile = join(dirname(stateFile), 'control-plane-job-key.pem');
  const jwksFile = join(dirname(stateFile), 'control-plane-job-keys.json');
  const [kept, listed] = await Promise.all([readIfThere(keyFile), readIfThere(jwksFile)]);
  const key = kept === undefined ? generateKeyPairSync('ed25519').privateKey : createPrivateKey(kept);
  const jwk = publicJwk(key);
  const kid = await calculateJwkThumbprint(jwk);
  const earlier = listed === undefined ? [] : earlierKeys(jwksFile, listed).filter((one) => one.kid !== kid);
  if (kept === undefined) await replaceFile(keyFile, key.export({ type: 'pkcs8', format: 'pem' }));
  const keys = [
    { kid, alg: 'EdDSA', use: 'sig', ...jwk },
    ...earlier.slice(0, MAX_EARLIER_KEYS).map((one) => ({ kid: one.kid, alg: one.alg, use: 'sig', ...one.jwk })),
  ];
  await replaceFile(jwksFile, `${JSON.stringify({ keys }, null, 2)}\n`, 0o644);
  const header = part({ alg: 'EdDSA', kid, typ: SIGNED_JOB_TYPE });
  return {
    jwksFile,
    sign(job, { connectorId, nowMs }) {
      const iat = Math.floor(nowMs / 1000);
      const text = `${header}.${part({ aud: connectorId, jti: job['jobId'], iat, exp: iat + LIFE_SECONDS, job })}`;
      return `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`;
    },
  };
}

function earlierKeys(file: string, text: string): readonly JobKey[] {
  const keys = parseJobKeys(text);
  if (!keys.ok) throw new Error(`${file} ${keys.problem}`);
  return keys.value;
}

function publicJwk(key: KeyObject): { readonly kty: string; readonly crv: string; readonly x: string } {
  const { kty, crv, x } = createPublicKey(key).export({ format: 'jwk' });
  if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string') throw new Error('the key of the stub is not one of Ed25519');
  return { kty, crv, x };
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
