import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { connect } from 'node:tls';

const host = '127.0.0.1';

/**
 * Below the range that systems give to outgoing connections (32768 on Linux, RFC 6335 §6 begins it at 49152). A port of that
 * range can be taken by anybody's connection while its server restarts, even by a client that dials the very port.
 */
const FIRST_PORT = 15_000;
const LAST_PORT = 32_000;

/** How many ports are tried for each that is wanted, before the machine must be full. */
const TRIES = 200;

/** Distinct ports of 127.0.0.1 that nobody listened on a moment ago. Another program may take one before they are used. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count && tries < count * TRIES; tries += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    if (!ports.has(port) && (await isFreePort(port))) ports.add(port);
  }
  if (ports.size < count) throw new Error(`No ${count} free ports of 127.0.0.1 between ${FIRST_PORT} and ${LAST_PORT}.`);
  return [...ports];
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

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
