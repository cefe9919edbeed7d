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
