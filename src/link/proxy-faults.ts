import type { Verdict } from './close-codes.ts';

/** Why a proxy gave no way through. */
export type ProxyFault =
  /** DNS, TCP, TLS or HTTP between us and the proxy. */
  | { readonly kind: 'network'; readonly code: string }
  /** It answered CONNECT with another status than 2xx. */
  | { readonly kind: 'refused'; readonly status: number; readonly authenticated: boolean }
  /** It did not answer within 10 s. */
  | { readonly kind: 'silent' };

/** What a person can do about a network or TLS error on the way to the proxy, by its code. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name does not resolve; check HTTPS_PROXY and the DNS of this machine',
  EAI_AGAIN: 'the name server did not answer; check the DNS of this machine',
  ECONNREFUSED: 'nothing listens on that address and port; check HTTPS_PROXY, and whether the proxy runs',
  ECONNRESET: 'it cut the connection without an answer; check http or https in HTTPS_PROXY, and look at the log of the proxy',
  EPIPE: 'it cut the connection without an answer; check http or https in HTTPS_PROXY, and look at the log of the proxy',
  ETIMEDOUT: 'nothing answered; look for a firewall that drops packets',
  EHOSTUNREACH: 'there is no way to that host; check the network of this machine',
  ENETUNREACH: 'there is no way to that network; check the network of this machine',
  EACCES: 'this machine does not let the process connect there; check its firewall',
  EPROTO: 'it does not speak TLS; write http:// in HTTPS_PROXY, which is how most proxies are reached',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS; write http:// in HTTPS_PROXY, which is how most proxies are reached',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS; write http:// in HTTPS_PROXY, which is how most proxies are reached',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name; use a name that it holds in HTTPS_PROXY',
  CERT_HAS_EXPIRED: 'its certificate has expired; renew it, or correct the clock of this machine',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet; correct the clock of this machine',
};

const UNTRUSTED = /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_SIGNATURE_FAILURE)/;

/** What a proxy's fault means for the next attempt, in words that go on "the proxy HOST". Total. */
export function proxyVerdict(fault: ProxyFault, target: string): Verdict {
  switch (fault.kind) {
    case 'silent':
      return {
        pace: 'backoff',
        advice:
          'did not answer within 10 s; check HTTPS_PROXY, and look at the log of the proxy and for a firewall that drops packets',
      };
    case 'network':
      return { pace: 'backoff', advice: `was not reached (${fault.code}): ${networkAdvice(fault.code)}` };
    case 'refused':
      return refusal(fault, target);
    default:
      return fault satisfies never;
  }
}

function networkAdvice(code: string): string {
  if (Object.hasOwn(ADVICE, code)) return ADVICE[code] ?? '';
  if (UNTRUSTED.test(code))
    return 'its certificate comes from an authority that is not trusted; make this machine trust it, or add it to LATCHKEY_CONTROL_PLANE_CA_FILE';
  if (code.startsWith('HPE_')) return 'it did not answer as an HTTP proxy does; check the port in HTTPS_PROXY';
  return 'check the network and HTTPS_PROXY';
}

function refusal({ status, authenticated }: ProxyFault & { kind: 'refused' }, target: string): Verdict {
  const refused = `refused the way to ${target} with HTTP ${status}: `;
  if (status === 407) {
    const advice = authenticated
      ? 'the user name and password in HTTPS_PROXY were not accepted (they are sent as Basic, and characters such as @ : / need %-escapes)'
      : 'it asks for a user name and a password; write them into HTTPS_PROXY as http://user:password@host:port (only Basic is supported)';
    return { pace: 'cap', advice: refused + advice };
  }
  if (status === 403 || status === 401)
    return { pace: 'cap', advice: `${refused}ask whoever runs the proxy to allow CONNECT to it, or name the host in NO_PROXY` };
  if (status >= 500)
    return {
      pace: 'backoff',
      advice: `${refused}the proxy could not reach the control plane; check LATCHKEY_CONTROL_PLANE_URL, and the DNS and network of the proxy`,
    };
  return { pace: 'backoff', advice: `${refused}check that HTTPS_PROXY names a proxy that allows CONNECT, and look at its log` };
}
