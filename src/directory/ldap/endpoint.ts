import { BlockList, isIP } from 'node:net';
import { explainWrongPin, WrongPinError } from '../../access/key-pin.ts';
import { DirectoryError } from '../directory.ts';

/** One server and how it is spoken to. */
export interface Endpoint {
  readonly url: string;
  /** Name or address, without brackets. */
  readonly host: string;
  readonly port: number;
  readonly tls: 'implicit' | 'start_tls' | 'none';
}

const DEFAULT_PORT = { 'ldaps:': 636, 'ldap:': 389 } as const;

/** Reads `ldap://` or `ldaps://` with a host and, perhaps, a port. Throws a RangeError for anything else: configuration has checked it. */
export function parseEndpoint(url: string, startTls: boolean): Endpoint {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const scheme = parsed?.protocol;
  if (parsed === undefined || (scheme !== 'ldap:' && scheme !== 'ldaps:') || parsed.hostname === '')
    throw new RangeError(`expected ldap://host or ldaps://host, found "${url}"`);
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = parsed.port === '' ? DEFAULT_PORT[scheme] : Number(parsed.port);
  const tls = scheme === 'ldaps:' ? 'implicit' : startTls ? 'start_tls' : 'none';
  return { url, host, port, tls };
}

/** Reads LDAP_URL: URLs separated by blanks, each server once, in order. Throws a RangeError where there is none, or a bad one. */
export function parseEndpoints(urls: string, startTls: boolean): readonly [Endpoint, ...Endpoint[]] {
  const byAddress = new Map<string, Endpoint>();
  for (const url of urls.split(/\s+/).filter((text) => text !== '')) {
    const endpoint = parseEndpoint(url, startTls);
    if (!byAddress.has(shownAddress(endpoint))) byAddress.set(shownAddress(endpoint), endpoint);
  }
  const [first, ...others] = byAddress.values();
  if (first === undefined) throw new RangeError('expected at least one URL');
  return [first, ...others];
}

/**
 * The server among `endpoints` that one of a referral's URIs names (RFC 4516): the same host and port, else the same host.
 * Undefined where none does.
 */
export function endpointNamed(uris: readonly string[], endpoints: readonly Endpoint[]): Endpoint | undefined {
  const named = uris.flatMap((uri) => {
    try {
      return [parseEndpoint(uri, false)];
    } catch {
      return [];
    }
  });
  const sameHost = (one: Endpoint, other: Endpoint) => one.host.toLowerCase() === other.host.toLowerCase();
  return (
    endpoints.find((endpoint) => named.some((one) => sameHost(one, endpoint) && one.port === endpoint.port)) ??
    endpoints.find((endpoint) => named.some((one) => sameHost(one, endpoint)))
  );
}

/** `host:port` for people, with brackets around an IPv6 address. */
export function shownAddress({ host, port }: Endpoint): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** True for an address of this machine itself (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3); false for a name or nothing. */
export function isLoopbackAddress(address: string | undefined): boolean {
  const family = isIP(address ?? '');
  if (address === undefined || family === 0) return false;
  const loopback = new BlockList();
  loopback.addSubnet('127.0.0.0', 8, 'ipv4');
  loopback.addAddress('::1', 'ipv6');
  return loopback.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** Why a connection could not be made or kept. */
export type Trouble =
  | 'name_not_found'
  | 'name_lookup_failed'
  | 'refused'
  | 'unreachable'
  | 'timed_out'
  | 'reset'
  | 'closed'
  | 'tls_untrusted'
  | 'tls_wrong_name'
  | 'tls_wrong_pin'
  | 'tls_dates'
  | 'tls_revoked'
  | 'tls_too_old'
  | 'tls_client_refused'
  | 'tls_not_agreed'
  | 'tls_failed'
  | 'own_side'
  | 'other';

/** The one place where an error of the network or of TLS is understood: by its code, never by its text. */
const TROUBLE_BY_CODE: Readonly<Record<string, Trouble>> = {
  ENOTFOUND: 'name_not_found',
  ENODATA: 'name_not_found',
  EAI_AGAIN: 'name_lookup_failed',
  EAI_FAIL: 'name_lookup_failed',
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETDOWN: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ETIMEDOUT: 'timed_out',
  ECONNRESET: 'reset',
  ECONNABORTED: 'reset',
  EPIPE: 'reset',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'tls_untrusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'tls_untrusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls_untrusted',
  UNABLE_TO_GET_ISSUER_CERT: 'tls_untrusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'tls_untrusted',
  CERT_UNTRUSTED: 'tls_untrusted',
  CERT_REJECTED: 'tls_untrusted',
  CERT_SIGNATURE_FAILURE: 'tls_untrusted',
  CERT_CHAIN_TOO_LONG: 'tls_untrusted',
  INVALID_CA: 'tls_untrusted',
  INVALID_PURPOSE: 'tls_untrusted',
  PATH_LENGTH_EXCEEDED: 'tls_untrusted',
  HOSTNAME_MISMATCH: 'tls_wrong_name',
  ERR_TLS_CERT_ALTNAME_INVALID: 'tls_wrong_name',
  ERR_TLS_CERT_ALTNAME_FORMAT: 'tls_wrong_name',
  ERR_WRONG_PIN: 'tls_wrong_pin',
  CERT_HAS_EXPIRED: 'tls_dates',
  CERT_NOT_YET_VALID: 'tls_dates',
  CERT_REVOKED: 'tls_revoked',
  // A server that knows only versions before TLS 1.2 says so by an alert, or goes on with what we do not speak.
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'tls_too_old',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'tls_too_old',
  ERR_SSL_VERSION_TOO_LOW: 'tls_too_old',
  EPROTO: 'tls_failed',
  EMFILE: 'own_side',
  ENFILE: 'own_side',
  EACCES: 'own_side',
  EPERM: 'own_side',
  ENOBUFS: 'own_side',
};

/** The alerts by which a server refuses a client's certificate (RFC 8446 §6.2); OpenSSL has changed what stands before them. */
const CLIENT_CERTIFICATE_ALERT =
  /_ALERT_(?:NO_CERTIFICATE|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_(?:REVOKED|EXPIRED|UNKNOWN|REQUIRED)|UNKNOWN_CA|ACCESS_DENIED)$/;

/** What each trouble means, and what to do about it. */
const MEANING: Readonly<Record<Trouble, (endpoint: Endpoint, cause: unknown) => string>> = {
  name_not_found: ({ host }) => `the name ${host} is not known to the name service; check LDAP_URL and DNS`,
  name_lookup_failed: ({ host }) => `the name service did not answer for ${host}; check DNS on this machine`,
  refused: () => 'nothing listens there; check that the directory runs, the port, and firewalls',
  unreachable: () => 'there is no way to that address; check the network and the address',
  timed_out: () => 'it did not answer in time; check that the directory runs, the port, and firewalls',
  reset: ({ tls }) =>
    `it broke the connection off${tls === 'implicit' ? '; check that the port is the one for ldaps://' : ''}, or something on the way did`,
  closed: () => 'the server closed the connection',
  tls_untrusted: () => 'its certificate is not from an authority that is trusted; set LDAP_CA_FILE to the CA of the directory',
  tls_wrong_name: ({ host }) => `its certificate is not for ${host}; use a name in LDAP_URL that the certificate has`,
  tls_wrong_pin: (_endpoint, cause) =>
    cause instanceof WrongPinError
      ? `it ${explainWrongPin(cause, 'LDAP_PIN')}`
      : 'it has another public key than LDAP_PIN expects',
  tls_dates: () => 'its certificate is expired or not yet valid; renew it, and check the clocks',
  tls_revoked: () => 'its certificate has been revoked',
  tls_too_old: () => 'it offers no version of TLS from 1.2 on; let the server offer TLS 1.2 or 1.3',
  tls_client_refused: () =>
    'it does not accept our client certificate, or demands one; check LDAP_CERT_FILE, LDAP_KEY_FILE, and which authorities the server trusts',
  tls_not_agreed: () =>
    'it broke off the TLS handshake; it may demand a client certificate (LDAP_CERT_FILE, LDAP_KEY_FILE), or offer no cipher that is safe today',
  tls_failed: ({ tls }) =>
    tls === 'implicit'
      ? 'no TLS session came about; check that the port is the one for ldaps://, and that it offers TLS 1.2 or later'
      : 'no TLS session came about; check that the server offers TLS 1.2 or later',
  own_side: () => 'this machine did not let the connection be made; check its limits and its policy',
  other: () => 'the connection failed',
};

/** What an error of a socket means; total: whatever is not known is `other`. */
export function troubleOf(error: unknown): Trouble {
  const code = codeOf(error);
  if (code === undefined) return 'other';
  const known = TROUBLE_BY_CODE[code];
  if (known !== undefined) return known;
  if (CLIENT_CERTIFICATE_ALERT.test(code)) return 'tls_client_refused';
  if (code.endsWith('_ALERT_HANDSHAKE_FAILURE')) return 'tls_not_agreed';
  return /^ERR_(?:SSL|TLS|OSSL)_/.test(code) ? 'tls_failed' : 'other';
}

/** The error code that Node.js gave, for people to look up. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The error for a connection that is not there: who, what, why, and what to do. */
export function unavailable(
  endpoint: Endpoint,
  options: { trouble: Trouble; doing: string; cause?: unknown; sent?: boolean },
): DirectoryError {
  const { trouble, doing, cause, sent } = options;
  const code = codeOf(cause);
  const message = `Could not ${doing} at ${shownAddress(endpoint)}: ${MEANING[trouble](endpoint, cause)}${code === undefined ? '' : ` (${code})`}.`;
  return new DirectoryError('unavailable', message, {
    ...(cause === undefined ? {} : { cause }),
    ...(sent === undefined ? {} : { sent }),
  });
}
