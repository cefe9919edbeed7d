import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import type { Parsed } from '../access/brand.ts';

/** Node.js's permission model (scripts/latchkey.sh) lets those files be read that were named when the process was started. */
export const FORBIDDEN = 'ERR_ACCESS_DENIED';
export const NOT_NAMED_AT_START =
  'may not be read: not there, or not named when the connector was started; see to it, and start it again';

/** The bytes of a regular file of at most so many bytes. The problem goes on the name of the file. Never throws. */
export function readBoundedFile(path: string, maxBytes: number): Parsed<Buffer> {
  let file: number | undefined;
  try {
    // Without O_NONBLOCK, opening a FIFO would wait for a writer that may never come.
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const status = fstatSync(file);
    if (!status.isFile()) return { ok: false, problem: 'is not a regular file' };
    if (status.size > maxBytes) return { ok: false, problem: `is a file of ${status.size} bytes` };
    return { ok: true, value: readFileSync(file) };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === FORBIDDEN) return { ok: false, problem: NOT_NAMED_AT_START };
    return { ok: false, problem: code === 'ENOENT' ? 'does not exist' : `cannot be read (${String(code)})` };
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
