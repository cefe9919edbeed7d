import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What becomes of a connection before anything of ours answers it. */
export type Misbehaviour = (socket: Socket) => void;

/** Stands before a WebSocket server on this machine: what it is told to do to the next connections, it does, once each. */
export async function misbehavingFront(targetPort: number) {
  const next: Misbehaviour[] = [];
  const sockets = new Set<Socket>();
  const met = new Set<() => void>();
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
  };
  const listener = createServer((socket) => {
    keep(socket);
    const misbehave = next.shift();
    if (misbehave !== undefined) {
      misbehave(socket);
      // What nobody reads keeps a socket from its end.
      socket.resume();
      socket.once('close', () => {
        for (const tell of met) tell();
      });
      return;
    }
    const server = keep(connect(targetPort, '127.0.0.1'));
    socket.pipe(server).pipe(socket);
    socket.once('close', () => server.destroy());
    server.once('close', () => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    url: `ws://127.0.0.1:${(listener.address() as AddressInfo).port}/connect`,
    /** Resolves when that connection, one of those to come, is over. */
    async misbehave(as: Misbehaviour): Promise<void> {
      next.push(as);
      const over = Promise.withResolvers<void>();
      const tell = (): void => {
        if (next.length > 0) return;
        met.delete(tell);
        over.resolve();
      };
      met.add(tell);
      await over.promise;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

/** Answers the request for an upgrade once it is whole. */
const answering =
  (answer: string): Misbehaviour =>
  (socket) => {
    let asked = '';
    socket.on('data', (chunk) => {
      asked += String(chunk);
      if (asked.includes('\r\n\r\n')) socket.end(answer);
    });
  };

const refusal = (status: string, ...headers: readonly string[]) =>
  answering([`HTTP/1.1 ${status}`, 'Content-Length: 0', ...headers, '', ''].join('\r\n'));

const ACCEPTED = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];

/** Every way in which an upgrade can go wrong that takes no time; `elsewhere` is where a redirect leads. */
export function badUpgrades(elsewhere: string): readonly { readonly title: string; readonly as: Misbehaviour }[] {
  return [
    ...[301, 302, 303, 307, 308].map((status) => ({
      title: `a redirect ${status}`,
      as: refusal(`${status} Elsewhere`, `Location: ${elsewhere}`),
    })),
    ...['200 OK', '401 Unauthorized', '403 Forbidden', '426 Upgrade Required', '500 Oops', '999 Odd'].map((status) => ({
      title: `the status ${status}`,
      as: refusal(status),
    })),
    { title: 'a wait of a thousand years', as: refusal('503 Busy', 'Retry-After: 31536000000') },
    {
      title: 'a key that is not the answer to ours',
      as: answering([...ACCEPTED, 'Sec-WebSocket-Accept: AAAA', '', ''].join('\r\n')),
    },
    { title: 'no key', as: answering([...ACCEPTED, '', ''].join('\r\n')) },
    { title: 'headers without end', as: answering(`HTTP/1.1 101 Ok\r\n${'X-Y: z\r\n'.repeat(50_000)}`) },
    { title: 'a header of a mebibyte', as: answering(`HTTP/1.1 101 Ok\r\nX: ${'y'.repeat(1_048_576)}\r\n\r\n`) },
    { title: 'what is no HTTP', as: (socket) => void socket.end('220 mail.example.com ESMTP\r\n') },
    { title: 'bytes of TLS', as: (socket) => void socket.end(Buffer.from('16030100020100', 'hex')) },
    { title: 'an end at once', as: (socket) => void socket.end() },
    { title: 'a reset', as: (socket) => void socket.resetAndDestroy() },
  ];
}
