import { type CompactVerifyResult, type CryptoKey, compactVerify, errors, importJWK } from 'jose';
import type { Parsed } from '../access/brand.ts';
import { formatInstant, type Instant, instant } from '../access/instant.ts';
import type { SignatureFault } from '../access/signature-fault.ts';
import { type ReceivedJob, readReceivedJob } from '../protocol/frames.ts';
import { type JobAlgorithm, type JobKey, SIGNED_JOB_TYPE } from '../protocol/job-keys.ts';
import { readJsonObject } from '../protocol/json-object.ts';
import {
  MAX_FRAME_DEPTH,
  MAX_JWS_LENGTH,
  MAX_SIGNED_JOB_LIFE_MS,
  MAX_VALUES_FROM_CONTROL_PLANE,
  SIGNED_JOB_TOLERANCE_MS,
} from '../protocol/limits.ts';

/** What a signed job came to. A `fault` says why it is not believed; without one it is, and cannot be read as a job. */
export type VerifiedJob =
  | { readonly ok: true; readonly received: ReceivedJob }
  | { readonly ok: false; readonly fault: SignatureFault | null; readonly message: string };

/** Verifies a compact JWS. Never rejects. */
export type VerifyJob = (jws: string) => Promise<VerifiedJob>;

export interface JobSignatureOptions {
  /** The only keys there are; what a header says of others is not looked at. */
  readonly keys: readonly JobKey[];
  /** Whom a job must be made for. */
  readonly connectorId: string;
  /** The time that never runs backwards. */
  readonly now: () => Instant;
}

/** The names of RFC 8037 and RFC 9864 for one algorithm, and the one of RFC 7518: what a header may say for each kind of key. */
const ALGORITHMS: Readonly<Record<JobAlgorithm, readonly string[]>> = { EdDSA: ['EdDSA', 'Ed25519'], ES256: ['ES256'] };
const ALLOWED: readonly string[] = Object.values(ALGORITHMS).flat();
/** All that a header may hold: whoever wants us to look elsewhere for a key, or to read in another way, is refused. */
const HEADER_MEMBERS: readonly string[] = ['alg', 'kid', 'typ'];
const MAX_HEADER_LENGTH = 1_024;
/** 64 bytes (RFC 8037 §3.1, RFC 7518 §3.4). */
const SIGNATURE_LENGTH = 86;

class Refused extends Error {
  readonly fault: SignatureFault;

  constructor(fault: SignatureFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/**
 * Verifies jobs as PROTOCOL, Signed jobs, says: a compact JWS (RFC 7515 §7.1) of a key that is known by its `kid` and used with
 * its own algorithm alone; then, in what was signed and nothing else, whom it is for, which job it is, and when it holds.
 * A revoke holds at any time and is known by its own jobId.
 */
export function jobSignatures({ keys, connectorId, now }: JobSignatureOptions): VerifyJob {
  const known = new Map(keys.map((key) => [key.kid, { ...key, imported: importJWK({ ...key.jwk }, key.alg) }]));
  // An unusable key was refused where the file was read; here it must not end the process before it is used.
  for (const { imported } of known.values()) imported.catch(() => undefined);

  async function verified(jws: string): Promise<VerifiedJob> {
    const { alg, kid } = readHeader(jws);
    const key = known.get(kid);
    if (key === undefined)
      throw new Refused(
        'unknown_key',
        `there is no key with the kid ${shown(kid)} among those that were read from LATCHKEY_JOB_KEYS_FILE: ${[...known.keys()].map(shown).join(', ')}; one that was added since is read on SIGHUP`,
      );
    if (!ALGORITHMS[key.alg].includes(alg))
      throw new Refused('algorithm', `alg is ${shown(alg)}, and the key ${shown(kid)} is used with ${key.alg} alone`);
    const claims = readClaims(await signedBytes({ jws, key: await key.imported, alg }));
    if (claims['aud'] !== connectorId)
      throw new Refused('audience', `aud is ${shownValue(claims['aud'])}; expected the string ${shown(connectorId)}`);
    const job = claims['job'];
    if (!isRevoke(job)) {
      judgeTimes(claims, now());
      const jobId = isObject(job) ? job['jobId'] : undefined;
      if (typeof claims['jti'] !== 'string' || claims['jti'] !== jobId)
        throw new Refused('claims', `jti is ${shownValue(claims['jti'])}, and the job's jobId ${shownValue(jobId)}`);
    }
    const received: Parsed<ReceivedJob> = readReceivedJob(job);
    return received.ok
      ? { ok: true, received: received.value }
      : { ok: false, fault: null, message: `signed job: ${received.problem}` };
  }

  return async (jws) => {
    try {
      return await verified(jws);
    } catch (error) {
      if (error instanceof Refused) return { ok: false, fault: error.fault, message: `signed job: ${error.message}` };
      const message = `signed job: it cannot be read (${error instanceof Error ? error.name : 'unknown'})`;
      return { ok: false, fault: 'malformed', message };
    }
  };
}

/** What the header says, which is not believed yet: it only chooses among the keys that are known. */
function readHeader(jws: string): { readonly alg: string; readonly kid: string } {
  if (jws.length > MAX_JWS_LENGTH) throw new Refused('malformed', `${jws.length} characters; at most ${MAX_JWS_LENGTH}`);
  const [header = '', payload = '', signature = '', ...others] = jws.split('.', 4);
  if (others.length > 0 || ![header, payload, signature].every(isCanonical))
    throw new Refused('malformed', 'expected three parts of base64url, without padding, separated by dots (RFC 7515 §7.1)');
  if (header.length > MAX_HEADER_LENGTH) throw new Refused('malformed', `a header of over ${MAX_HEADER_LENGTH} characters`);
  const members = readJson('the header', Buffer.from(header, 'base64url'), { maxDepth: 2, maxValues: 16 });
  const more = Object.keys(members).filter((name) => !HEADER_MEMBERS.includes(name));
  if (more.length > 0)
    throw new Refused('header', `the header holds ${more.slice(0, 4).map(shown).join(', ')}; expected alg, kid and typ alone`);
  const { alg, kid, typ } = members;
  if (typeof alg !== 'string' || !ALLOWED.includes(alg))
    throw new Refused('algorithm', `alg is ${shownValue(alg)}; expected one of ${ALLOWED.join(', ')}`);
  if (typ !== SIGNED_JOB_TYPE) throw new Refused('header', `typ is ${shownValue(typ)}; expected ${shown(SIGNED_JOB_TYPE)}`);
  if (typeof kid !== 'string') throw new Refused('unknown_key', `kid is ${shownValue(kid)}; expected the kid of a key`);
  if (signature.length !== SIGNATURE_LENGTH)
    throw new Refused('signature', `a signature of ${signature.length} characters; expected ${SIGNATURE_LENGTH}`);
  return { alg, kid };
}

/** RFC 7515 §2: no padding, no other alphabet, and no bits that say nothing, so that one signed text has one spelling. */
function isCanonical(part: string): boolean {
  return part !== '' && Buffer.from(part, 'base64url').toString('base64url') === part;
}

async function signedBytes(of: { jws: string; key: CryptoKey | Uint8Array; alg: string }): Promise<Uint8Array> {
  let result: CompactVerifyResult;
  try {
    result = await compactVerify(of.jws, of.key, { algorithms: [of.alg] });
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed)
      throw new Refused('signature', 'the signature is not by that key over this text');
    throw error;
  }
  return result.payload;
}

function readClaims(payload: Uint8Array): Record<string, unknown> {
  return readJson('the payload', payload, { maxDepth: MAX_FRAME_DEPTH, maxValues: MAX_VALUES_FROM_CONTROL_PLANE });
}

function readJson(
  name: string,
  bytes: Uint8Array,
  limits: { readonly maxDepth: number; readonly maxValues: number },
): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refused('malformed', `${name} is not UTF-8`);
  }
  const json = readJsonObject(text, limits);
  if (!json.ok) throw new Refused('malformed', `${name} ${json.problem}`);
  return json.value;
}

/** `iat`, `exp` and, where it is there, `nbf` (RFC 7519 §4.1), each in seconds. */
function judgeTimes({ iat, exp, nbf }: Record<string, unknown>, now: Instant): void {
  if (!isSeconds(iat) || !isSeconds(exp) || !(nbf === undefined || isSeconds(nbf)))
    throw new Refused('claims', 'expected iat and exp, and nbf where there is one, as whole seconds since 1970');
  if (exp <= iat) throw new Refused('claims', 'exp is not after iat');
  if ((exp - iat) * 1000 > MAX_SIGNED_JOB_LIFE_MS) throw new Refused('claims', 'exp is more than 24 h after iat');
  const from = Math.max(iat, nbf ?? iat) * 1000;
  const at = `here it is ${formatInstant(now)}`;
  if (now < from - SIGNED_JOB_TOLERANCE_MS)
    throw new Refused('too_early', `it holds from ${formatInstant(instant(from))} on, and ${at}; compare the clocks`);
  if (now >= exp * 1000 + SIGNED_JOB_TOLERANCE_MS)
    throw new Refused(
      'expired',
      `it held until ${formatInstant(instant(exp * 1000))}, and ${at}; sign it again, or compare the clocks`,
    );
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 253_402_300_799;
}

function isRevoke(job: unknown): boolean {
  return isObject(job) && job['kind'] === 'revoke';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shownValue(value: unknown): string {
  return typeof value === 'string' ? shown(value) : value === undefined ? 'missing' : `of another kind (${typeof value})`;
}

/** Text of the peer, which goes back to it: short. */
function shown(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}
