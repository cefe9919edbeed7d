import { closeSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { LedgerError } from '../ledger.ts';

/** SQLite's default since 3.12, and never another here: a file with other pages is not one of ours. */
export const PAGE_BYTES = 4096;

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES;
/** The last bit says in which byte order the words are summed (https://sqlite.org/fileformat2.html#walformat). */
const MAGIC = 0x377f0682;

/** Reads what was committed to a write-ahead log, and believes exactly what SQLite would believe at its next opening. */
export interface WriteAheadLog {
  /** The checksums of the pages of all whole transactions since the last call; all of them again after the log was restarted. */
  committed(): ReadonlyMap<number, number>;
  /** How long the part is that was read. */
  bytes(): number;
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
  return {
    bytes: () => place?.offset ?? 0,
    committed() {
      const descriptor = openIfThere(path);
      if (descriptor === null) {
        place = null;
        return new Map();
      }
      try {
        place = placeIn(descriptor, place);
        return place === null ? new Map() : readOn(descriptor, place);
      } finally {
        closeSync(descriptor);
      }
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

function readOn(descriptor: number, place: Place): ReadonlyMap<number, number> {
  const pages = new Map<number, number>();
  const transaction = new Map<number, number>();
  const frame = Buffer.alloc(FRAME_BYTES);
  let { offset, sum } = place;
  // Ends at the first frame that is not whole, at the latest at the end of the file.
  while (readSync(descriptor, frame, 0, FRAME_BYTES, offset) === FRAME_BYTES) {
    // The salts tell this round of the log from what an earlier, longer one left behind it.
    if (frame.compare(place.header, 16, 24, 8, 16) !== 0) break;
    const bigEndian = isBigEndian(place.header);
    sum = summed(summed(sum, frame.subarray(0, 8), bigEndian), frame.subarray(FRAME_HEADER_BYTES), bigEndian);
    if (!isSum(frame, 16, sum)) break;
    offset += FRAME_BYTES;
    transaction.set(frame.readUInt32BE(0), crc32(frame.subarray(FRAME_HEADER_BYTES)));
    // The last frame of a transaction carries the size of the database after it, all others 0.
    if (frame.readUInt32BE(4) === 0) continue;
    for (const [page, pageSum] of transaction) pages.set(page, pageSum);
    transaction.clear();
    place.offset = offset;
    place.sum = sum;
  }
  return pages;
}

function isBigEndian(header: Buffer): boolean {
  return (header.readUInt32BE(0) & 1) === 1;
}

function isSum(bytes: Buffer, at: number, [first, second]: Sum): boolean {
  return bytes.readUInt32BE(at) === first && bytes.readUInt32BE(at + 4) === second;
}

function summed([first, second]: Sum, bytes: Buffer, bigEndian: boolean): Sum {
  let [one, other] = [first, second];
  for (let at = 0; at < bytes.length; at += 8) {
    one = (one + (bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)) + other) >>> 0;
    other = (other + (bigEndian ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4)) + one) >>> 0;
  }
  return [one, other];
}

function openIfThere(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
