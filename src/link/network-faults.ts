/** What a person can do about a network or TLS error, by the code that Node.js and OpenSSL give it. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name does not resolve; check LATCHKEY_CONTROL_PLANE_URL and the DNS of this machine',
  EAI_AGAIN: 'the name server did not answer; check the DNS of this machine',
  ECONNREFUSED: 'nothing listens on that address and port; check LATCHKEY_CONTROL_PLANE_URL, and whether the control plane runs',
  ECONNRESET: 'the connection was cut; look for a firewall or proxy between, and at the log of the control plane',
  EPIPE: 'the connection was cut; look for a firewall or proxy between, and at the log of the control plane',
  ETIMEDOUT: 'nothing answered; look for a firewall that drops packets',
  EHOSTUNREACH: 'there is no way to that host; check the network of this machine',
  ENETUNREACH: 'there is no way to that network; check the network of this machine',
  EACCES: 'this machine does not let the process connect there; check its firewall',
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'the certificate is signed by itself; put it into LATCHKEY_CONTROL_PLANE_CA_FILE if it is the right one',
  SELF_SIGNED_CERT_IN_CHAIN:
    'the certificate comes from an authority that is not trusted; put its CA into LATCHKEY_CONTROL_PLANE_CA_FILE',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'the certificate comes from an authority that is not trusted; put its CA into LATCHKEY_CONTROL_PLANE_CA_FILE',
  UNABLE_TO_GET_ISSUER_CERT: 'the chain is incomplete; put the whole chain on the server or into LATCHKEY_CONTROL_PLANE_CA_FILE',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'the certificate comes from an authority that is not trusted; put its CA into LATCHKEY_CONTROL_PLANE_CA_FILE',
  CERT_SIGNATURE_FAILURE:
    'the certificate is not signed by the CA in LATCHKEY_CONTROL_PLANE_CA_FILE; the server may have a new one',
  CERT_HAS_EXPIRED: 'the certificate has expired; renew it on the server, or correct the clock of this machine',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet; correct the clock of this machine',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another name; use a name that it holds in LATCHKEY_CONTROL_PLANE_URL',
  EPROTO: 'the other side did not speak TLS 1.2 or later; check wss or ws, and the port, in LATCHKEY_CONTROL_PLANE_URL',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the other side does not speak TLS; check wss or ws, and the port, in LATCHKEY_CONTROL_PLANE_URL',
  ERR_SSL_PACKET_LENGTH_TOO_LONG:
    'the other side does not speak TLS; check wss or ws, and the port, in LATCHKEY_CONTROL_PLANE_URL',
};

/** A sentence that names the cause and what to do. Every fault is retried with the backoff. */
export function networkAdvice(code: string): string {
  return Object.hasOwn(ADVICE, code) ? (ADVICE[code] ?? '') : 'check the network and LATCHKEY_CONTROL_PLANE_URL';
}

/** The code of an error, however deep; an error without one is called by its name. Never its text. */
export function faultCode(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error.cause === undefined ? error.name : faultCode(error.cause);
}
