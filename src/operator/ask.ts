import { connect } from 'node:net';
import { join } from 'node:path';
import { onLines } from './lines.ts';
import { OPERATOR_SOCKET, type OperatorAnswer, type OperatorRequest, parseAnswer } from './requests.ts';

/** How asking ended. `absent`: no connector runs with this state directory; `lost`: it went away before it answered. */
export type Asked = Exclude<OperatorAnswer, { answer: 'progress' }> | { readonly answer: 'absent' | 'lost' };

/** Asks the connector that runs with this state directory. */
export function askOperator(
  { stateDir, request }: { stateDir: string; request: OperatorRequest },
  onProgress: (records: number) => void,
): Promise<Asked> {
  return new Promise((resolve) => {
    const socket = connect(join(stateDir, OPERATOR_SOCKET));
    let connected = false;
    socket.on('connect', () => {
      connected = true;
      socket.write(`${JSON.stringify(request)}\n`);
    });
    onLines(socket, (line) => {
      const answer = parseAnswer(line);
      if (answer === null) return;
      if (answer.answer === 'progress') return onProgress(answer.records);
      resolve(answer);
      socket.destroy();
    });
    // What came of it is told by `close`, which follows.
    socket.on('error', () => undefined);
    socket.on('close', () => resolve({ answer: connected ? 'lost' : 'absent' }));
  });
}
