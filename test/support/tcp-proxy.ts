import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A TCP proxy between a client and a server on this machine, that can spoil what passes. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** How many connections were accepted so far, and how many of them are open. */
  accepted(): number;
  open(): number;
  /** What clients sent so far, a buffer for each connection. */
  sent(): readonly Buffer[];
  /** Resolves when so many connections have been accepted in all. */
  untilAccepted(count: number): Promise<void>;
  /** The next bytes of a client reach the server; its answer is dropped after `bytes` bytes, and the connection reset. */
  loseNextAnswer(bytes?: number): void;
  /** Nothing passes in either direction, and nothing is closed, until `resume`. */
  stall(): void;
  resume(): void;
  /** Resets every open connection. */
  reset(): void;
  /** New connections are reset at once, until `admit`. */
  refuse(): void;
  admit(): void;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  readonly sent: Buffer[];
  /** How many bytes of answers still pass; null while all do. */
  budget: number | null;
}

/** Starts a proxy on a free port of 127.0.0.1 before a port of the same address. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  const records: Buffer[][] = [];
  let waiting: { count: number; resolve: () => void }[] = [];
  let answerToLose: number | null = null;
  let isRefusing = false;
  let isStalled = false;

  const listener = createServer((client) => {
    client.on('error', () => undefined);
    if (isRefusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ host: '127.0.0.1', port: targetPort });
    server.on('error', () => undefined);
    const pair: Pair = { client, server, sent: [], budget: null };
    pairs.add(pair);
    records.push(pair.sent);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      if (isStalled) socket.pause();
    }
    client.on('data', (chunk: Buffer) => {
      pair.sent.push(chunk);
      if (answerToLose !== null) {
        pair.budget = answerToLose;
        answerToLose = null;
      }
      server.write(chunk);
    });
    server.on('data', (chunk: Buffer) => {
      if (pair.budget === null) {
        client.write(chunk);
        return;
      }
      const passing = chunk.subarray(0, pair.budget);
      pair.budget -= passing.length;
      if (passing.length > 0) client.write(passing);
      if (passing.length < chunk.length) {
        client.resetAndDestroy();
        server.destroy();
      }
    });
    client.on('end', () => server.end());
    server.on('end', () => client.end());
    client.on('close', () => {
      pairs.delete(pair);
      server.destroy();
    });
    server.on('close', () => client.destroy());
    waiting = waiting.filter(({ count, resolve }) => {
      if (records.length < count) return true;
      resolve();
      return false;
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');

  const both = (act: (socket: Socket) => void) => {
    for (const { client, server } of pairs) {
      act(client);
      act(server);
    }
  };
  const close = async (): Promise<void> => {
    if (!listener.listening) return;
    both((socket) => socket.destroy());
    listener.close();
    await once(listener, 'close');
  };

  return {
    port: address.port,
    accepted: () => records.length,
    open: () => pairs.size,
    sent: () => records.map((chunks) => Buffer.concat(chunks)),
    async untilAccepted(count) {
      if (records.length >= count) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ count, resolve });
      await promise;
    },
    loseNextAnswer: (bytes = 0) => {
      answerToLose = bytes;
    },
    stall() {
      isStalled = true;
      both((socket) => socket.pause());
    },
    resume() {
      isStalled = false;
      both((socket) => socket.resume());
    },
    reset: () => both((socket) => socket.resetAndDestroy()),
    refuse: () => {
      isRefusing = true;
    },
    admit: () => {
      isRefusing = false;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
