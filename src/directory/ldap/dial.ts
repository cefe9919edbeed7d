import { isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  checkServerIdentity,
  connect as connectTls,
  createSecureContext,
  type DetailedPeerCertificate,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { judgePin, type KeyPin, keyPinOf } from '../../access/key-pin.ts';
import { DirectoryError } from '../directory.ts';
import { readBerHeader } from './ber.ts';
import { type Endpoint, isLoopbackAddress, troubleOf, unavailable } from './endpoint.ts';
import { countElements, OPERATION, readEnvelope, readResult } from './ldap-message.ts';
import { answeredError } from './result-codes.ts';

/** Opens a TCP connection: a parameter, so that tests can put something between. */
export type OpenSocket = (target: { host: string; port: number }) => Socket;

/** A client certificate, PEM, its own certificate first, and its key. */
export interface ShownCertificate {
  readonly chain: string;
  readonly key: { reveal(): string };
}

/** What reading the client certificate came to. The problem goes on a sentence that begins with the file, and never holds the key. */
export type ReadCertificate =
  | { readonly ok: true; readonly value: ShownCertificate }
  | { readonly ok: false; readonly of: 'certificate' | 'key' | 'dates'; readonly problem: string };

/** Trust, and what we show, for one connection. */
export type SecureContextSource = (certificate: ShownCertificate | null) => SecureContext;

/** What a connection attempt has reached, for the preflight checks. */
export type DialStage =
  | { readonly stage: 'tcp'; readonly address: string }
  | {
      readonly stage: 'tls';
      readonly protocol: string;
      readonly subject: string;
      /** The names and addresses that the certificate is for (RFC 5280 §4.2.1.6). */
      readonly names: readonly string[];
      /** Who issued it, who issued that one's, and so on. */
      readonly issuers: readonly string[];
      readonly validTo: string;
      /** Of its key, where that was demanded. */
      readonly pin: KeyPin | null;
    };

export interface DialOptions {
  readonly endpoint: Endpoint;
  readonly openSocket: OpenSocket;
  readonly secureContext: SecureContextSource;
  /** Keys of which the server must have one, beside a certificate that is trusted; empty: any. */
  readonly pins: readonly KeyPin[];
  /** Null where we show none. */
  readonly certificate: ShownCertificate | null;
  readonly onStage: (stage: DialStage) => void;
}

/** A connection that may carry a password: TLS is done, or it does not leave the machine, or clear text was allowed. */
export interface Dialled {
  readonly socket: Duplex;
  readonly isEncrypted: boolean;
  readonly isLoopback: boolean;
}

/**
 * StartTLS (RFC 4511 §4.14): message 1, an extendedReq whose requestName is 1.3.6.1.4.1.1466.20037. Written out, since
 * nothing else of LDAP is ever said on this connection in clear.
 */
const START_TLS_REQUEST = Buffer.concat([
  Buffer.from([0x30, 0x1d, 0x02, 0x01, 0x01, OPERATION.extendedRequest, 0x18, 0x80, 0x16]),
  Buffer.from('1.3.6.1.4.1.1466.20037', 'latin1'),
]);
/** An answer to StartTLS is some twenty bytes; a diagnostic message may make it longer. */
const MAX_START_TLS_ANSWER = 4096;

/** Whom a connection is made with: the authorities that are trusted, and the keys that are pinned. */
export function trustOf({ ca, pins = [] }: { readonly ca: string | null; readonly pins?: readonly KeyPin[] }) {
  return { secureContext: secureContexts(ca), pins };
}

/**
 * The trust of a connection: the given authorities only, or, without any, those of Node.js and of the system. What was given
 * is trusted as it is, be it a root, an intermediate authority or the server's own certificate (RFC 5280 §6.1.1 d).
 *
 * Made at the first use and again only for another client certificate, since reading some hundred authorities takes a while.
 */
function secureContexts(ca: string | null): SecureContextSource {
  let authorities: string | string[] | undefined;
  let made: { readonly shown: string; readonly context: SecureContext } | undefined;
  return (certificate) => {
    const shown = certificate === null ? '' : `${certificate.chain}\0${certificate.key.reveal()}`;
    if (made?.shown === shown) return made.context;
    authorities ??= ca ?? [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
    const own = certificate === null ? {} : { cert: certificate.chain, key: certificate.key.reveal() };
    const context = createSecureContext({
      ca: authorities,
      allowPartialTrustChain: ca !== null,
      minVersion: 'TLSv1.2',
      ...own,
    });
    made = { shown, context };
    return context;
  };
}

/**
 * Opens the connection and does TLS. Rejects with a {@link DirectoryError}, and leaves nothing open then. `signal` is the
 * one deadline for all of it; what it aborts with is thrown.
 */
export async function dial(options: DialOptions, signal: AbortSignal): Promise<Dialled> {
  const { endpoint, openSocket, onStage } = options;
  const tcp = openSocket({ host: endpoint.host, port: endpoint.port });
  // An error that comes when nobody waits for one is followed by a close, which is what counts.
  tcp.on('error', () => undefined);
  try {
    await tcpConnected(endpoint, tcp, signal);
    // Dead peers are noticed by deadlines and the health check; keep-alive is for what sits idle behind a firewall.
    tcp.setKeepAlive(true, 30_000);
    tcp.setNoDelay(true);
    onStage({ stage: 'tcp', address: tcp.remoteAddress ?? endpoint.host });
    const isLoopback = isLoopbackAddress(tcp.remoteAddress);
    if (endpoint.tls === 'none') return { socket: tcp, isEncrypted: false, isLoopback };
    if (endpoint.tls === 'start_tls') await startTls(endpoint, tcp, signal);
    const socket = await secured(options, tcp, signal);
    return { socket, isEncrypted: true, isLoopback };
  } catch (error) {
    tcp.destroy();
    throw error;
  }
}

export async function tcpConnected(endpoint: Endpoint, tcp: Socket, signal: AbortSignal): Promise<void> {
  if (!tcp.connecting && tcp.readyState === 'open') return;
  await settled({ endpoint, socket: tcp, event: 'connect', doing: 'connect to the directory' }, signal);
}

async function secured(options: DialOptions, tcp: Socket, signal: AbortSignal): Promise<TLSSocket> {
  const { endpoint } = options;
  const doing = 'make a TLS connection with the directory';
  const tls = openTls(options, tcp, doing);
  tls.on('error', () => undefined);
  try {
    await settled({ endpoint, socket: tls, event: 'secureConnect', doing }, signal);
    const certificate = tls.getPeerCertificate(true);
    options.onStage({
      stage: 'tls',
      protocol: tls.getProtocol() ?? 'TLS',
      ...namesIn(certificate),
      validTo: certificate.valid_to,
      pin: options.pins.length === 0 ? null : keyPinOf(certificate.raw),
    });
    return tls;
  } catch (error) {
    tls.destroy();
    throw error;
  }
}

function openTls({ endpoint, secureContext, pins, certificate: shown }: DialOptions, tcp: Socket, doing: string): TLSSocket {
  const { host } = endpoint;
  try {
    return connectTls({
      socket: tcp,
      secureContext: secureContext(shown),
      // Server names are never addresses (RFC 6066 §3).
      servername: isIP(host) === 0 ? host : '',
      // Always against the host that was asked for: Node.js takes "localhost" where no name is given.
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate) ?? judgePin(pins, certificate.raw),
      rejectUnauthorized: true,
    });
  } catch (cause) {
    throw unavailable(endpoint, { trouble: troubleOf(cause), doing, cause });
  }
}

/** Longer chains are no longer worth a line. */
const MOST_ISSUERS = 5;

/** Whose certificate it is, what for, and who issued it, who issued that one's, and so on. */
export function namesIn(certificate: DetailedPeerCertificate) {
  return {
    subject: nameOf(certificate.subject),
    names: (certificate.subjectaltname ?? '').split(', ').flatMap((name) => name.replace(/^[A-Z][A-Za-z ]*:/, '') || []),
    issuers: issuersOf(certificate),
  };
}

function issuersOf(certificate: DetailedPeerCertificate): readonly string[] {
  const issuers: string[] = [];
  let one = certificate;
  // The chain ends with one that issued itself, or where the server left it off; of that one the issuer's name is known.
  while (issuers.length < MOST_ISSUERS && nameOf(one.issuer) !== nameOf(one.subject)) {
    issuers.push(nameOf(one.issuer));
    if (one.issuerCertificate === undefined || one.issuerCertificate === one) break;
    one = one.issuerCertificate;
  }
  return issuers;
}

/** The common name of a distinguished name in a certificate. */
export function nameOf(subject: unknown): string {
  const name = typeof subject === 'object' && subject !== null && 'CN' in subject ? subject.CN : undefined;
  return typeof name === 'string' ? name : 'no common name';
}

/** Resolves with the event; rejects when the socket fails or closes first, or when `signal` aborts. */
export async function settled(
  options: { endpoint: Endpoint; socket: Socket; event: 'connect' | 'secureConnect'; doing: string },
  signal: AbortSignal,
): Promise<void> {
  const { endpoint, socket, event, doing } = options;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (cause: unknown) => reject(unavailable(endpoint, { trouble: troubleOf(cause), doing, cause }));
  const closed = () => reject(unavailable(endpoint, { trouble: 'closed', doing }));
  const aborted = () => reject(signal.reason);
  socket.once(event, resolve).once('error', fail).once('close', closed);
  signal.addEventListener('abort', aborted, { once: true });
  try {
    signal.throwIfAborted();
    await promise;
  } finally {
    socket.off(event, resolve).off('error', fail).off('close', closed);
    signal.removeEventListener('abort', aborted);
  }
}

/** Asks for TLS and waits for consent. Bytes after the answer, before TLS, could be anybody's and end the attempt. */
export async function startTls(endpoint: Endpoint, tcp: Socket, signal: AbortSignal): Promise<void> {
  const doing = 'start TLS with the directory';
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  let received: Buffer = Buffer.alloc(0);
  const accept = (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const header = readBerHeader(received, 0);
    const isWhole = header.kind === 'read' && received.length >= header.headerLength + header.length;
    if (header.kind === 'invalid' || isWhole || received.length > MAX_START_TLS_ANSWER) {
      tcp.pause();
      resolve(received);
    }
  };
  const fail = (cause: unknown) => reject(unavailable(endpoint, { trouble: troubleOf(cause), doing, cause }));
  const closed = () => reject(unavailable(endpoint, { trouble: 'closed', doing }));
  const aborted = () => reject(signal.reason);
  tcp.on('data', accept).once('error', fail).once('close', closed);
  signal.addEventListener('abort', aborted, { once: true });
  try {
    signal.throwIfAborted();
    tcp.write(START_TLS_REQUEST);
    consented(endpoint, await promise);
  } finally {
    tcp.off('data', accept).off('error', fail).off('close', closed);
    signal.removeEventListener('abort', aborted);
  }
}

function consented(endpoint: Endpoint, answer: Buffer): void {
  // A message with bytes behind it does not read as one message, so an injected answer never passes.
  const envelope = readEnvelope(answer);
  const isWhole = envelope !== undefined && countElements(answer, envelope, MAX_START_TLS_ANSWER) !== undefined;
  const result = isWhole ? readResult(answer, envelope) : undefined;
  if (envelope?.messageId !== 1 || envelope.operation.tag !== OPERATION.extendedResponse || result === undefined)
    throw unavailable(endpoint, { trouble: 'tls_failed', doing: 'start TLS with the directory' });
  if (result.resultCode === 0) return;
  const refused = answeredError(result, 'start TLS');
  throw new DirectoryError('unavailable', `${refused.message} Set LDAP_START_TLS=false and use ldaps:// if it has no StartTLS.`, {
    ldap: refused.ldap,
  });
}
