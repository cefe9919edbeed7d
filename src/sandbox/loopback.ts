import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { connect } from 'node:tls';

const host = '127.0.0.1';

/** Distinct ports of 127.0.0.1 that nobody listened on a moment ago. Another program may take one before they are used. */
export async function freePorts(count: number): Promise<number[]> {
  // All are held until the last is known, or the same port could come twice.
  const servers = await Promise.all(Array.from({ length: count }, () => listen(0)));
  const ports = servers.map(portOf);
  await Promise.all(servers.map(close));
  return ports;
}

/** Whether nobody listens on the port of 127.0.0.1 now. */
export async function isFreePort(port: number): Promise<boolean> {
  try {
    await close(await listen(port));
    return true;
  } catch {
    return false;
  }
}

/** Whether a server on the port of 127.0.0.1 completes a TLS handshake within 2 s, as `localhost`, with a certificate of `ca`. */
export async function servesTls(port: number, ca: string): Promise<boolean> {
  const socket = connect({ host, port, ca, servername: 'localhost' });
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(2_000) });
    return socket.authorized;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function listen(port: number): Promise<Server> {
  const server = createServer();
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('A listening TCP server has a port.');
  return address.port;
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
