import assert from 'node:assert/strict';
import { verify as verifyBytes } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { jobSignatures } from '../../src/link/job-signatures.ts';
import { atScale } from '../support/scale.ts';
import { CONNECTOR, claimsOf, GRANT, headerOf, jobKeysOf, NOW, signed, signingKey } from '../support/signed-jobs.ts';

const CASES = Number(process.env['TEST_FUZZ_CASES'] ?? atScale({ sample: 4_000, full: 1_000_000 }));
const SECONDS = NOW / 1000;
const REVOKE = { jobId: 'job-2', kind: 'revoke', issuedAt: '2026-06-01T12:00:00.000Z', grantId: 'grant-1' };

const ed = signingKey('ed-1');
const ec = signingKey('ec-1', 'ES256');
const signers = [ed, ec, signingKey('ed-1'), signingKey('ec-1', 'ES256'), signingKey('stranger')];
const verify = jobSignatures({ keys: jobKeysOf(ed, ec), connectorId: CONNECTOR, now: () => NOW });

/** One change of a member: of the header, of the claims or of the job. */
const edit = fc.record({
  of: fc.constantFrom('header', 'claims', 'job'),
  name: fc.constantFrom(
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
  ),
  value: fc.oneof(
    fc.constantFrom<unknown>('EdDSA', 'Ed25519', 'ES256', 'HS256', 'none', 'ed-1', 'ec-1', 'latchkey-job+jwt', 'JWT', CONNECTOR),
    fc.constantFrom<unknown>(undefined, null, true, [CONNECTOR], {}, 'revoke', 'grant', 'job-1', 'job-2', REVOKE),
    fc.integer({ min: -90_000, max: 90_000 }).map((seconds) => SECONDS + seconds),
    fc.jsonValue({ maxDepth: 2 }),
  ),
});
/** One change of the text as it is sent. */
const spoil = fc.record({
  at: fc.nat(),
  how: fc.constantFrom('flip', 'drop', 'double', 'dot', 'cut', 'pad'),
  char: fc.constantFrom('A', 'Q', 'g', 'w', 'Z', '0', '9', '-', '_', '+', '/', '=', '.', ' ', '\n'),
});

interface Spoil {
  readonly at: number;
  readonly how: string;
  readonly char: string;
}

function spoilt(text: string, { at, how, char }: Spoil): string {
  const place = at % (text.length + 1);
  const [before, after] = [text.slice(0, place), text.slice(place)];
  switch (how) {
    case 'flip':
      return before + char + after.slice(1);
    case 'drop':
      return before + after.slice(1);
    case 'double':
      return before + after.slice(0, 1) + after;
    case 'dot':
      return `${before}.${after}`;
    case 'cut':
      return before;
    default:
      return `${text}${char}`;
  }
}

const messages = fc
  .record({
    who: fc.constantFrom(ed, ed, ed, ec, ec, ...signers),
    asked: fc.constantFrom(GRANT, REVOKE),
    edits: fc.array(edit, { maxLength: 3 }),
    spoils: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 2, arbitrary: fc.array(spoil, { minLength: 1, maxLength: 2 }) },
    ),
  })
  .map(({ who, asked, edits, spoils }) => {
    const parts = { header: { ...headerOf(who) }, claims: { ...claimsOf(asked) }, job: { ...asked } } as Record<
      string,
      Record<string, unknown>
    >;
    for (const { of, name, value } of edits)
      Object.defineProperty(parts[of], name, { value, enumerable: true, configurable: true });
    const isWhole = edits.some(({ of, name }) => of === 'claims' && name === 'job');
    const claims = isWhole ? parts['claims'] : { ...parts['claims'], job: parts['job'] };
    return (spoils as Spoil[]).reduce(spoilt, signed(who, claims, parts['header']));
  });

/** The rules once more, read from the documentation alone and with another library. */
function isGenuine(jws: string): boolean {
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

test('whatever of a mutated signed job is believed is genuine by an independent reading, and nothing rejects', async (t) => {
  const counts = { believed: 0, refused: 0 };
  const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);
  await fc.assert(
    fc.asyncProperty(messages, async (jws) => {
      const { ok } = await verify(jws);
      assert.equal(Object.hasOwn(Object.prototype, 'kind'), false);
      counts[ok ? 'believed' : 'refused'] += 1;
      if (ok) assert.ok(isGenuine(jws), jws);
    }),
    { numRuns: CASES, seed },
  );
  t.diagnostic(`seed ${seed}: ${counts.refused} refused, ${counts.believed} believed`);
  assert.ok(counts.believed > CASES / 50 && counts.refused > CASES / 50);
});
