import type { Directory } from '../directory/directory.ts';

/** The directory server in use, for the audit trail: a look that is over was at it. Nothing where there is none any more. */
export function onServer({ directory }: { readonly directory: Directory }): { readonly server?: string } {
  const status = directory.status();
  return status.state === 'up' ? { server: status.server } : {};
}
