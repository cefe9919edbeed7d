import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, isIPv6, type Socket } from 'node:net';
import { proxyAuthorities } from './authorities.ts';
import { faultCode } from './network-faults.ts';
import type { ProxyFault } from './proxy-faults.ts';

/** The proxy on the way to the control plane. */
export interface LinkProxy {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** `user:password`; null where the proxy asks for none. */
  readonly credentials: (() => Promise<{ reveal(): string }>) | null;
}

/** A proxy that did not give a tunnel. Its code is for the log; its cause may quote the proxy and is not kept. */
export class ProxyError extends Error {
  readonly fault: ProxyFault;
  readonly code: string;

  constructor(fault: ProxyFault) {
    super('the proxy gave no tunnel');
    this.name = 'ProxyError';
    this.fault = fault;
    this.code = fault.kind === 'network' ? fault.code : 'ERR_PROXY';
  }
}

export interface TunnelOptions {
  readonly proxy: LinkProxy;
  readonly credentials: string | null;
  readonly target: { readonly host: string; readonly port: number };
  /** PEM, trusted for an https proxy beside what this machine trusts: a company's own authority signs for its proxy too. */
  readonly ca: string | null;
  readonly signal: AbortSignal;
}

/**
 * Asks a proxy for a way through (CONNECT, RFC 9110 §9.3.6) and gives the socket on which the target listens. Rejects with a
 * {@link ProxyError}. It waits for as long as the signal lets it.
 *
 * Node's own HTTP client speaks CONNECT, with a bound on the answer's headers. What the packages for it do not have is what a
 * daemon needs: a refusal told apart from one of the target, an end when the dialing is given up, and a certificate that is
 * compared with the target's address where that is an IP address.
 */
export function openTunnel({ proxy, credentials, target, ca, signal }: TunnelOptions): Promise<Socket> {
  const path = authority(target);
  const options = {
    host: proxy.host,
    port: proxy.port,
    method: 'CONNECT',
    path,
    agent: false as const,
    signal,
    headers: {
      Host: path,
      ...(credentials === null ? {} : { 'Proxy-Authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }),
    },
  };
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const request =
    proxy.scheme === 'http'
      ? requestHttp(options)
      : requestHttps({
          ...options,
          minVersion: 'TLSv1.2',
          rejectUnauthorized: true,
          ca: proxyAuthorities(ca),
          // Left out, it would be taken from the Host header, which is the target's.
          servername: isIP(proxy.host) === 0 ? proxy.host : '',
        });
  // For CONNECT every answer comes as this event, whatever its status.
  request.on('connect', (response, socket: Socket, head) => {
    const status = response.statusCode ?? 0;
    if (status >= 200 && status <= 299) {
      // Who speaks before it is asked is not the target; TLS says so.
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    } else {
      socket.destroy();
      reject(new ProxyError({ kind: 'refused', status, authenticated: credentials !== null }));
    }
  });
  request.on('error', (error) => reject(new ProxyError({ kind: 'network', code: faultCode(error) })));
  request.end();
  return promise;
}

/** `host:port`, as CONNECT and log lines name it. */
export function authority({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
