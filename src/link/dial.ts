import { getCACertificates } from 'node:tls';
import { type ClientOptions, WebSocket } from 'ws';
import { MAX_FRAME_BYTES, SUBPROTOCOL } from '../protocol/limits.ts';
import { answerPings } from './pongs.ts';

/** TCP, TLS and upgrade together, in milliseconds. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** How long a peer has to answer our close frame, in milliseconds. */
export const CLOSE_TIMEOUT_MS = 3_000;
/** A frame of 1 MiB in segments of 536 bytes, the smallest that IPv4 guarantees, is 1,957 pieces. */
const MAX_BUFFERED_CHUNKS = 4_096;
const MAX_FRAGMENTS = 64;

/**
 * Begins a connection to the control plane. The defaults of ws are made for browsers' friends, not for strangers: no
 * compression, no redirects, small messages, few fragments. Throws where the URL is not one, or the token cannot be a header.
 */
export function dial({ url, token, ca }: { url: string; token: string; ca: string | null }): WebSocket {
  const options: ClientOptions & { readonly closeTimeout: number } = {
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
    ...(url.startsWith('wss:') ? { minVersion: 'TLSv1.2', rejectUnauthorized: true, ca: authorities(ca) } : {}),
  };
  const socket = new WebSocket(url, [SUBPROTOCOL], options);
  answerPings(socket);
  return socket;
}

/** Our own CA replaces all others; without one, what Node.js trusts and what this machine trusts. */
function authorities(ca: string | null): string | string[] {
  return ca ?? [...getCACertificates('default'), ...getCACertificates('system')];
}
