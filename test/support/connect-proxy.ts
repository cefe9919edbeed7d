import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Arrivals, arrivals } from './arrivals.ts';

/** What a proxy does with a CONNECT: lets it through, says a status, or whatever a function does with the client's socket. */
type Answer = 'through' | number | ((client: Duplex) => void);

/** A real proxy for CONNECT (RFC 9110 §9.3.6) on a free port of 127.0.0.1, that can misbehave. With a certificate it speaks TLS. */
export async function startConnectProxy(
  options: { cert?: string; key?: string; clientCa?: readonly string[]; answer?: Answer } = {},
) {
  const { cert, key, clientCa } = options;
  // It asks for a client certificate, and takes no offence where none comes.
  const wished = clientCa === undefined ? {} : { requestCert: true, rejectUnauthorized: false, ca: [...clientCa] };
  const server = cert !== undefined && key !== undefined ? createHttpsServer({ cert, key, ...wished }) : createHttpServer();
  const asked: Arrivals<IncomingMessage> = arrivals();
  const clients = new Set<Duplex>();
  let answer: Answer = options.answer ?? 'through';
  let gone = Promise.withResolvers<void>();

  server.on('connection', (socket: Socket) => {
    clients.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      clients.delete(socket);
      if (clients.size > 0) return;
      gone.resolve();
      gone = Promise.withResolvers<void>();
    });
  });
  // A TLS handshake that fails is the test's own wish.
  server.on('tlsClientError', () => undefined);
  server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    client.on('error', () => client.destroy());
    asked.push(request);
    if (typeof answer === 'function') {
      answer(client);
      // What is not read does not tell that the client is gone.
      client.on('end', () => client.end()).resume();
      return;
    }
    if (typeof answer === 'number') {
      client.end(`HTTP/1.1 ${answer} No\r\nProxy-Authenticate: Basic realm="proxy"\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const { hostname, port } = new URL(`http://${request.url ?? ''}`);
    // Names that only tests know are this machine's.
    const upstream = connect({ host: '127.0.0.1', port: Number(port === '' ? 80 : port) });
    upstream.on('error', () => client.destroy());
    upstream.once('connect', () => {
      client.write(`HTTP/1.1 200 Through to ${hostname}\r\n\r\n`);
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a listening TCP server has a port');

  return {
    port: address.port,
    /** The next CONNECT, with its headers. */
    nextRequest: () => asked.next(),
    untaken: () => asked.left.length,
    answerWith: (next: Answer) => {
      answer = next;
    },
    /** Cuts every connection. */
    cut() {
      for (const client of clients) client.destroy();
    },
    /** Resolves when no client is connected any more. */
    abandoned: () => (clients.size === 0 ? Promise.resolve() : gone.promise),
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export type ConnectProxy = Awaited<ReturnType<typeof startConnectProxy>>;
