import { createHash } from 'node:crypto';

/** The SHA-256 by which an `error` frame names a frame whose jobId could not be read, in lower-case hex. */
export function frameHash(frame: string | Buffer): string {
  return createHash('sha256').update(frame).digest('hex');
}
