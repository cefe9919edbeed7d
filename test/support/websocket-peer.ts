import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Arrivals, arrivals } from './arrivals.ts';
import type { LinkPeer } from './link-contract.ts';

/** The other end of a real connection. */
export interface WebSocketPeer extends LinkPeer {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
}

/** A WebSocket server on a free loopback port, for tests that play the control plane. */
export async function webSocketServer(
  options: {
    cert?: string;
    key?: string;
    /** PEM: a client must show a certificate of one of these authorities. */
    clientCa?: readonly string[];
    autoPong?: boolean;
    protocol?: string | false;
  } = {},
) {
  const { cert, key, clientCa, protocol = 'latchkey.v1' } = options;
  const secure = cert !== undefined && key !== undefined;
  const demanded = clientCa === undefined ? {} : { requestCert: true, rejectUnauthorized: true, ca: [...clientCa] };
  const http = secure ? createHttpsServer({ cert, key, ...demanded }) : createHttpServer();
  const peers: Arrivals<WebSocketPeer> = arrivals();
  const server = new WebSocketServer({
    server: http,
    perMessageDeflate: false,
    autoPong: options.autoPong ?? true,
    handleProtocols: () => protocol,
  });
  const sockets = new Set<Socket>();
  http.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('connection', (socket: WebSocket, request: IncomingMessage) => peers.push(peerOf(socket, request)));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const address = http.address();
  if (address === null || typeof address === 'string') throw new Error('a listening TCP server has a port');
  const scheme = secure ? 'wss' : 'ws';
  return {
    url: `${scheme}://127.0.0.1:${address.port}/connect`,
    port: address.port,
    nextPeer: () => peers.next(),
    /** Connections that were made and not yet taken by `nextPeer`. */
    untaken: () => peers.left.length,
    async close() {
      for (const socket of server.clients) socket.terminate();
      for (const socket of sockets) socket.destroy();
      server.close();
      http.close();
      await once(http, 'close');
    },
  };
}

function peerOf(socket: WebSocket, request: IncomingMessage): WebSocketPeer {
  const frames: Arrivals<Record<string, unknown>> = arrivals();
  const closed = Promise.withResolvers<number>();
  socket.on('message', (bytes: Buffer) => frames.push(JSON.parse(bytes.toString('utf8')) as Record<string, unknown>));
  socket.on('error', () => socket.terminate());
  socket.on('close', (code: number) => {
    frames.end('the connection is closed');
    closed.resolve(code);
  });
  return {
    socket,
    request,
    send: (frame) => socket.send(JSON.stringify(frame)),
    sendText: (text) => socket.send(text),
    next: () => frames.next(),
    lose: () => socket.terminate(),
    closed: closed.promise,
  };
}
