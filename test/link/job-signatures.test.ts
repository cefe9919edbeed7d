import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CompactSign } from 'jose';
import { later } from '../../src/access/instant.ts';
import { jobSignatures } from '../../src/link/job-signatures.ts';
import { forgedJobs } from '../support/forged-jobs.ts';
import { base64url, CONNECTOR, claimsOf, GRANT, headerOf, jobKeysOf, NOW, signed, signingKey } from '../support/signed-jobs.ts';

const ed = signingKey('ed-1');
const ec = signingKey('ec-1', 'ES256');
/** Keys that the connector does not have; one of them goes by the name of one that it has. */
const stranger = signingKey('stranger');
const namesake = signingKey('ed-1');
const keys = jobKeysOf(ed, ec);

const at = (offsetMs = 0) => jobSignatures({ keys, connectorId: CONNECTOR, now: () => later(NOW, offsetMs) });
const verify = at();

const REVOKE = { jobId: 'job-2', kind: 'revoke', issuedAt: '2026-06-01T12:00:00.000Z', grantId: 'grant-1' };
const SECONDS = NOW / 1000;
const HOUR_MS = 3_600_000;
const withHeader = (members: object) => signed(ed, claimsOf(), { ...headerOf(ed), ...members });
const withClaims = (members: Record<string, unknown>) => signed(ed, claimsOf(GRANT, members));

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

  const forged = forgedJobs({ ed, ec, connectorId: CONNECTOR, seconds: SECONDS, job: GRANT });
  for (const [what, fault, jws] of forged)
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
      [
        signed(stranger),
        /no key with the kid "stranger" among those that were read from LATCHKEY_JOB_KEYS_FILE: "ed-1", "ec-1"; .* SIGHUP/,
      ],
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
