import { connect, type Socket } from 'node:net';
import type { Clock } from '../../../access/clock.ts';
import type { OpenSocket } from '../dial.ts';

/** Read at once. A socket's own reads are of at most 64 KiB, and each costs an event. */
const BUFFER_BYTES = 512 * 1024;
/** What is less than this was read too early: the server is still writing. */
const SMALL_BYTES = 128 * 1024;
/** An answer that is not longer is read without a pause: of a small question, it may have been all. */
const SHORT_ANSWER_BYTES = 8 * 1024;
const PAUSE_MS = 1;

/**
 * Opens sockets for reading much. OpenLDAP writes a small packet for each entry, and whoever reads at once is woken for each: a
 * pause of 1 ms after a small read took two fifths of the processor's time and none of the clock's (measured with 100,000
 * entries). Beneath TLS nothing of it takes effect, as the socket is then read by TLS itself.
 */
export function bulkSockets(clock: Clock): OpenSocket {
  // Of connections that follow one another each takes that of the one before: it is large, and a delta is short.
  let spare: Buffer | null = null;

  return ({ host, port }) => {
    const buffer = spare ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    spare = null;
    const since = { written: 0, read: 0 };
    const socket: Socket = connect({
      host,
      port,
      onread: {
        buffer,
        callback: (length, read) => {
          // Whoever is told may keep it, and the buffer is written over by the next read.
          socket.emit('data', Buffer.from(read.subarray(0, length)));
          if (socket.bytesWritten !== since.written) {
            since.written = socket.bytesWritten;
            since.read = 0;
          }
          since.read += length;
          if (length >= SMALL_BYTES || since.read <= SHORT_ANSWER_BYTES) return true;
          clock.timer(PAUSE_MS, () => {
            if (!socket.isPaused() && !socket.destroyed) socket.resume();
          });
          return false;
        },
      },
    });
    socket.once('close', () => {
      spare = buffer;
    });
    return socket;
  };
}
