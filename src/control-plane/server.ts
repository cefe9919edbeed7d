import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { CLOSE, MAX_FRAME_BYTES, SUBPROTOCOL } from '../protocol/limits.ts';
import type { ServerCertificate } from './certificates.ts';
import type { Desk } from './desk.ts';
import { openFront } from './front.ts';
import { runSession } from './session.ts';
import type { Tokens } from './tokens.ts';

const CONNECT_PATH = '/connect';
/** How long a connector has to answer a close frame, and an HTTP client to read its answer, when the stub stops. */
const CLOSE_TIMEOUT_MS = 2_000;

export interface Listening {
  readonly connectUrl: string;
  readonly apiUrl: string;
  /** Closes every connection with 1001. Resolves when the last socket is gone. */
  close(): Promise<void>;
}

/**
 * Opens the one port of the stub: connectors at /connect, the HTTP API and the console beside it. `apiTokens` null: the API asks
 * for none; `certificate` null: cleartext. Rejects with the error of the listening socket, EADDRINUSE above all.
 */
export async function listen(options: {
  host: string;
  port: number;
  desk: Desk;
  connectorTokens: Tokens;
  apiTokens: Tokens | null;
  certificate: ServerCertificate | null;
}): Promise<Listening> {
  const { host, desk, connectorTokens, apiTokens, certificate } = options;
  const stopping = new AbortController();
  const server: Server =
    certificate === null
      ? createHttpServer()
      : createHttpsServer({ cert: certificate.cert, key: certificate.key, minVersion: 'TLSv1.2' });
  const webSockets = openWebSocketServer(desk);
  const front = openFront({ desk, apiTokens });

  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const signal = AbortSignal.any([gone.signal, stopping.signal]);
    void front.answer(request, response, signal);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const tokenHash = connectorTokens.recognise(request.headers.authorization);
    const refusal = refusalOf(request, tokenHash !== undefined);
    if (refusal !== undefined || tokenHash === undefined || stopping.signal.aborted) {
      return refuseUpgrade(socket, refusal ?? '503 Service Unavailable');
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) => runSession(webSocket, tokenHash, desk));
  });

  server.listen(options.port, host);
  await once(server, 'listening');
  server.on('error', (error) => desk.note(`the server said: ${error.message}`));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a listening TCP server has a port');
  // Every address is no address to call; this machine's own name for itself is in the certificate.
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  const authority = `${name.includes(':') ? `[${name}]` : name}:${address.port}`;
  const s = certificate === null ? '' : 's';

  async function close(): Promise<void> {
    stopping.abort();
    const closed = once(server, 'close');
    for (const webSocket of webSockets.clients) webSocket.close(CLOSE.shutdown, 'the stub stops');
    webSockets.close();
    server.close();
    server.closeIdleConnections();
    const cancel = desk.clock.timer(CLOSE_TIMEOUT_MS, () => {
      for (const webSocket of webSockets.clients) webSocket.terminate();
      server.closeAllConnections();
    });
    await closed;
    cancel();
  }

  return { connectUrl: `ws${s}://${authority}${CONNECT_PATH}`, apiUrl: `http${s}://${authority}/`, close };
}

function openWebSocketServer({ clock }: Pick<Desk, 'clock'>): WebSocketServer {
  const options = {
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
    maxFragments: 64,
    closeTimeout: CLOSE_TIMEOUT_MS,
    handleProtocols: () => SUBPROTOCOL,
  };
  // RFC 9110 §6.6.1: a server with a clock says what time it is; to the upgrade, ws would not.
  return new WebSocketServer(options).on('headers', (headers) => headers.push(`Date: ${new Date(clock.wall()).toUTCString()}`));
}

function refusalOf(request: IncomingMessage, tokenKnown: boolean): string | undefined {
  const { pathname } = new URL(request.url ?? '/', 'http://stub');
  if (pathname !== CONNECT_PATH) return '404 Not Found';
  if (!tokenKnown) return '401 Unauthorized';
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  return offered.includes(SUBPROTOCOL) ? undefined : '426 Upgrade Required';
}

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.on('error', () => socket.destroy());
  const headers = `Connection: close\r\nContent-Length: 0\r\n${status.startsWith('426') ? 'Upgrade: websocket\r\n' : ''}`;
  socket.end(`HTTP/1.1 ${status}\r\n${headers}\r\n`);
}
