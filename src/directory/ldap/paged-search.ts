import { type BerWriter, Control, BerWriter as Writer } from 'ldapts';
import { DirectoryError } from '../directory.ts';
import type { LdapEntry } from './entry.ts';
import { readPagedCookie } from './ldap-message.ts';
import type { SearchRequest, Session } from './session.ts';

/** RFC 2696. */
const PAGED_RESULTS = '1.2.840.113556.1.4.319';
const OCTET_STRING = 0x04;
/** Of a tree that a connector is made for, these are 5 million entries; a server that never ends is stopped here. */
const MOST_PAGES = 10_000;

/**
 * A paged results control of our own: ldapts keeps the cookie to itself and takes an empty page for the end, which it is not
 * (RFC 2696 §3: only an empty cookie is).
 */
class PageRequest extends Control {
  readonly #size: number;
  readonly #cookie: Buffer;

  constructor(size: number, cookie: Buffer) {
    super(PAGED_RESULTS, { critical: true });
    this.#size = size;
    this.#cookie = cookie;
  }

  override writeControl(writer: BerWriter): void {
    const value = new Writer();
    value.startSequence();
    value.writeInt(this.#size);
    value.writeBuffer(this.#cookie, OCTET_STRING);
    value.endSequence();
    writer.writeBuffer(value.buffer, OCTET_STRING);
  }
}

/**
 * The entries of a search, page by page, to the end. One at a time on a session: servers keep one cookie per connection.
 * Rejects where a page is missing, so that what came before is not taken for the whole.
 */
export async function* pagedSearch(
  session: Session,
  request: Omit<SearchRequest, 'sizeLimit' | 'control'> & { pageSize: number },
  signal: AbortSignal,
): AsyncGenerator<readonly LdapEntry[]> {
  let cookie: Buffer = Buffer.alloc(0);
  let began: string | undefined;
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const control = new PageRequest(request.pageSize, cookie);
    const answer = await session.search({ ...request, sizeLimit: 0, control }, signal);
    yield answer.entries;
    const value = answer.result.controls.get(PAGED_RESULTS);
    const next = value === undefined ? undefined : readPagedCookie(value);
    if (next === undefined)
      throw new DirectoryError('refused', 'The directory answered a paged search without saying where it stands.');
    if (next.length === 0) return;
    // 389 Directory Server has one cookie for all pages of a search, so only the same page again is a search that stands still.
    const begins = answer.entries[0]?.dn;
    if (next.equals(cookie) && (begins === undefined || begins === began))
      throw new DirectoryError('refused', 'The directory gave the same place in a paged search twice.');
    began = begins;
    cookie = next;
  }
  throw new DirectoryError('refused', `A paged search did not end within ${MOST_PAGES} pages.`);
}
