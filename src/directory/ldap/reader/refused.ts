import { DirectoryError } from '../../directory.ts';

/** For what no directory sends: the connection cannot be used any more. */
export function refused(what: string): DirectoryError {
  return new DirectoryError('unavailable', `The directory sent ${what}, so the read was given up.`);
}
