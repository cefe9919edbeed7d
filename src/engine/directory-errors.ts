import { type JobError, type JobErrorCode, jobError } from '../access/outcome.ts';
import { DirectoryError, type DirectoryFault } from '../directory/directory.ts';

/** How each trouble with the directory is told to the control plane. */
const CODE_OF_FAULT: Record<DirectoryFault, JobErrorCode> = {
  already_there: 'directory_refused',
  already_absent: 'directory_refused',
  last_member: 'directory_refused',
  gone: 'directory_refused',
  refused: 'directory_refused',
  busy: 'directory_unavailable',
  unavailable: 'directory_unavailable',
  bind_refused: 'directory_unavailable',
};

/** Turns an error of the directory into one for the wire; anything else is rethrown, since it is a fault of ours. */
export function directoryJobError(error: unknown): JobError {
  if (!(error instanceof DirectoryError)) throw error;
  return jobError(CODE_OF_FAULT[error.fault], error.message, error.ldap ?? undefined);
}

/** The membership could be neither seen nor ruled out. */
export function unknownMembership(groupDn: string): JobError {
  return jobError(
    'directory_refused',
    `asked whether the user is in "${groupDn}", and the directory showed neither a member nor its absence; give the connector's account the right to search and read the member attribute of this group (latchkey check tells)`,
  );
}
