import { z } from 'zod';
import { CHAIN_START, type ChainPoint, chained } from '../../access/audit-chain.ts';
import { canonicalJson } from '../../access/canonical-json.ts';
import { instantColumn, readRow } from './columns.ts';
import type { Database } from './database.ts';

const NO_HASH = CHAIN_START.hash;

/** Records laid into the chain at a time: what is held in memory of a trail of any length. */
const ROWS_PER_PAGE = 1000;

const TABLES = `
-- The trail ends at audit_count, and what its retention has deleted ends at audit_pruned.
ALTER TABLE identity ADD COLUMN audit_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE identity ADD COLUMN audit_hash TEXT NOT NULL DEFAULT '${NO_HASH}';
ALTER TABLE identity ADD COLUMN audit_pruned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE identity ADD COLUMN audit_pruned_hash TEXT NOT NULL DEFAULT '${NO_HASH}';

ALTER TABLE audit RENAME TO audit_without_chain;
DROP INDEX old_audit;
DROP TRIGGER audit_is_never_changed;
DROP TRIGGER audit_is_never_replaced;
DROP TRIGGER audit_lives_as_long_as_its_retention;
CREATE TABLE audit (
  -- From 1 without a gap: the trail is the chain.
  audit_id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  job_id TEXT,
  grant_id TEXT,
  -- RFC 8785.
  record TEXT NOT NULL,
  -- SHA-256 of the hash before it, the record and its number.
  hash TEXT NOT NULL
) STRICT;
`;

// Made when the records are there: an index that is filled in one go is smaller.
const GUARDS = `
DROP TABLE audit_without_chain;
CREATE INDEX audit_of_grants ON audit (grant_id) WHERE grant_id IS NOT NULL;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'an audit record is never changed'); END;
CREATE TRIGGER audit_is_never_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE audit_id = NEW.audit_id)
BEGIN SELECT RAISE(ABORT, 'an audit record is never replaced'); END;
CREATE TRIGGER audit_lives_as_long_as_its_retention BEFORE DELETE ON audit
WHEN NOT EXISTS (SELECT 1 FROM retention WHERE OLD.at < before)
BEGIN SELECT RAISE(ABORT, 'an audit record is kept for its retention'); END;
`;

const endsRow = z.strictObject({ records: z.int(), last: z.int().nullable() });
const markRow = z.strictObject({ clock_mark: instantColumn });
const oldRow = z.strictObject({ audit_id: z.int(), record: z.string() });

/**
 * Lays a hash chain over the audit trail: the records that are there as they are found, and one that says so. They are numbered
 * anew where the retention left gaps, so that the last keeps its number.
 */
export function chainAudit(database: Database): void {
  database.script(TABLES);
  const ends = database.row('SELECT count(*) AS records, max(audit_id) AS last FROM audit_without_chain');
  const { records, last } = readRow(endsRow, ends);
  const pruned: ChainPoint = { count: (last ?? records) - records, hash: NO_HASH };
  let head = pruned;
  let after = 0;
  // Ends: each page begins after the one before it.
  for (;;) {
    const page = database.rows(
      'SELECT audit_id, record FROM audit_without_chain WHERE audit_id > :after ORDER BY audit_id LIMIT :limit',
      { after, limit: ROWS_PER_PAGE },
    );
    if (page.length === 0) break;
    for (const row of page) {
      const { audit_id: id, record } = readRow(oldRow, row);
      head = chained(head, record);
      database.run(
        `INSERT INTO audit (audit_id, at, kind, job_id, grant_id, record, hash)
         SELECT :seq, at, kind, job_id, grant_id, record, :hash FROM audit_without_chain WHERE audit_id = :id`,
        { seq: head.count, hash: head.hash, id },
      );
      after = id;
    }
  }
  // A ledger that has just been made has no identity yet.
  const marked = database.row('SELECT clock_mark FROM identity');
  if (marked !== undefined) {
    const { clock_mark: at } = readRow(markRow, marked);
    const record = canonicalJson({ kind: 'audit.chained', at, facts: { records, ...pruned } });
    head = chained(head, record);
    database.run(`INSERT INTO audit (audit_id, at, kind, record, hash) VALUES (:seq, :at, 'audit.chained', :record, :hash)`, {
      seq: head.count,
      at,
      record,
      hash: head.hash,
    });
    database.run(
      'UPDATE identity SET audit_count = :count, audit_hash = :hash, audit_pruned = :pruned, audit_pruned_hash = :prunedHash',
      { ...head, pruned: pruned.count, prunedHash: pruned.hash },
    );
  }
  database.script(GUARDS);
}
