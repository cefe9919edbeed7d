import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createSecureContext, type SecureContextOptions, TLSSocket } from 'node:tls';
import type { Issued } from './certificate-authority.ts';

/** RFC 4511 §4.14.2: an extendedResp to message 1 with result code 0. */
const STARTED = Buffer.from('300c02010178070a010004000400', 'hex');

/** A server that says nothing, and remembers what it is told within TLS; with `startTls` that begins after a consent, as in LDAP. */
export async function recordingTls({
  certificate,
  startTls = false,
  settings = {},
}: {
  certificate: Issued;
  startTls?: boolean;
  settings?: SecureContextOptions;
}) {
  const secureContext = createSecureContext({ ...settings, cert: certificate.chain, key: certificate.key });
  const sockets = new Set<Socket>();
  const heard: Buffer[] = [];
  let closings = 0;
  const watchers = new Set<() => void>();
  const changed = () => {
    for (const watch of watchers) watch();
  };

  function secure(raw: Socket): void {
    const tls = new TLSSocket(raw, { isServer: true, secureContext });
    tls.on('error', () => raw.destroy());
    tls.on('data', (bytes: Buffer) => {
      heard.push(bytes);
      changed();
      tls.destroy();
    });
  }

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      sockets.delete(socket);
      closings += 1;
      changed();
    });
    if (!startTls) return secure(socket);
    socket.once('data', () => {
      socket.pause();
      socket.write(STARTED);
      secure(socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a listening TCP server has a port');

  const when = (holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const watch = () => {
        if (!holds()) return;
        watchers.delete(watch);
        resolve();
      };
      watchers.add(watch);
      watch();
    });

  return {
    port: address.port,
    /** All that was told within TLS. */
    heard: () => Buffer.concat(heard),
    /** Resolves when so many connections have come and gone. */
    gone: (count = 1) => when(() => closings >= count),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
