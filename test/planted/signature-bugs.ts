import type { PlantedBug } from './planted-bug.ts';

const SIGNATURES = 'src/link/job-signatures.ts';
const RULES = ['link/job-signatures.test.ts'];

/** Faults in what a job or a server must show before it is believed. */
export const SIGNATURE_BUGS: readonly PlantedBug[] = [
  {
    fault: 'a job may be signed with any algorithm, whatever its key is for',
    file: SIGNATURES,
    find: 'if (!ALGORITHMS[key.alg].includes(alg))',
    replace: 'if (!ALLOWED.includes(alg))',
    tests: RULES,
  },
  {
    fault: 'a job that is signed for another connector is taken',
    file: SIGNATURES,
    find: "if (claims['aud'] !== connectorId)",
    replace: "if (typeof claims['aud'] !== 'string')",
    tests: RULES,
  },
  {
    fault: 'the header of a job may say where its key is',
    file: SIGNATURES,
    find: 'if (more.length > 0)',
    replace: 'if (more.length > 9)',
    tests: RULES,
  },
  {
    fault: 'what a key signed for another purpose is taken for a job',
    file: SIGNATURES,
    find: 'if (typ !== SIGNED_JOB_TYPE)',
    replace: 'if (typ === null)',
    tests: RULES,
  },
  {
    fault: 'a signed job holds for ever',
    file: SIGNATURES,
    find: 'if (now >= exp * 1000 + SIGNED_JOB_TOLERANCE_MS)',
    replace: 'if (now >= exp * 1_000_000)',
    tests: RULES,
  },
  {
    fault: 'a revoke that comes late is refused for its times, and the grant goes on',
    file: SIGNATURES,
    find: 'if (!isRevoke(job)) {',
    replace: 'if (isObject(job)) {',
    tests: RULES,
  },
  {
    fault: 'a job may be signed under the id of another one',
    file: SIGNATURES,
    find: "|| claims['jti'] !== jobId)",
    replace: '|| jobId === undefined)',
    tests: RULES,
  },
  {
    fault: 'a payload of a job may name a member twice',
    file: 'src/protocol/json-object.ts',
    find: 'if (!shape.ok) return',
    replace: 'if (!shape.ok && !shape.readable) return',
    tests: RULES,
  },
  {
    fault: 'jobs without a signature are taken where keys are configured',
    file: 'src/link/intake.ts',
    find: 'if (verifyJob === null) return await storeReceived(received);',
    replace: 'if (verifyJob !== undefined) return await storeReceived(received);',
    tests: ['link/intake-signed.test.ts'],
  },
  {
    fault: 'a signed job is overtaken by one that is verified faster',
    file: 'src/link/intake.ts',
    find: 'verifying = verifying.then(() => storeVerified(jws, ref))',
    replace: 'verifying = storeVerified(jws, ref)',
    tests: ['link/intake-signed.test.ts'],
  },
  {
    fault: 'a signed job of a connection that was lost is stored after those of the next one',
    file: 'src/link/intake.ts',
    find: 'if (isLost()) return;',
    replace: '',
    tests: ['link/intake-signed.test.ts'],
  },
  {
    fault: 'each job that is not believed becomes an audit record',
    file: 'src/engine/unverified-jobs.ts',
    find: 'if (cancel !== null || stopped) return;',
    replace: 'if (stopped) return;',
    tests: ['engine/unverified-jobs.test.ts'],
  },
  {
    fault: 'a private key in the file of job keys is taken for a public one',
    file: 'src/protocol/job-keys.ts',
    find: "const SECRET_MEMBERS = ['d', ",
    replace: 'const SECRET_MEMBERS = [',
    tests: ['protocol/job-keys.test.ts'],
  },
  {
    fault: 'the pin of the control plane is looked at only through a proxy',
    file: 'src/link/dial.ts',
    find: 'if (pins.length === 0 ||',
    replace: 'if (pins.length > 0 ||',
    tests: ['link/websocket-pins.live.ts'],
  },
  {
    fault: 'a pinned key makes up for a certificate that is not trusted',
    file: 'src/directory/ldap/dial.ts',
    find: 'rejectUnauthorized: true,',
    replace: 'rejectUnauthorized: false,',
    tests: ['directory/ldap/pins.live.ts', 'architecture.test.ts'],
  },
  {
    fault: 'the pin of the directory is not compared',
    file: 'src/directory/ldap/dial.ts',
    find: '?? judgePin(pins, certificate.raw)',
    replace: '?? judgePin([], certificate.raw)',
    tests: ['directory/ldap/pins.live.ts'],
  },
  {
    fault: 'a sync asks for all attributes of a user',
    file: 'src/directory/ldap/reader/requests.ts',
    find: 'berElement(BER.sequence, ...attributes.map(berText))',
    replace: "berElement(BER.sequence, ...[...attributes, '*'].map(berText))",
    tests: ['directory/ldap/reader/requests.test.ts', 'system/what-leaves.live.ts'],
  },
];
