import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { LedgerError } from '../ledger.ts';
import { readRow } from './columns.ts';
import { type Database, openForReading } from './database.ts';
import { checkInFull } from './migrations.ts';
import { PAGE_BYTES } from './write-ahead-log.ts';

/** What a file holds. */
export interface MeasuredFile {
  /** The first 16 hex digits of the SHA-256 of its content. */
  readonly digest: string;
  /** By page, which begins at 1. */
  readonly sums: Uint32Array;
}

const BUSY_MS = 5000;
/** Read at a time: a millisecond or two of work. */
const CHUNK_BYTES = 256 * PAGE_BYTES;

const endsRow = z.strictObject({
  audit_count: z.int(),
  audit_hash: z.string(),
  last_seq: z.int().nullable(),
  last_hash: z.string().nullable(),
  pruned: z.int(),
  pruned_hash: z.string(),
});

/** Reads a file whole, some pages at a time, between which everything else goes on. Rejects where it cannot be read. */
export async function measure(path: string, signal: AbortSignal): Promise<MeasuredFile> {
  const measuring = beginMeasure();
  await using file = await open(path, 'r');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  // Ends with the file.
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(chunk, 0, chunk.length, measuring.bytes());
    if (bytesRead === 0) return measuring.end();
    measuring.take(chunk.subarray(0, bytesRead));
  }
}

/** The same at once, for a start. Throws where it cannot be read. */
export function measureAtOnce(path: string): MeasuredFile {
  const measuring = beginMeasure();
  const descriptor = openSync(path, 'r');
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    // Ends with the file.
    for (;;) {
      const length = readSync(descriptor, chunk, 0, chunk.length, measuring.bytes());
      if (length === 0) return measuring.end();
      measuring.take(chunk.subarray(0, length));
    }
  } finally {
    closeSync(descriptor);
  }
}

function beginMeasure() {
  const hash = createHash('sha256');
  const sums = [0];
  let bytes = 0;
  return {
    bytes: () => bytes,
    take(chunk: Buffer): void {
      hash.update(chunk);
      for (let at = 0; at < chunk.length; at += PAGE_BYTES)
        sums.push(crc32(chunk.subarray(at, Math.min(at + PAGE_BYTES, chunk.length))));
      bytes += chunk.length;
    },
    end: (): MeasuredFile => ({ digest: hash.digest('hex').slice(0, 16), sums: Uint32Array.from(sums) }),
  };
}

/**
 * Looks at a copy that nobody has open: where its audit trail ends and, `inFull`, its structure in every way that SQLite has, which for
 * a large one takes seconds. Throws `damaged` where it is not whole.
 */
export function verifyLedgerCopy(path: string, { inFull }: { inFull: boolean }): void {
  const database = openForReading({ path, busyMs: BUSY_MS });
  try {
    if (inFull) checkInFull(database);
    checkTrail(database, path);
  } finally {
    database.close();
  }
}

/** The last record must be the one that the ledger knows as its trail's end. */
function checkTrail(database: Database, path: string): void {
  const row = database.row(
    `SELECT audit_count, audit_hash, audit_pruned AS pruned, audit_pruned_hash AS pruned_hash,
       (SELECT audit_id FROM audit ORDER BY audit_id DESC LIMIT 1) AS last_seq,
       (SELECT hash FROM audit ORDER BY audit_id DESC LIMIT 1) AS last_hash
     FROM identity`,
  );
  const read = readRow(endsRow, row);
  const [seq, hash] = [read.last_seq ?? read.pruned, read.last_hash ?? read.pruned_hash];
  if (read.audit_count === seq && read.audit_hash === hash) return;
  throw new LedgerError('damaged', `the audit trail of ${path} ends at record ${seq}, and should at ${read.audit_count}`);
}
