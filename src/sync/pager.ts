import { MAX_SYNC_PAGE_BYTES, MAX_SYNC_RECORDS } from '../protocol/limits.ts';
import type { SyncStream } from './channel.ts';

/** Of a page's frame, what is not records: its type, the id of the stream and the number of the page. */
const FRAME_BYTES = 512;

/** Gathers records to pages. */
export interface Pager {
  /** Takes one record as JSON. Null where there is room for the next, else a promise for it. */
  add(record: string): Promise<void> | null;
  /** Sends what is left. */
  flush(): Promise<void>;
  records(): number;
}

/** Pages of as many records as a frame may have, and of no more bytes. A record is shorter than a page, whatever it says. */
export function pager(stream: Pick<SyncStream, 'page'>): Pager {
  let page: string[] = [];
  let bytes = FRAME_BYTES;
  let records = 0;

  async function send(): Promise<void> {
    const full = page;
    page = [];
    bytes = FRAME_BYTES;
    await stream.page(full);
  }

  return {
    add(record) {
      const size = Buffer.byteLength(record) + 1;
      const sent = page.length > 0 && bytes + size > MAX_SYNC_PAGE_BYTES ? send() : null;
      page.push(record);
      bytes += size;
      records += 1;
      if (sent !== null) return sent;
      return page.length >= MAX_SYNC_RECORDS ? send() : null;
    },
    async flush() {
      if (page.length > 0) await send();
    },
    records: () => records,
  };
}
