import { connect } from 'node:net';
import type { OperatorNews, OperatorRequest, OperatorResult } from '../access/operator.ts';
import { onLines } from './lines.ts';
import { isNews, parseAnswer } from './requests.ts';
import { socketPath } from './socket-path.ts';

/** How asking ended. `absent`: no connector runs with this state directory; `lost`: it went away before it answered. */
export type Asked = OperatorResult | { readonly answer: 'absent' } | { readonly answer: 'lost' };

/** Asks the connector that runs with this state directory; an abort ends the asking as `lost`. */
export function askOperator(
  { stateDir, request, signal }: { stateDir: string; request: OperatorRequest; signal?: AbortSignal },
  onNews: (news: OperatorNews) => void,
): Promise<Asked> {
  return new Promise((resolve) => {
    const way = socketPath(stateDir);
    const socket = connect(way.path);
    let connected = false;
    const stop = (): void => void socket.destroy();
    signal?.addEventListener('abort', stop, { once: true });
    socket.on('connect', () => {
      connected = true;
      socket.write(`${JSON.stringify(request)}\n`);
    });
    onLines(socket, (line) => {
      const answer = parseAnswer(line);
      if (answer === null) return;
      if (isNews(answer)) return onNews(answer);
      resolve(answer);
      socket.destroy();
    });
    // What came of it is told by `close`, which follows.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      signal?.removeEventListener('abort', stop);
      way.release();
      resolve({ answer: connected ? 'lost' : 'absent' });
    });
  });
}
