import type { DirectoryServer } from '../support/ldap-directory-under-test.ts';
import type { Took } from './timed-program.ts';

/** Of each user, read by every program. */
export const USER_ATTRIBUTES = ['entryUUID', 'uid', 'cn', 'sn', 'givenName', 'mail', 'title', 'uidNumber'] as const;
export const PAGE_SIZE = 1_000;

/** What a child of the bench is to read. The account is the administrator's, for whom no limit holds. */
export interface ReadAsked {
  readonly by: 'reader' | 'ldapts';
  readonly server: DirectoryServer;
  readonly url: string;
  readonly base: string;
}

export interface ReadAnswer extends Took {
  readonly count: number;
}
