import { z } from 'zod';
import type { AuditEntry, AuditRecord } from '../../access/audit.ts';
import { type ChainPoint, chained } from '../../access/audit-chain.ts';
import { canonicalJsonOfDefined } from '../../access/canonical-json.ts';
import type { GrantId } from '../../access/ids.ts';
import { type Instant, instant } from '../../access/instant.ts';
import { instantColumn, jsonColumn, readRow } from './columns.ts';
import type { Database } from './database.ts';
import { readClockMark } from './identity.ts';

const headRow = z.strictObject({ audit_count: z.int().nonnegative(), audit_hash: z.string() });
const oldRow = z.strictObject({ audit_id: z.int(), at: instantColumn, hash: z.string() });
// Written by us in canonical form, and shown as it was written.
const recordColumn = jsonColumn(z.custom<AuditRecord>((value) => typeof value === 'object' && value !== null));
const entryRow = z
  .strictObject({ audit_id: z.int(), hash: z.string(), record: recordColumn })
  .transform(({ audit_id: seq, hash, record }): AuditEntry => ({ seq, hash, record }));

/** Where the trail ends. */
export function readAuditHead(database: Database): ChainPoint {
  const { audit_count: count, audit_hash: hash } = readRow(headRow, database.row('SELECT audit_count, audit_hash FROM identity'));
  return { count, hash };
}

/** Appends records to the trail, each chained to the one before it; facts that are undefined are left out. */
export function appendAudit(database: Database, records: readonly AuditRecord[]): void {
  if (records.length === 0) return;
  // Of the table, not of a variable: what a transaction wrote that is undone is then no part of the chain.
  let head = readAuditHead(database);
  for (const record of records) {
    const text = canonicalJsonOfDefined(record);
    head = chained(head, text);
    insertRecord(database, { record, text, place: head });
  }
  writeHead(database, head);
}

function insertRecord(
  database: Database,
  { record, text, place }: { record: AuditRecord; text: string; place: ChainPoint },
): void {
  database.run(
    `INSERT INTO audit (audit_id, at, kind, job_id, grant_id, record, hash)
     VALUES (:seq, :at, :kind, :jobId, :grantId, :record, :hash)`,
    {
      seq: place.count,
      at: record.at,
      kind: record.kind,
      jobId: record.jobId ?? null,
      grantId: record.grantId ?? null,
      record: text,
      hash: place.hash,
    },
  );
}

function writeHead(database: Database, { count, hash }: ChainPoint): void {
  database.run('UPDATE identity SET audit_count = :count, audit_hash = :hash', { count, hash });
}

/** The records of a grant, in order, from after `after`. */
export function readAuditOf(
  database: Database,
  { grantId, after, limit }: { grantId: GrantId; after: number; limit: number },
): readonly AuditEntry[] {
  return database
    .rows(
      `SELECT audit_id, hash, record FROM audit
       WHERE grant_id = :grantId AND audit_id > :after ORDER BY audit_id LIMIT :limit`,
      { grantId, after, limit },
    )
    .map((row) => readRow(entryRow, row));
}

/**
 * Deletes at most `limit` of the oldest records, as long as they are of before. Only from the beginning: one of a later time, as a
 * clock that was wrong makes them, keeps what comes after it. A record says up to which, and what the rest is chained to.
 */
export function pruneAudit(database: Database, { before, limit }: { before: Instant; limit: number }): number {
  const oldest = database
    .rows('SELECT audit_id, at, hash FROM audit ORDER BY audit_id LIMIT :limit', { limit })
    .map((row) => readRow(oldRow, row));
  const kept = oldest.findIndex(({ at }) => at >= before);
  const last = oldest[(kept === -1 ? oldest.length : kept) - 1];
  if (last === undefined) return 0;
  const { audit_id: count, hash } = last;
  const deleted = database.run('DELETE FROM audit WHERE audit_id <= :count', { count });
  database.run('UPDATE identity SET audit_pruned = :count, audit_pruned_hash = :hash', { count, hash });
  // Not before what it is about, so that no retention deletes it with that.
  const at = instant(Math.max(readClockMark(database), before));
  appendAudit(database, [{ kind: 'audit.pruned', at, facts: { count, hash, before } }]);
  return deleted;
}
