import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { OperatorNews, OperatorRequest, OperatorResult } from '../access/operator.ts';
import type { Logger } from '../observability/logger.ts';
import { onLines } from './lines.ts';
import { OPERATOR_SOCKET, type OperatorAnswer, parseRequest } from './requests.ts';
import { socketPath } from './socket-path.ts';

export interface OperatorSocketOptions {
  readonly stateDir: string;
  /** Does what is asked; `tell` takes what is told on the way. Once the signal is aborted nobody waits any more. */
  readonly perform: (
    request: OperatorRequest,
    tell: (news: OperatorNews) => void,
    signal: AbortSignal,
  ) => Promise<OperatorResult>;
  readonly logger: Logger;
}

export interface OperatorSocket {
  close(): Promise<void>;
}

/** A person or two, and a script. */
const MAX_CONNECTIONS = 16;

/**
 * Takes requests of whoever may open the socket: it is in the state directory, which nobody else may enter, and has mode 0600. Without
 * it the connector does its work all the same, so one that cannot be opened is said and no reason to end.
 */
export async function openOperatorSocket(options: OperatorSocketOptions): Promise<OperatorSocket> {
  const path = join(options.stateDir, OPERATOR_SOCKET);
  const way = socketPath(options.stateDir);
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
    await listen(server, way.path);
    chmodSync(path, 0o600);
  } catch (error) {
    options.logger.warn(
      { event: 'operator.unavailable', path, error },
      'the socket for commands on this machine cannot be opened: no command will find this connector. See the cause',
    );
    server.close();
    way.release();
    return { close: async () => undefined };
  }
  return {
    close: () =>
      new Promise((resolve) => {
        stopping.abort(new Error('the connector is stopping'));
        server.close(() => {
          way.release();
          resolve();
        });
        for (const socket of open) socket.destroy();
      }),
  };
}

/** One request a connection; a connection that is closed ends the waiting. */
function serve(socket: Socket, { perform, logger }: OperatorSocketOptions, stopping: AbortSignal): void {
  const gone = new AbortController();
  let asked = false;
  socket.on('close', () => gone.abort(new Error('whoever asked has gone')));
  const answer = (line: OperatorAnswer): void => void socket.write(`${JSON.stringify(line)}\n`);

  async function answered(line: string): Promise<OperatorResult> {
    const request = parseRequest(line);
    if (request === null) return { answer: 'refused', message: 'this connector does not know that request' };
    logger.info({ event: 'operator.asked', ...request }, `a person on this machine asks: ${request.request}`);
    return await perform(request, answer, AbortSignal.any([stopping, gone.signal]));
  }

  onLines(socket, (line) => {
    if (asked) return;
    asked = true;
    answered(line).then(
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
