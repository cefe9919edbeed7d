import type { WebSocket } from 'ws';

/**
 * Answers pings, one at a time: while an answer waits for the kernel, only the latest ping is remembered, as RFC 6455 §5.5.3
 * allows. A peer that sends pings by the thousand, or does not read the answers, so costs neither time nor memory.
 */
export function answerPings(socket: WebSocket): void {
  let latest: Buffer | null = null;
  let answering = false;

  function answer(): void {
    if (answering || latest === null || socket.readyState !== socket.OPEN) return;
    const content = latest;
    latest = null;
    answering = true;
    socket.pong(content, undefined, () => {
      answering = false;
      answer();
    });
  }

  socket.on('ping', (content: Buffer) => {
    latest = content;
    answer();
  });
}
