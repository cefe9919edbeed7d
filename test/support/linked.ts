import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { openWebSocketLink, type WebSocketLinkOptions } from '../../src/link/websocket-link.ts';
import { capturedLog } from './captured-log.ts';
import { fakeClock } from './fake-clock.ts';
import { WELCOME } from './link-contract.ts';
import { recordingListener } from './recording-listener.ts';
import { webSocketServer } from './websocket-peer.ts';

/** What must be in no log line. */
export const TOKEN = 'tok-5ecret-Value_42';
/** The longest heartbeat, so that a test may let a minute pass in one step. */
export const CALM = { ...WELCOME, heartbeatSeconds: 60 };

/** A link to the address, on a clock of its own. */
export async function linked(url: string, options: Partial<WebSocketLinkOptions> = {}) {
  const clock = fakeClock();
  const log = capturedLog();
  const token = () => Promise.resolve({ reveal: () => TOKEN });
  const link = openWebSocketLink({ url, token, ca: null, clock, random: () => 1, logger: log.logger, ...options });
  const listener = recordingListener();
  return {
    clock,
    log,
    link,
    listener,
    async [Symbol.asyncDispose]() {
      await link.stop();
      assert.deepEqual(clock.pending(), [], 'a stopped link leaves no timer');
    },
  };
}

export async function serving(options?: Parameters<typeof webSocketServer>[0]) {
  const server = await webSocketServer(options);
  return { ...server, [Symbol.asyncDispose]: () => server.close() };
}

export type Linked = Awaited<ReturnType<typeof linked>>;

/** A connection that was welcomed, with its hello taken. */
export async function welcomed(server: Awaited<ReturnType<typeof serving>>, { listener }: Linked, welcome: object = CALM) {
  const peer = await server.nextPeer();
  await peer.next();
  peer.send(welcome);
  const { connection } = await listener.welcomes.next();
  return { peer, connection };
}

/** A TCP server that talks as told, with what closes it. */
export async function tcpServer(talk: (socket: Socket) => void): Promise<{ url: string; close: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    talk(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/connect`,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A number of turns of the event loop, in which a socket that is read would deliver. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
}
