import type { KeyPin } from '../access/key-pin.ts';
import type { ClientIdentity } from './client-certificate.ts';
import type { DialOptions, ProxyWay } from './dial.ts';
import type { Ending } from './ending.ts';
import { faultCode } from './network-faults.ts';
import type { LinkProxy } from './tunnel.ts';

/** RFC 6750 §2.1: what a bearer token is made of. */
const BEARER_TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

export interface MeansOptions {
  readonly url: string;
  readonly token: () => Promise<{ reveal(): string }>;
  readonly ca: string | null;
  /** Left out: any key of a certificate that is trusted. */
  readonly pins?: readonly KeyPin[];
  /** A text says why there is no client certificate to show. */
  readonly readIdentity: () => Promise<ClientIdentity | null | string>;
  readonly proxy?: LinkProxy | null;
}

/** What the control plane is dialed with, read anew, or what is missing. */
export async function readMeans(options: MeansOptions): Promise<DialOptions | Ending> {
  const token = await readToken(options.token);
  if (typeof token !== 'string') return token;
  const identity = await options.readIdentity();
  if (typeof identity === 'string') return { kind: 'no_certificate', problem: identity };
  return {
    url: options.url,
    token,
    ca: options.ca,
    pins: options.pins ?? [],
    identity,
    way: await readWay(options.proxy ?? null),
  };
}

async function readToken(token: MeansOptions['token']): Promise<string | Ending> {
  try {
    const text = (await token()).reveal();
    if (BEARER_TOKEN.test(text)) return text;
    return { kind: 'no_token', problem: 'expected letters, digits and -._~+/ without blanks (RFC 6750)' };
  } catch (error) {
    // The error of a secret may speak of its contents; its code does not.
    return { kind: 'no_token', problem: faultCode(error) };
  }
}

async function readWay(proxy: LinkProxy | null): Promise<ProxyWay | null> {
  if (proxy === null) return null;
  return { proxy, credentials: proxy.credentials === null ? null : (await proxy.credentials()).reveal() };
}
