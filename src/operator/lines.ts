import type { Socket } from 'node:net';
import { MAX_LINE } from './requests.ts';

/** Calls `take` for each line that a socket brings; one that is too long ends it. */
export function onLines(socket: Socket, take: (line: string) => void): void {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk) => {
    const lines = `${rest}${String(chunk)}`.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE) socket.destroy();
    else for (const line of lines) take(line);
  });
}
