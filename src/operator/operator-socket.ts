import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { EngineSync } from '../engine/sync-request.ts';
import type { Logger } from '../observability/logger.ts';
import { onLines } from './lines.ts';
import { OPERATOR_SOCKET, type OperatorAnswer, parseRequest } from './requests.ts';

export interface OperatorSocketOptions {
  readonly stateDir: string;
  readonly requestSync: EngineSync['request'];
  /** Tells how many records the run of now has told, as it goes; the returned function ends that. */
  readonly onProgress: (tell: (records: number) => void) => () => void;
  readonly logger: Logger;
}

export interface OperatorSocket {
  close(): Promise<void>;
}

/** A person or two, and a script. */
const MAX_CONNECTIONS = 16;

/**
 * Takes requests of whoever may open the socket: it is in the state directory, which nobody else may enter, and has mode 0600. Without
 * it the connector does its work all the same, so a path that is too long for a socket (some 100 bytes) is said and no reason to end.
 */
export async function openOperatorSocket(options: OperatorSocketOptions): Promise<OperatorSocket> {
  const path = join(options.stateDir, OPERATOR_SOCKET);
  const open = new Set<Socket>();
  const stopping = new AbortController();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    // Who has gone away is told nothing.
    socket.on('error', () => socket.destroy());
    serve(socket, options, stopping.signal);
  });
  server.maxConnections = MAX_CONNECTIONS;
  try {
    // Of an earlier process: the state directory is ours alone, so nobody listens there.
    rmSync(path, { force: true });
    await listen(server, path);
    chmodSync(path, 0o600);
  } catch (error) {
    options.logger.warn(
      { event: 'operator.unavailable', path, error },
      'the socket for commands on this machine cannot be opened: "latchkey sync" will not find this connector. See the cause; a path may have some 100 bytes',
    );
    server.close();
    return { close: async () => undefined };
  }
  return {
    close: () =>
      new Promise((resolve) => {
        stopping.abort(new Error('the connector is stopping'));
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** One request a connection; a connection that is closed ends the waiting. */
function serve(socket: Socket, { requestSync, onProgress, logger }: OperatorSocketOptions, stopping: AbortSignal): void {
  const gone = new AbortController();
  let asked = false;
  socket.on('close', () => gone.abort(new Error('whoever asked has gone')));
  const answer = (line: OperatorAnswer): void => void socket.write(`${JSON.stringify(line)}\n`);

  async function sync(line: string): Promise<OperatorAnswer> {
    const request = parseRequest(line);
    if (request === null) return { answer: 'refused', message: 'this connector does not know that request' };
    const { mode, acceptRemovals } = request;
    logger.info({ event: 'operator.asked', request: 'sync', mode, acceptRemovals }, 'a person on this machine asks for a sync');
    const quiet = onProgress((records) => answer({ answer: 'progress', records }));
    try {
      const signal = AbortSignal.any([stopping, gone.signal]);
      const outcome = await requestSync({ mode, acceptRemovals, notAfter: null }, signal);
      if (outcome.kind === 'failed') return { answer: 'failed', error: outcome.error };
      return { answer: outcome.kind };
    } finally {
      quiet();
    }
  }

  onLines(socket, (line) => {
    if (asked) return;
    asked = true;
    sync(line).then(
      (last) => socket.end(`${JSON.stringify(last)}\n`),
      (error: unknown) => {
        if (!gone.signal.aborted && !stopping.aborted)
          logger.error({ event: 'operator.failed', error }, 'a request of this machine failed unexpectedly');
        socket.destroy();
      },
    );
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
