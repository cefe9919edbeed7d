import type { Parsed } from '../access/brand.ts';
import type { VaultAddress } from '../secrets/vault/ask.ts';
import { isHost, isLoopback } from './host.ts';
import { shaped, type Value } from './values.ts';

/** Where the directory listens, as LDAP_URL names it. */
export interface DirectoryAddress {
  readonly scheme: 'ldap' | 'ldaps';
  readonly host: string;
  readonly port: number;
}

/** Where the control plane listens. `url` has no credentials, no query and no fragment. */
export interface ControlPlaneAddress {
  readonly scheme: 'ws' | 'wss';
  readonly url: string;
  readonly host: string;
  readonly port: number;
}

/** A proxy as HTTPS_PROXY names it. `credentials` are `user:password` (RFC 7617 §2), null where the URL has none. */
export interface ProxyAddress {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  readonly credentials: string | null;
}

/** Each may take LDAP_CONNECT_TIMEOUT before the next is tried. */
const MAX_SERVERS = 16;
const LDAP_PORT = { ldap: 389, ldaps: 636 } as const;
const WEB_SOCKET_PORT = { ws: 80, wss: 443 } as const;
const WEB_PORT = { http: 80, https: 443 } as const;

/** As patterns: a scheme is written in letters of either case (RFC 3986 §3.1), and JSON Schema has no flag for that. */
const LDAP = '[Ll][Dd][Aa][Pp][Ss]?://';
const WS = '[Ww][Ss][Ss]?://';

function address<T>(expected: string, parse: (text: string) => Parsed<T>): Value<T> {
  return { read: (text) => (text.length > 2048 ? { ok: false, problem: 'far too long' } : parse(text.trim())), expected };
}

/** LDAP_URL: one or more URLs of a scheme, a host and perhaps a port (RFC 4516), nothing else, separated by blanks. */
export const directoryAddresses: Value<readonly DirectoryAddress[]> = shaped(
  { pattern: `^${LDAP}[^\\s?#@]+(?:\\s+${LDAP}[^\\s?#@]+)*$` },
  address(
    'ldaps://host[:636] or ldap://host[:389], without credentials, path or query; several, separated by spaces, are tried in order',
    (text) => {
      const urls = text.split(/\s+/).filter((url) => url !== '');
      if (urls.length === 0) return { ok: false, problem: 'no URL' };
      if (urls.length > MAX_SERVERS) return { ok: false, problem: `${urls.length} addresses; at most ${MAX_SERVERS}` };
      const addresses: DirectoryAddress[] = [];
      for (const url of urls) {
        const parsed = readDirectoryUrl(url);
        if (!parsed.ok) return parsed;
        addresses.push(parsed.value);
      }
      return { ok: true, value: addresses };
    },
  ),
);

function readDirectoryUrl(text: string): Parsed<DirectoryAddress> {
  const parts = readUrl(text);
  if (!parts.ok) return parts;
  const { scheme, host, port, url } = parts.value;
  if (scheme !== 'ldap' && scheme !== 'ldaps') return { ok: false, problem: 'another scheme' };
  if (url.pathname !== '' && url.pathname !== '/') return { ok: false, problem: 'an address with a path' };
  return { ok: true, value: { scheme, host, port: port ?? LDAP_PORT[scheme] } };
}

/** LATCHKEY_CONTROL_PLANE_URL: a path is part of it, a query is not, since queries end up in logs. */
export const controlPlaneAddress: Value<ControlPlaneAddress> = shaped(
  { pattern: `^${WS}[^\\s?#@/]+(?:/[^\\s?#]*)?$` },
  address('wss://host[:443][/path], or ws:// to a loopback address, without credentials, query or fragment', (text) => {
    const parts = readUrl(text);
    if (!parts.ok) return parts;
    const { scheme, host, port, url } = parts.value;
    if (scheme !== 'ws' && scheme !== 'wss') return { ok: false, problem: 'another scheme' };
    if (scheme === 'ws' && !isLoopback(host)) return { ok: false, problem: 'ws:// to an address that is not loopback' };
    return { ok: true, value: { scheme, url: url.href, host, port: port ?? WEB_SOCKET_PORT[scheme] } };
  }),
);

/** VAULT_ADDR: a path is what stands before `/v1`. */
export const vaultAddress: Value<VaultAddress> = address(
  'https://host[:8200][/path], or http:// to a loopback address, without credentials, query or fragment',
  (text) => {
    const parts = readUrl(text);
    if (!parts.ok) return parts;
    const { scheme, host, port, url } = parts.value;
    if (scheme !== 'http' && scheme !== 'https') return { ok: false, problem: 'another scheme' };
    if (scheme === 'http' && !isLoopback(host)) return { ok: false, problem: 'http:// to an address that is not loopback' };
    const prefix = url.pathname.replace(/\/+$/, '');
    if (prefix.endsWith('/v1')) return { ok: false, problem: 'an address with "/v1", which is added to it' };
    return { ok: true, value: { scheme, host, port: port ?? WEB_PORT[scheme], prefix } };
  },
);

/** HTTPS_PROXY: without a scheme it is http, as other programs take it. What was found is never shown, since it may hold a password. */
export const proxyAddress: Value<ProxyAddress> = address(
  'http://[user:password@]host[:80] or https://[user:password@]host[:443], with %-escapes for characters such as @ : / in user and password',
  (text) => {
    const parsed = readProxy(/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text) ? text : `http://${text}`);
    return parsed.ok ? parsed : { ok: false, problem: `${parsed.problem} (not shown)` };
  },
);

/**
 * Null where it is none. A URL parser drops tabs, line breaks and slashes before a host, and takes a "\" for a slash (WHATWG URL §4.4):
 * it would read another host than stands there.
 */
function urlOf(text: string): URL | null {
  return /[\s\p{Cc}\\]|^[^/]*\/{3}/u.test(text) ? null : URL.parse(text);
}

function readProxy(text: string): Parsed<ProxyAddress> {
  const url = urlOf(text);
  if (url === null) return { ok: false, problem: 'no URL' };
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== 'http' && scheme !== 'https') return { ok: false, problem: `a proxy of another kind than http or https` };
  if (!['', '/'].includes(url.pathname) || text.includes('?') || text.includes('#'))
    return { ok: false, problem: 'a URL with a path, query or fragment' };
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (!isHost(host) || url.port === '0') return { ok: false, problem: 'a URL without a legible host and port' };
  const credentials = readCredentials(url);
  if (!credentials.ok) return credentials;
  const port = url.port === '' ? WEB_PORT[scheme] : Number(url.port);
  return { ok: true, value: { scheme, host, port, credentials: credentials.value } };
}

function readCredentials({ username, password }: URL): Parsed<string | null> {
  if (username === '' && password === '') return { ok: true, value: null };
  const problem = 'credentials that cannot be sent: a % that escapes nothing, a colon in the user name, or a control character';
  try {
    const user = decodeURIComponent(username);
    const credentials = `${user}:${decodeURIComponent(password)}`;
    // RFC 7617 §2.
    const isSendable = !user.includes(':') && !/\p{Cc}/u.test(credentials);
    return isSendable ? { ok: true, value: credentials } : { ok: false, problem };
  } catch {
    return { ok: false, problem };
  }
}

interface UrlParts {
  readonly scheme: string;
  readonly host: string;
  readonly port: number | null;
  readonly url: URL;
}

function readUrl(text: string): Parsed<UrlParts> {
  const url = urlOf(text);
  if (url === null || !/^[A-Za-z]+:\/\//.test(text)) return { ok: false, problem: 'no URL' };
  if (url.username !== '' || url.password !== '' || /^[^/?#]*\/\/[^/?#]*@/.test(text))
    return { ok: false, problem: 'a URL with credentials' };
  if (text.includes('?') || text.includes('#')) return { ok: false, problem: 'a URL with a query or fragment' };
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (!isHost(host)) return { ok: false, problem: 'a URL without a legible host' };
  if (url.port === '0') return { ok: false, problem: 'port 0' };
  return { ok: true, value: { scheme: url.protocol.slice(0, -1), host, port: url.port === '' ? null : Number(url.port), url } };
}
