import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { LedgerError } from '../ledger.ts';
import { flushByWriting } from './durable.ts';
import { preparePrivateFile } from './state-directory.ts';
import { PAGE_BYTES } from './write-ahead-log.ts';

/** What the file says of the whole ledger. */
export interface Tally {
  /** How many commits the ledger has had. */
  readonly commits: number;
  /** Empty while the ledger has no identity yet. */
  readonly ledgerId: string;
}

/**
 * The checksum of every page of the ledger, in a file beside it, so that a flipped bit or a missing piece is found at
 * the next start: SQLite itself sums its write-ahead log, but not its pages, and a check of the structure does not see
 * a changed letter. Of each page two sums are kept, of its content as it was last settled in the ledger's file, and of
 * the latest that was committed; they differ while that stands in the write-ahead log alone.
 *
 * The file also counts the commits, and so does the ledger: where it has fewer, the end of its write-ahead log was lost.
 */
export interface PageSums {
  /** As last saved. */
  tally(): Tally;
  /** The pages that the file was saved with; 0 while nothing of the ledger was measured. */
  pages(): number;
  /** Of the content of a page that was committed last. */
  latest(page: number): number;
  /** New contents were committed; nothing is written yet. */
  committed(pages: ReadonlyMap<number, number>): void;
  /** Every page of the ledger's file is what was last committed. */
  settled(): void;
  /** Takes the pages of the ledger's file as they are. SQLite must not have it open: to close it here would drop its locks (POSIX). */
  measure(databasePath: string): void;
  /** Compares the ledger's file, but for the pages that the write-ahead log has: throws `damaged`. SQLite must not have it open. */
  verify(databasePath: string, inLog: ReadonlyMap<number, number>): void;
  /** Writes what has changed. Survives the end of the process; that of the machine only after `sync`. */
  save(tally: Tally): void;
  sync(): void;
  close(): void;
}

const MAGIC = 'LKSUMS01';
/** The tally, which a power cut must not tear: a disk writes a sector of 512 bytes whole or not at all. */
const HEADER_BYTES = 512;
const TALLY_BYTES = 256;
const WRITTEN_BYTES = TALLY_BYTES + 4;
/** Of each page its settled and its latest sum, 4 bytes each. */
const ENTRY_BYTES = 8;
/** Pages read at a time. */
const CHUNK_PAGES = 256;
/** Entries that lie within so many of each other are written at once. */
const CLOSE_PAGES = 512;
/** 65,536 entries are 256 MiB of ledger; room is doubled as it is needed. */
const FIRST_ROOM = 1024;

/** Opens the file of checksums; null where it is missing. Throws `damaged` where it cannot be read. */
export function openPageSums(path: string): PageSums | null {
  const text = readIfThere(path);
  if (text === null || text.length === 0) return null;
  const { pages, ...tally } = readTally(text, path);
  // A power cut may lose the end of what was written since the last `sync`, and not its beginning: those pages are in the log.
  const there = Math.min(pages, Math.floor((text.length - HEADER_BYTES) / ENTRY_BYTES));
  const sums = emptySums(pages);
  for (let page = 1; page <= there; page += 1) {
    const at = HEADER_BYTES + (page - 1) * ENTRY_BYTES;
    sums.settled[page] = text.readUInt32LE(at);
    sums.latest[page] = text.readUInt32LE(at + 4);
  }
  return pageSums(path, sums, tally);
}

/** Creates the file where it is missing, and begins it anew with the given tally where it is not. */
export function createPageSums(path: string, tally: Tally): PageSums {
  preparePrivateFile(path);
  return pageSums(path, emptySums(0), tally);
}

interface Sums {
  pages: number;
  /** By page number, which begins at 1. */
  settled: Uint32Array;
  latest: Uint32Array;
}

function emptySums(pages: number): Sums {
  const room = Math.max(FIRST_ROOM, pages + 1);
  return { pages, settled: new Uint32Array(room), latest: new Uint32Array(room) };
}

function pageSums(path: string, sums: Sums, known: Tally): PageSums {
  let tally = known;
  const descriptor = openSync(path, 'r+');
  /** Pages whose two sums differ. */
  const unsettled = new Set<number>();
  for (let page = 1; page <= sums.pages; page += 1) if (sums.settled[page] !== sums.latest[page]) unsettled.add(page);
  const unsaved = new Set<number>();

  function grow(page: number): void {
    if (page <= sums.pages) return;
    // Every entry up to the new count is written, so that the file has no holes.
    for (let added = sums.pages + 1; added <= page; added += 1) unsaved.add(added);
    sums.pages = page;
    if (page < sums.settled.length) return;
    const room = Math.max(page + 1, sums.settled.length * 2);
    sums.settled = extended(sums.settled, room);
    sums.latest = extended(sums.latest, room);
  }

  return {
    tally: () => tally,
    pages: () => sums.pages,
    latest: (page) => sums.latest[page] ?? 0,
    committed(pages) {
      for (const [page, sum] of pages) {
        grow(page);
        sums.latest[page] = sum;
        unsettled.add(page);
        unsaved.add(page);
      }
    },
    settled() {
      for (const page of unsettled) {
        sums.settled[page] = sums.latest[page] ?? 0;
        unsaved.add(page);
      }
      unsettled.clear();
    },
    measure(databasePath) {
      for (const [page, sum] of pagesOf(databasePath)) {
        grow(page);
        sums.settled[page] = sum;
        sums.latest[page] = sum;
        unsaved.add(page);
      }
    },
    verify(databasePath, inLog) {
      const as = foundAs(sums, databasePath, inLog);
      for (const page of unsettled) {
        if (inLog.has(page)) continue;
        const found = sums[as][page] ?? 0;
        sums.settled[page] = found;
        sums.latest[page] = found;
        unsaved.add(page);
        unsettled.delete(page);
      }
    },
    save(next) {
      const pages = [...unsaved].toSorted((one, other) => one - other);
      for (let from = 0; from < pages.length; ) {
        let to = from;
        // One write for what lies close together: a write costs more than the bytes between.
        while (to + 1 < pages.length && (pages[to + 1] ?? 0) - (pages[to] ?? 0) <= CLOSE_PAGES) to += 1;
        writeEntries(descriptor, sums, pages[from] ?? 1, pages[to] ?? 1);
        from = to + 1;
      }
      unsaved.clear();
      // After the sums that it promises.
      writeWhole(descriptor, tallyBytes(next, sums.pages), 0);
      tally = next;
    },
    sync: () =>
      flushByWriting({
        path,
        descriptor,
        again(durable) {
          writeEntries(durable, sums, 1, sums.pages);
          writeWhole(durable, tallyBytes(tally, sums.pages), 0);
        },
      }),
    close: () => closeSync(descriptor),
  };
}

/**
 * What the write-ahead log does not have, the file holds either all as it was last settled or all as it was last
 * committed: a checkpoint that was cut off leaves its log behind, and one that another program made (a shell that was the
 * last to close the file) is whole. Returns which.
 */
function foundAs(sums: Sums, databasePath: string, inLog: ReadonlyMap<number, number>): 'settled' | 'latest' {
  const possible = { settled: true, latest: true };
  let page = 0;
  const compare = (sum: number): void => {
    possible.settled &&= (sums.settled[page] ?? 0) === sum;
    possible.latest &&= (sums.latest[page] ?? 0) === sum;
    if (!possible.settled && !possible.latest) throw damagedPage(page, databasePath);
  };
  for (const [found, sum] of pagesOf(databasePath)) {
    page = found;
    if (!inLog.has(page)) compare(sum);
  }
  // A page that is not there has no sum.
  for (page += 1; page <= sums.pages; page += 1) if (!inLog.has(page)) compare(0);
  return possible.settled ? 'settled' : 'latest';
}

/** Each page of a file with its checksum. A last one that is cut has another length, and therefore another sum. */
function* pagesOf(path: string): Generator<readonly [number, number]> {
  const descriptor = openSync(path, 'r');
  try {
    const chunk = Buffer.alloc(CHUNK_PAGES * PAGE_BYTES);
    let page = 1;
    // Ends with the file.
    for (;;) {
      const length = readSync(descriptor, chunk, 0, chunk.length, (page - 1) * PAGE_BYTES);
      if (length === 0) return;
      for (let at = 0; at < length; at += PAGE_BYTES) {
        yield [page, crc32(chunk.subarray(at, Math.min(at + PAGE_BYTES, length)))];
        page += 1;
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

function tallyBytes({ commits, ledgerId }: Tally, pages: number): Buffer {
  const bytes = Buffer.alloc(WRITTEN_BYTES);
  bytes.write(MAGIC, 0, 'latin1');
  bytes.writeBigUInt64LE(BigInt(commits), 8);
  bytes.writeUInt32LE(pages, 16);
  const id = Buffer.from(ledgerId, 'utf8').subarray(0, TALLY_BYTES - 32);
  bytes.writeUInt16LE(id.length, 20);
  id.copy(bytes, 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, TALLY_BYTES)), TALLY_BYTES);
  return bytes;
}

function readTally(bytes: Buffer, path: string): Tally & { readonly pages: number } {
  if (bytes.length < WRITTEN_BYTES) throw unreadable(path, 'it is cut short');
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) throw unreadable(path, 'it does not begin as one');
  if (bytes.readUInt32LE(TALLY_BYTES) !== crc32(bytes.subarray(0, TALLY_BYTES))) throw unreadable(path, 'its own sum is wrong');
  return {
    commits: Number(bytes.readBigUInt64LE(8)),
    pages: bytes.readUInt32LE(16),
    ledgerId: bytes.toString('utf8', 24, 24 + bytes.readUInt16LE(20)),
  };
}

function writeEntries(descriptor: number, { settled, latest }: Sums, first: number, last: number): void {
  const bytes = Buffer.alloc((last - first + 1) * ENTRY_BYTES);
  for (let page = first; page <= last; page += 1) {
    bytes.writeUInt32LE(settled[page] ?? 0, (page - first) * ENTRY_BYTES);
    bytes.writeUInt32LE(latest[page] ?? 0, (page - first) * ENTRY_BYTES + 4);
  }
  writeWhole(descriptor, bytes, HEADER_BYTES + (first - 1) * ENTRY_BYTES);
}

function writeWhole(descriptor: number, bytes: Buffer, position: number): void {
  let written = 0;
  // Ends: a write that takes nothing throws.
  while (written < bytes.length) written += writeSync(descriptor, bytes, written, bytes.length - written, position + written);
}

function extended(array: Uint32Array, room: number): Uint32Array {
  const longer = new Uint32Array(room);
  longer.set(array);
  return longer;
}

function readIfThere(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

function unreadable(path: string, why: string): LedgerError {
  return new LedgerError('damaged', `the checksums of the ledger in ${path} cannot be read: ${why}`);
}

function damagedPage(page: number, path: string): LedgerError {
  return new LedgerError('damaged', `the ledger is damaged: page ${page} of ${path} is not what was written`);
}
