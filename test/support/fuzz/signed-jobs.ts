import assert from 'node:assert/strict';
import { verify as verifyBytes } from 'node:crypto';
import { jobSignatures } from '../../../src/link/job-signatures.ts';
import { CONNECTOR, claimsOf, GRANT, headerOf, jobKeysOf, NOW, type SigningKey, signed, signingKey } from '../signed-jobs.ts';
import { type Chance, chance } from './chance.ts';
import { type FuzzTarget, inFamilies } from './target.ts';

const SECONDS = NOW / 1000;
const REVOKE = { jobId: 'job-2', kind: 'revoke', issuedAt: '2026-06-01T12:00:00.000Z', grantId: 'grant-1' };
const NAMES = [
  'alg',
  'kid',
  'typ',
  'jku',
  'crit',
  'aud',
  'jti',
  'iat',
  'exp',
  'nbf',
  'job',
  'jobId',
  'kind',
  'grantId',
  '__proto__',
] as const;
const VALUES = [
  'EdDSA',
  'Ed25519',
  'ES256',
  'HS256',
  'none',
  'ed-1',
  'ec-1',
  'latchkey-job+jwt',
  'JWT',
  CONNECTOR,
  undefined,
  null,
  true,
  [CONNECTOR],
  {},
  'revoke',
  'grant',
  'job-1',
  'job-2',
  REVOKE,
  1.5,
  '',
  [[]],
] as const;
const CHARACTERS = ['A', 'Q', 'g', 'w', 'Z', '0', '9', '-', '_', '+', '/', '=', '.', ' ', '\n'] as const;

type Pair = readonly [string, string];

interface Keys {
  readonly ed: SigningKey;
  readonly ec: SigningKey;
  readonly all: readonly [SigningKey, ...SigningKey[]];
}

/** Signed jobs, changed before they were signed and after: each that is believed is judged again, with another library. */
export function signedJobs(): FuzzTarget {
  const [ed, ec] = [signingKey('ed-1'), signingKey('ec-1', 'ES256')];
  const all = [ed, ed, ed, ec, ec, signingKey('ed-1'), signingKey('ec-1', 'ES256'), signingKey('stranger')] as const;
  const keys = { ed, ec, all };
  const verify = jobSignatures({ keys: jobKeysOf(ed, ec), connectorId: CONNECTOR, now: () => NOW });
  return inFamilies({
    // A signature takes longer than all the rest.
    whole(random) {
      const choice = chance(random);
      return [made(choice, keys), made(choice, keys)] as const;
    },
    async one(random, pair) {
      const jws = changed(pair, chance(random));
      const { ok } = await verify(jws);
      assert.equal(Object.hasOwn(Object.prototype, 'kind'), false);
      if (!ok) return 'refused';
      assert.ok(isGenuine(jws, keys), jws);
      return 'believed';
    },
    outcomes: ['believed', 'refused'],
  });
}

function made({ pick, often, below }: Chance, { all }: Keys): string {
  const [who, asked] = [pick(all), pick<Readonly<Record<string, unknown>>>([GRANT, REVOKE])];
  const parts = { header: { ...headerOf(who) }, claims: { ...claimsOf(asked) }, job: { ...asked } };
  let isWhole = false;
  for (let edits = below(4); edits > 0; edits -= 1) {
    const [of, name] = [pick(['header', 'claims', 'job'] as const), pick(NAMES)];
    const value = often(0.3) ? SECONDS - 90_000 + below(180_000) : pick(VALUES);
    Object.defineProperty(parts[of], name, { value, enumerable: true, configurable: true });
    isWhole ||= of === 'claims' && name === 'job';
  }
  return signed(who, isWhole ? parts.claims : { ...parts.claims, job: parts.job }, parts.header);
}

/** One of them as it is, with a part of the other, or spoilt; or nothing but characters of the alphabet, or bytes. */
function changed([jws, other]: Pair, choice: Chance): string {
  const { pick, often, below } = choice;
  if (often(0.02)) return Buffer.from(Array.from({ length: below(300) }, () => below(256))).toString('latin1');
  if (often(0.05)) return Array.from({ length: below(200) }, () => pick(CHARACTERS)).join('');
  if (often(0.1)) return jws;
  let text = often(0.15) ? exchanged(jws, other, below(3)) : spoilt(jws, choice);
  if (often(0.3)) text = spoilt(text, choice);
  return text;
}

/** With one of the three parts of the other. */
function exchanged(jws: string, other: string, part: number): string {
  const of = other.split('.');
  return jws
    .split('.')
    .map((own, i) => (i === part ? (of[i] ?? own) : own))
    .join('.');
}

/** Half of the time in the header, which is read before any signature is. */
function spoilt(text: string, { below, pick, often }: Chance): string {
  const at = below((often(0.5) ? text.indexOf('.') + 1 : text.length) + 1);
  const [before, after] = [text.slice(0, at), text.slice(at)];
  switch (below(6)) {
    case 0:
      return before + pick(CHARACTERS) + after.slice(1);
    case 1:
      return before + after.slice(1);
    case 2:
      return before + after.slice(0, 1) + after;
    case 3:
      return `${before}.${after}`;
    case 4:
      return before;
    default:
      return text + pick(CHARACTERS);
  }
}

/** The rules once more, read from the documentation alone and with another library. */
function isGenuine(jws: string, { ed, ec }: Omit<Keys, 'all'>): boolean {
  const parts = jws.split('.');
  const bytes = parts.map((part) => Buffer.from(part, 'base64url'));
  if (parts.length !== 3 || parts.some((part, i) => part === '' || bytes[i]?.toString('base64url') !== part)) return false;
  try {
    const [header, claims] = bytes.slice(0, 2).map((one) => JSON.parse(one.toString('utf8')) as Record<string, unknown>);
    if (header === undefined || claims === undefined) return false;
    if (Object.keys(header).toSorted().join() !== 'alg,kid,typ' || header['typ'] !== 'latchkey-job+jwt') return false;
    const text = Buffer.from(`${parts[0]}.${parts[1]}`);
    const signature = bytes[2] ?? Buffer.alloc(0);
    const isEd = header['kid'] === 'ed-1' && ['EdDSA', 'Ed25519'].includes(String(header['alg']));
    const isEc = header['kid'] === 'ec-1' && header['alg'] === 'ES256';
    const isSigned =
      (isEd && verifyBytes(null, text, ed.publicKey, signature)) ||
      (isEc && verifyBytes('sha256', text, { key: ec.publicKey, dsaEncoding: 'ieee-p1363' }, signature));
    const job = claims['job'] as Record<string, unknown>;
    if (!isSigned || claims['aud'] !== CONNECTOR || typeof job['jobId'] !== 'string') return false;
    if (job['kind'] === 'revoke') return true;
    const { iat, exp, nbf = iat, jti } = claims as Record<'iat' | 'exp' | 'nbf' | 'jti', number | undefined>;
    if (![iat, exp, nbf].every(Number.isInteger) || iat === undefined || exp === undefined || nbf === undefined) return false;
    const holds = exp > iat && exp - iat <= 86_400 && Math.max(iat, nbf) <= SECONDS + 120 && SECONDS < exp + 120;
    return holds && String(jti) === job['jobId'];
  } catch {
    return false;
  }
}
