/** What a person can do about a network or TLS error, by the code that Node.js and OpenSSL give it. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name does not resolve; check LATCHKEY_CONTROL_PLANE_URL and the DNS of this machine',
  EAI_AGAIN: 'the name server did not answer; check the DNS of this machine',
  ECONNREFUSED: 'nothing listens on that address and port; check LATCHKEY_CONTROL_PLANE_URL, and whether the control plane runs',
  ECONNRESET:
    'the connection was cut; look for a firewall or proxy between, at the log of the control plane, and whether it takes the certificate of LATCHKEY_CONTROL_PLANE_CERT_FILE, or demands one',
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

/** What a control plane says in a TLS alert (RFC 8446 §6.2) about the certificate of a client. */
const CLIENT_CERTIFICATE: Readonly<Record<string, string>> = {
  CERTIFICATE_REQUIRED: 'it demands a client certificate; set LATCHKEY_CONTROL_PLANE_CERT_FILE and its key',
  // What TLS 1.2 says instead, and not only then.
  HANDSHAKE_FAILURE:
    'it refused the TLS handshake; if it demands a client certificate, set LATCHKEY_CONTROL_PLANE_CERT_FILE and its key',
  CERTIFICATE_EXPIRED: 'it says that our client certificate has expired; renew LATCHKEY_CONTROL_PLANE_CERT_FILE',
  CERTIFICATE_REVOKED: 'it says that our client certificate was revoked; replace LATCHKEY_CONTROL_PLANE_CERT_FILE',
  UNKNOWN_CA:
    'it does not trust the authority of our client certificate; check LATCHKEY_CONTROL_PLANE_CERT_FILE, which must hold the chain too',
};
const OTHER_CLIENT_CERTIFICATE = 'it does not accept our client certificate; check LATCHKEY_CONTROL_PLANE_CERT_FILE, and its log';

/** The alert in a code such as ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED; what stands before depends on the version of TLS. */
const ALERT = /^ERR_SSL_.*_ALERT_([A-Z_]*CERTIFICATE[A-Z_]*|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)$/;

/** A sentence that names the cause and what to do. Every fault is retried with the backoff. */
export function networkAdvice(code: string): string {
  const alert = ALERT.exec(code)?.[1];
  if (alert !== undefined) return CLIENT_CERTIFICATE[alert] ?? OTHER_CLIENT_CERTIFICATE;
  return Object.hasOwn(ADVICE, code) ? (ADVICE[code] ?? '') : 'check the network and LATCHKEY_CONTROL_PLANE_URL';
}

/** The code of an error, however deep; an error without one is called by its name. Never its text. */
export function faultCode(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error.cause === undefined ? error.name : faultCode(error.cause);
}
