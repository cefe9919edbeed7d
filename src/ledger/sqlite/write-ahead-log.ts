import { closeSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { LedgerError } from '../ledger.ts';

/** SQLite's default since 3.12, and never another here: a file with other pages is not one of ours. */
export const PAGE_BYTES = 4096;

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES;
/** Read at a time: most commits are shorter. */
const CHUNK_FRAMES = 16;
/** The last bit says in which byte order the words are summed (https://sqlite.org/fileformat2.html#walformat). */
const MAGIC = 0x377f0682;

/** Reads what was committed to a write-ahead log, and believes exactly what SQLite would believe at its next opening. */
export interface WriteAheadLog {
  /** The checksums of the pages of all whole transactions since the last call; all of them again after the log was restarted. */
  committed(): ReadonlyMap<number, number>;
  /** How long the part is that was read. */
  bytes(): number;
  close(): void;
}

interface Place {
  readonly header: Buffer;
  /** After the last whole transaction. */
  offset: number;
  sum: Sum;
}

type Sum = readonly [number, number];

/** The log of a database beside it; a missing or empty file is a log without transactions. */
export function writeAheadLog(path: string): WriteAheadLog {
  let place: Place | null = null;
  // Never a part of the pool that small buffers share, which begins anywhere.
  const chunk = Buffer.alloc(CHUNK_FRAMES * FRAME_BYTES);
  let descriptor: number | null = null;
  return {
    bytes: () => place?.offset ?? 0,
    committed() {
      descriptor ??= openIfThere(path);
      if (descriptor === null) return new Map();
      // Asked first: what stands behind the end of a log that was begun anew is no part of it, whole as it may be.
      place = placeIn(descriptor, place);
      return place === null ? new Map() : readOn(descriptor, place, chunk);
    },
    close() {
      if (descriptor !== null) closeSync(descriptor);
      descriptor = null;
      place = null;
    },
  };
}

/** Where to read on: the beginning, if the log was restarted since. Null for a header that SQLite would not believe. */
function placeIn(descriptor: number, known: Place | null): Place | null {
  const header = Buffer.alloc(HEADER_BYTES);
  if (readSync(descriptor, header, 0, HEADER_BYTES, 0) < HEADER_BYTES) return null;
  if (known?.header.equals(header) === true) return known;
  const magic = header.readUInt32BE(0);
  if ((magic & 0xfffffffe) >>> 0 !== MAGIC) return null;
  const sum = summed([0, 0], header.subarray(0, 24), isBigEndian(header));
  if (!isSum(header, 24, sum)) return null;
  if (header.readUInt32BE(8) !== PAGE_BYTES) {
    throw new LedgerError(
      'damaged',
      `the write-ahead log has pages of ${header.readUInt32BE(8)} bytes, which no connector writes`,
    );
  }
  return { header, offset: HEADER_BYTES, sum };
}

function readOn(descriptor: number, place: Place, chunk: Buffer): ReadonlyMap<number, number> {
  const pages = new Map<number, number>();
  const transaction = new Map<number, number>();
  const bigEndian = isBigEndian(place.header);
  let { offset, sum } = place;
  // Ends at the first frame that is not whole, at the latest at the end of the file.
  for (;;) {
    const frames = Math.floor(readSync(descriptor, chunk, 0, chunk.length, offset) / FRAME_BYTES);
    for (let at = 0; at < frames * FRAME_BYTES; at += FRAME_BYTES) {
      const frame = chunk.subarray(at, at + FRAME_BYTES);
      // The salts tell this round of the log from what an earlier, longer one left behind it.
      if (frame.compare(place.header, 16, 24, 8, 16) !== 0) return pages;
      sum = summed(summed(sum, frame.subarray(0, 8), bigEndian), frame.subarray(FRAME_HEADER_BYTES), bigEndian);
      if (!isSum(frame, 16, sum)) return pages;
      offset += FRAME_BYTES;
      transaction.set(frame.readUInt32BE(0), crc32(frame.subarray(FRAME_HEADER_BYTES)));
      // The last frame of a transaction carries the size of the database after it, all others 0.
      if (frame.readUInt32BE(4) === 0) continue;
      for (const [page, pageSum] of transaction) pages.set(page, pageSum);
      transaction.clear();
      place.offset = offset;
      place.sum = sum;
    }
    if (frames < CHUNK_FRAMES) return pages;
  }
}

function isBigEndian(header: Buffer): boolean {
  return (header.readUInt32BE(0) & 1) === 1;
}

function isSum(bytes: Buffer, at: number, [first, second]: Sum): boolean {
  return bytes.readUInt32BE(at) === first && bytes.readUInt32BE(at + 4) === second;
}

/** The bytes begin at a multiple of 4 in their memory, and are a multiple of 8 long. */
function summed([first, second]: Sum, bytes: Buffer, bigEndian: boolean): Sum {
  const own = bigEndian ? swapped(bytes) : bytes;
  // Some hundred thousand words a second are summed under load: read as words, that is many times faster than byte by byte.
  const words = new Int32Array(own.buffer, own.byteOffset, own.length / 4);
  let [one, other] = [first | 0, second | 0];
  for (let at = 0; at < words.length; at += 2) {
    one = (one + (words[at] ?? 0) + other) | 0;
    other = (other + (words[at + 1] ?? 0) + one) | 0;
  }
  return [one >>> 0, other >>> 0];
}

function swapped(bytes: Buffer): Buffer {
  const copy = Buffer.alloc(bytes.length);
  bytes.copy(copy);
  return copy.swap32();
}

function openIfThere(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
