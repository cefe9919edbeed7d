import { DirectoryError } from '../../directory.ts';
import { type LdapResult, readPagedCookie } from '../ldap-message.ts';
import { answeredError, ldapAnswer } from '../result-codes.ts';
import type { Line, LineSearch, SearchReceiver } from './line.ts';
import { PAGED_RESULTS, pageControl } from './requests.ts';

/** Of a directory that a connector is made for, these are some 20 million entries; a server that never ends is stopped here. */
const MOST_PAGES = 100_000;
const LEAST_PAGE = 50;
const ADMIN_LIMIT_EXCEEDED = 11;

export interface PagedSearch extends Omit<LineSearch, 'controls' | 'sizeLimit'> {
  readonly pageSize: number;
  /** Beside the one for the pages. */
  readonly controls?: LineSearch['controls'];
}

/**
 * Reads all entries of a search, page by page (RFC 2696). A page may be empty and is the last only where its cookie is. The next
 * is asked for before anybody has done anything with this one. Rejects with what to do where the server gave anything but all.
 *
 * A page size that the server refuses (result 11, before any entry) is halved and asked for again.
 */
export async function readPages(
  line: Line,
  { pageSize, controls: others = [], ...asked }: PagedSearch,
  receiver: SearchReceiver,
  signal: AbortSignal,
): Promise<void> {
  let cookie: Buffer = Buffer.alloc(0);
  let size = pageSize;
  let entries = 0;
  /** The first entry of this page, and of the one before. */
  let begins: string | null = null;
  let began: string | null = null;
  const counted: SearchReceiver = {
    ...receiver,
    entry(entry) {
      entries += 1;
      begins ??= entry.dn;
      receiver.entry(entry);
    },
  };
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    begins = null;
    const result = await line.search(
      { ...asked, sizeLimit: 0, controls: [pageControl(size, cookie), ...others] },
      counted,
      signal,
    );
    if (result.resultCode === ADMIN_LIMIT_EXCEEDED && entries === 0 && size > LEAST_PAGE) {
      size = Math.max(LEAST_PAGE, Math.floor(size / 2));
      continue;
    }
    if (result.resultCode !== 0) throw incomplete(result, `read beneath "${asked.base}"`);
    const value = result.controls.get(PAGED_RESULTS);
    const next = value === undefined ? undefined : readPagedCookie(value);
    if (next === undefined)
      throw new DirectoryError('refused', 'The directory answered a paged search without saying where it stands.');
    if (next.length === 0) return;
    // 389 Directory Server has one cookie for all pages of a search, so only the same page again is a search that stands still.
    if (next.equals(cookie) && (begins === null || begins === began))
      throw new DirectoryError('refused', 'The directory gave the same place in a paged search twice.');
    began = begins;
    cookie = next;
  }
  throw new DirectoryError('refused', `A paged search did not end within ${MOST_PAGES} pages.`);
}

/** What is to be done about a limit, by the result that tells of it. */
const ADVICE: Readonly<Record<number, string>> = {
  3: 'Raise the time limit of the account.',
  4: 'Raise the limit of entries of the account, for paged reads too: `latchkey acl` shows how.',
  11: 'Raise the limits of the account, or lower LDAP_PAGE_SIZE: `latchkey acl` shows how.',
  12: 'Reading a whole directory needs paged results (RFC 2696).',
  32: 'Check LDAP_BASE_DN, the scopes and the rights of the account.',
  50: 'Check the rights of the account: `latchkey acl` shows them.',
};

/** A read that was not all: nothing of it may be used. */
export function incomplete(result: LdapResult, doing: string): DirectoryError {
  const error = answeredError(result, doing);
  const advice = ADVICE[result.resultCode];
  const message = `${error.message}${advice === undefined ? '' : ` ${advice}`} Nothing of this read is used.`;
  // What is not there says nothing about what was beneath it.
  return new DirectoryError(error.fault === 'gone' ? 'refused' : error.fault, message, { ldap: ldapAnswer(result) });
}
