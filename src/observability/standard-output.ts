import { writeSync } from 'node:fs';

/** Where lines go; each ends in a newline. */
export interface LogDestination {
  write(line: string): void;
}

/** What waits while stdout takes nothing, in bytes; lines beyond are lost. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** How long a full pipe is waited for before its reader counts as stalled; one that only is slow takes a few milliseconds. */
const PATIENCE_MS = 100;
const PAUSE_MS = 5;

/**
 * Stdout, written synchronously, so that the last lines before a crash are there. A log that cannot be written, on a full disk, to
 * a terminal that is gone or to a reader that stalls, must not keep anything from ending: then lines wait, and are written with
 * the next one that is logged.
 */
export function standardOutput(): LogDestination {
  // Node makes a pipe or a socket non-blocking when it is first asked for it; to write to a blocking one could take for ever.
  const { fd } = process.stdout;
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const waiting: Buffer[] = [];
  let waitingBytes = 0;
  let patienceMs = PATIENCE_MS;

  /** Writes some of what waits; false where nothing more is taken. */
  function writeSome(first: Buffer): boolean {
    try {
      const written = writeSync(fd, first);
      waitingBytes -= written;
      if (written < first.length) waiting[0] = first.subarray(written);
      else waiting.shift();
      return true;
    } catch (error) {
      const isFull = error instanceof Error && 'code' in error && error.code === 'EAGAIN';
      if (!isFull || patienceMs <= 0) return false;
      patienceMs -= PAUSE_MS;
      Atomics.wait(pause, 0, 0, PAUSE_MS);
      return true;
    }
  }

  return {
    write(line) {
      const bytes = Buffer.from(line);
      if (waitingBytes + bytes.length <= MAX_WAITING_BYTES) {
        waiting.push(bytes);
        waitingBytes += bytes.length;
      }
      // Ends: each turn writes something or costs patience, which comes back only when nothing waits.
      for (let [first] = waiting; first !== undefined; [first] = waiting) if (!writeSome(first)) return;
      patienceMs = PATIENCE_MS;
    },
  };
}
