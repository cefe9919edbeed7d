import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { FORBIDDEN, NOT_NAMED_AT_START } from './bounded-file.ts';
import { Secret } from './secret.ts';
import { SecretError, type SecretSource } from './secret-source.ts';

/** Longest secret taken, in bytes: tokens and passwords are far shorter, and a wrong path may name anything. */
const MAX_SECRET_BYTES = 16_384;

/** A secret that never changes. */
export function fixedSecret(value: string): SecretSource {
  const secret = new Secret(value);
  return async () => secret;
}

/** A secret in a file, read anew at each call (Docker and Kubernetes replace such files in place). See {@link readSecretFile}. */
export function fileSecret(path: string): SecretSource {
  return async () => readSecretFile(path);
}

/**
 * Reads a secret as UTF-8 from a regular file; one trailing newline is dropped. Throws a {@link SecretError}.
 *
 * It reads synchronously: such files are a few bytes in memory-backed mounts, and a start checks them before anything runs.
 */
export function readSecretFile(path: string): Secret {
  const bytes = readBounded(path);
  const text = bytes.toString('utf8').replace(/\r?\n$/, '');
  if (text === '') throw new SecretError('empty', `the secret file ${path} is empty: write the secret into it`);
  return new Secret(text);
}

function readBounded(path: string): Buffer {
  let file: number | undefined;
  try {
    // Without O_NONBLOCK, opening a FIFO would wait for a writer that may never come.
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    if (!fstatSync(file).isFile()) throw new SecretError('unreadable', `the secret file ${path} is not a regular file`);
    const buffer = Buffer.alloc(MAX_SECRET_BYTES + 1);
    const length = readSync(file, buffer, 0, buffer.length, 0);
    if (length > MAX_SECRET_BYTES)
      throw new SecretError(
        'too_large',
        `the secret file ${path} is longer than ${MAX_SECRET_BYTES} bytes: is it the right file?`,
      );
    return buffer.subarray(0, length);
  } catch (error) {
    throw error instanceof SecretError ? error : translated(path, error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function translated(path: string, cause: unknown): SecretError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
  if (code === 'ENOENT') return new SecretError('missing', `the secret file ${path} does not exist`, { cause });
  if (code === FORBIDDEN) return new SecretError('forbidden', `the secret file ${path} ${NOT_NAMED_AT_START}`, { cause });
  return new SecretError('unreadable', `the secret file ${path} cannot be read (${code})`, { cause });
}
