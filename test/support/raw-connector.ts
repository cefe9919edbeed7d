import { once } from 'node:events';
import { WebSocket } from 'ws';
import { type Arrivals, arrivals } from './arrivals.ts';
import { LEDGER_ID } from './recording-listener.ts';

export function helloFrame(changes: Record<string, unknown> = {}) {
  return {
    type: 'hello',
    connectorId: 'c-1',
    instanceId: 'i-1',
    ledgerId: LEDGER_ID,
    nextSeq: 1,
    version: '0.0.0',
    startedAt: '2026-01-01T00:00:00.000Z',
    capabilities: [],
    directory: null,
    ...changes,
  };
}

/** A connector that does what a test says, right or wrong. */
export async function rawConnector({
  url,
  token,
  autoPong = true,
  protocols = ['latchkey.v1'],
}: {
  url: string;
  token: string;
  autoPong?: boolean;
  protocols?: string[];
}) {
  const frames: Arrivals<Record<string, unknown>> = arrivals();
  const socket = new WebSocket(url, protocols, {
    headers: { Authorization: `Bearer ${token}` },
    perMessageDeflate: false,
    autoPong,
  });
  const closed = Promise.withResolvers<number>();
  socket.on('message', (bytes: Buffer) => frames.push(JSON.parse(bytes.toString('utf8')) as Record<string, unknown>));
  socket.on('close', (code: number) => {
    frames.end(`the stub closed with ${code}`);
    closed.resolve(code);
  });
  await once(socket, 'open');
  const connector = {
    socket,
    closed: closed.promise,
    next: () => frames.next(),
    left: frames.left,
    send: (frame: unknown) => socket.send(JSON.stringify(frame)),
    sendText: (text: string) => socket.send(text),
    event: (seq: number, event: unknown) => connector.send({ type: 'event', seq, at: '2026-01-01T00:00:00.000Z', event }),
    /** Says hello; the welcome. */
    async greet(changes: Record<string, unknown> = {}) {
      connector.send(helloFrame(changes));
      return await frames.next();
    },
    async [Symbol.asyncDispose]() {
      socket.terminate();
      await closed.promise;
    },
  };
  return connector;
}

/** The HTTP status with which an upgrade is refused. */
export async function refusedStatus(url: string, { token, protocols }: { token: string; protocols?: string[] }): Promise<number> {
  const socket = new WebSocket(url, protocols ?? ['latchkey.v1'], { headers: { Authorization: `Bearer ${token}` } });
  const status = Promise.withResolvers<number>();
  socket.on('error', () => {});
  socket.on('open', () => status.reject(new Error('the upgrade was accepted')));
  socket.on('unexpected-response', (_request, response) => {
    status.resolve(response.statusCode ?? 0);
    socket.terminate();
  });
  return await status.promise;
}
