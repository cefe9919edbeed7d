import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { OPERATOR_SOCKET } from './requests.ts';

/** A path to the socket that the kernel takes, for as long as it is not released. */
export interface SocketPath {
  readonly path: string;
  release(): void;
}

/** `sun_path` of unix(7) has 108 bytes on Linux and 104 elsewhere, with the one that ends it. */
const MAX_BYTES = 103;
const OWN_FILES = '/proc/self/fd';

/** The socket of a state directory; where its path is too long, by way of the open directory, as Linux lets a process do. */
export function socketPath(stateDir: string): SocketPath {
  const path = join(stateDir, OPERATOR_SOCKET);
  if (Buffer.byteLength(path) <= MAX_BYTES || !existsSync(OWN_FILES) || !existsSync(stateDir))
    return { path, release: () => undefined };
  const folder = openSync(stateDir, 'r');
  return { path: `${OWN_FILES}/${folder}/${OPERATOR_SOCKET}`, release: () => closeSync(folder) };
}
