/** Why a job was not believed. */
export type SignatureFault =
  /** A job without a signature, where only signed ones are taken. */
  | 'unsigned'
  /** A signed job, where there is no key to verify it with. */
  | 'no_keys'
  /** No compact JWS, or a header or payload that cannot be read. */
  | 'malformed'
  /** A header that says more than is allowed, or is not of a job. */
  | 'header'
  /** An algorithm that is not allowed, or not the key's. */
  | 'algorithm'
  | 'unknown_key'
  /** The signature is not by that key over these bytes. */
  | 'signature'
  /** Made for another connector. */
  | 'audience'
  /** `jti`, `iat` or `exp` missing or wrong, or a longer life than is allowed. */
  | 'claims'
  | 'too_early'
  | 'expired';

/**
 * Which check failed, and what to do about it, for a person. Words of ours alone: nothing that a job says is repeated before it is
 * believed. The key is only to blame where its name or its signature was refused.
 */
export const FAULT_WORDS: Record<SignatureFault, string> = {
  unsigned: 'without a signature, and LATCHKEY_JOB_KEYS_FILE says that only signed ones are taken: let the control plane sign',
  no_keys: 'with a signature, and LATCHKEY_JOB_KEYS_FILE is not set: there is no key to verify it with',
  malformed: 'in a form that cannot be read: expected a compact JWS, see "Signed jobs" in docs/security.md',
  header: 'with a header that holds more than alg, kid and typ, or another typ than that of a job',
  algorithm: 'with an alg that is not allowed, or is not that of its key',
  unknown_key: 'with the kid of no key that is known: one that was added to LATCHKEY_JOB_KEYS_FILE is read on SIGHUP',
  signature:
    'with a signature that the key of their kid has not made: the control plane has another key by that name, or somebody else signs',
  audience: 'rightly signed for another connector: their aud is not LATCHKEY_CONNECTOR_ID',
  claims: 'rightly signed, with jti, iat, exp or nbf missing or wrong, or a life of more than 24 h',
  too_early: 'rightly signed, from a time that is still to come (iat, nbf): compare the clocks',
  expired: 'rightly signed, until a time that is over (exp): sign them again, or compare the clocks',
};
