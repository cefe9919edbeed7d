import { z } from 'zod';
import type { Parsed } from '../access/brand.ts';
import { isHost, isLoopback } from './host.ts';
import type { Value } from './values.ts';

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

const LDAP_PORT = { ldap: 389, ldaps: 636 } as const;
const WEB_SOCKET_PORT = { ws: 80, wss: 443 } as const;

function address<T>(expected: string, parse: (text: string) => Parsed<T>): Value<T> {
  const schema = z
    .string()
    .max(2048, 'far too long')
    .transform((text, context): T => {
      const parsed = parse(text.trim());
      if (parsed.ok) return parsed.value;
      context.issues.push({ code: 'custom', message: parsed.problem, input: text });
      return z.NEVER;
    });
  return { schema, expected };
}

/** LDAP_URL: a scheme, a host and perhaps a port (RFC 4516), nothing else. */
export const directoryAddress: Value<DirectoryAddress> = address(
  'ldaps://host[:636] or ldap://host[:389], without credentials, path or query',
  (text) => {
    if (/\s/.test(text)) return { ok: false, problem: 'several addresses, which this version does not support yet' };
    const parts = readUrl(text);
    if (!parts.ok) return parts;
    const { scheme, host, port, url } = parts.value;
    if (scheme !== 'ldap' && scheme !== 'ldaps') return { ok: false, problem: 'another scheme' };
    if (url.pathname !== '' && url.pathname !== '/') return { ok: false, problem: 'an address with a path' };
    return { ok: true, value: { scheme, host, port: port ?? LDAP_PORT[scheme] } };
  },
);

/** LATCHKEY_CONTROL_PLANE_URL: a path is part of it, a query is not, since queries end up in logs. */
export const controlPlaneAddress: Value<ControlPlaneAddress> = address(
  'wss://host[:443][/path], or ws:// to a loopback address, without credentials, query or fragment',
  (text) => {
    const parts = readUrl(text);
    if (!parts.ok) return parts;
    const { scheme, host, port, url } = parts.value;
    if (scheme !== 'ws' && scheme !== 'wss') return { ok: false, problem: 'another scheme' };
    if (scheme === 'ws' && !isLoopback(host)) return { ok: false, problem: 'ws:// to an address that is not loopback' };
    return { ok: true, value: { scheme, url: url.href, host, port: port ?? WEB_SOCKET_PORT[scheme] } };
  },
);

interface UrlParts {
  readonly scheme: string;
  readonly host: string;
  readonly port: number | null;
  readonly url: URL;
}

function readUrl(text: string): Parsed<UrlParts> {
  const url = URL.parse(text);
  if (url === null || !/^[A-Za-z]+:\/\//.test(text)) return { ok: false, problem: 'no URL' };
  if (url.username !== '' || url.password !== '' || /^[^/?#]*\/\/[^/?#]*@/.test(text))
    return { ok: false, problem: 'a URL with credentials' };
  if (text.includes('?') || text.includes('#')) return { ok: false, problem: 'a URL with a query or fragment' };
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (!isHost(host)) return { ok: false, problem: 'a URL without a legible host' };
  if (url.port === '0') return { ok: false, problem: 'port 0' };
  return { ok: true, value: { scheme: url.protocol.slice(0, -1), host, port: url.port === '' ? null : Number(url.port), url } };
}
