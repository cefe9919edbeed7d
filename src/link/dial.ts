import { Agent } from 'node:https';
import { isIP, Socket } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, connect as connectTls, TLSSocket } from 'node:tls';
import { type ClientOptions, WebSocket } from 'ws';
import { judgePin, type KeyPin, type WrongPinError } from '../access/key-pin.ts';
import { MAX_FRAME_BYTES, SUBPROTOCOL } from '../protocol/limits.ts';
import { authorities } from './authorities.ts';
import type { ClientIdentity } from './client-certificate.ts';
import type { Ending } from './ending.ts';
import { answerPings } from './pongs.ts';
import type { ProxyFault } from './proxy-faults.ts';
import { authority, type LinkProxy, openTunnel, ProxyError } from './tunnel.ts';

/** Proxy, TCP, TLS and upgrade together, in milliseconds. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** How long a peer has to answer our close frame, in milliseconds. */
export const CLOSE_TIMEOUT_MS = 3_000;
/** A frame of 1 MiB in segments of 536 bytes, the smallest that IPv4 guarantees, is 1,957 pieces. */
const MAX_BUFFERED_CHUNKS = 4_096;
const MAX_FRAGMENTS = 64;

export interface DialOptions {
  readonly url: string;
  readonly token: string;
  /** PEM; replaces all other authorities. */
  readonly ca: string | null;
  /** Keys of which the control plane must have one, beside a certificate that is trusted; empty: any. */
  readonly pins: readonly KeyPin[];
  readonly identity: ClientIdentity | null;
  readonly way: ProxyWay | null;
  /** Told when the control plane's certificate ends. */
  readonly onCertificate?: (notAfterMs: number) => void;
}

/** A proxy, with what it is told. */
export interface ProxyWay {
  readonly proxy: LinkProxy;
  readonly credentials: string | null;
}

type TlsOptions = Pick<ConnectionOptions, 'minVersion' | 'rejectUnauthorized' | 'ca' | 'cert' | 'key'>;

/** Asked when the chain and the name are right, and before the first byte is sent. */
type CheckPeer = NonNullable<ConnectionOptions['checkServerIdentity']>;

export interface Dialed {
  readonly socket: WebSocket;
  /** What an ending was where the proxy never let us through, or the control plane has another key than a pinned one. */
  readonly judged: (ending: Ending) => Ending;
}

/**
 * Begins a connection to the control plane. The defaults of ws are made for browsers' friends, not for strangers: no
 * compression, no redirects, small messages, few fragments. Throws where the URL is not one, or the token cannot be a header.
 */
export function dial({ url, token, ca, pins, identity, way, onCertificate }: DialOptions): Dialed {
  const tls: TlsOptions = {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    ca: authorities(ca),
    ...(identity === null ? {} : { cert: identity.chain, key: identity.key.reveal() }),
  };
  const pinned = pinCheck(pins);
  const through = way === null ? null : throughProxy({ way, url, ca, tls, checkPeer: pinned.checkPeer });
  const settings: ClientOptions & { readonly closeTimeout: number } = {
    headers: { Authorization: `Bearer ${token}` },
    perMessageDeflate: false,
    followRedirects: false,
    skipUTF8Validation: false,
    // Answered below.
    autoPong: false,
    maxPayload: MAX_FRAME_BYTES,
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_BUFFERED_CHUNKS,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    closeTimeout: CLOSE_TIMEOUT_MS,
    // ws sends the URL's host as servername (RFC 6066 §3), and none where it is an IP address.
    ...(url.startsWith('wss:') ? tls : {}),
    ...agentOf(url, { through, pins, checkPeer: pinned.checkPeer }),
  };
  const socket = new WebSocket(url, [SUBPROTOCOL], settings);
  answerPings(socket);
  socket.once('upgrade', (response) => {
    if (response.socket instanceof TLSSocket) onCertificate?.(Date.parse(response.socket.getPeerCertificate().valid_to));
  });
  if (through === null) return { socket, judged: pinned.judged };
  socket.once('close', through.giveUp);
  return { socket, judged: (ending) => through.judged(pinned.judged(ending)) };
}

/** Without a proxy and pins ws makes the connection; it knows no way to be told what else a server must show. */
function agentOf(
  url: string,
  { through, pins, checkPeer }: { through: Through | null; pins: readonly KeyPin[]; checkPeer: CheckPeer },
): Pick<ClientOptions, 'agent'> {
  if (through !== null) return { agent: through.agent };
  if (pins.length === 0 || !url.startsWith('wss:')) return {};
  // A session that is resumed shows no certificate, so none is kept.
  return { agent: new Agent({ keepAlive: false, maxCachedSessions: 0, checkServerIdentity: checkPeer }) };
}

/** Looks at the key of a peer whose certificate is right, and remembers what was wrong with it. */
function pinCheck(pins: readonly KeyPin[]): { readonly checkPeer: CheckPeer; readonly judged: Dialed['judged'] } {
  let wrong: WrongPinError | undefined;
  return {
    checkPeer(host, certificate) {
      wrong = judgePin(pins, certificate.raw);
      return checkServerIdentity(host, certificate) ?? wrong;
    },
    judged: (ending) =>
      wrong !== undefined && ending.kind === 'network' && ending.code === wrong.code
        ? { kind: 'wrong_pin', found: wrong.found, expected: wrong.expected }
        : ending,
  };
}

interface Through {
  readonly agent: Agent;
  readonly giveUp: () => void;
  readonly judged: Dialed['judged'];
}

/** An agent whose one connection is TLS with the control plane inside a tunnel of the proxy. */
function throughProxy(of: { way: ProxyWay; url: string; ca: string | null; tls: TlsOptions; checkPeer: CheckPeer }): Through {
  const { proxy, credentials } = of.way;
  const { hostname, port } = new URL(of.url);
  const target = { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 443 : Number(port) };
  const given = new AbortController();
  let state: 'asking' | 'through' | ProxyFault = 'asking';
  const agent = new Agent({ keepAlive: false });
  async function connect(connected: (error: Error | null, socket: Socket) => void): Promise<void> {
    try {
      const tunnel = await openTunnel({ proxy, credentials, target, ca: of.ca, signal: given.signal });
      state = 'through';
      tunnel.on('error', () => tunnel.destroy());
      given.signal.addEventListener('abort', () => tunnel.destroy(), { once: true });
      const { host } = target;
      // The host is what the certificate must be for; as servername an address is not allowed (RFC 6066 §3).
      const servername = isIP(host) === 0 ? host : '';
      connected(null, connectTls({ ...of.tls, host, servername, checkServerIdentity: of.checkPeer, socket: tunnel }));
    } catch (error) {
      if (error instanceof ProxyError) state = error.fault;
      connected(error instanceof Error ? error : new Error('no tunnel'), new Socket());
    }
  }
  agent.createConnection = (_options, connected) => {
    if (connected !== undefined) void connect(connected);
    return null;
  };
  return {
    agent,
    giveUp: () => given.abort(),
    judged(ending) {
      const by = { kind: 'proxy', proxy: authority(proxy), target: authority(target) } as const;
      // Bytes of the proxy that are no HTTP look like a bad peer's.
      if (typeof state !== 'string' && (ending.kind === 'network' || ending.kind === 'bad_peer')) return { ...by, fault: state };
      if (state === 'asking' && ending.kind === 'timed_out') return { ...by, fault: { kind: 'silent' } };
      return ending;
    },
  };
}
