import { z } from 'zod';
import type { KeptRow, TrailEnds } from '../../access/audit-chain.ts';
import type { GrantId } from '../../access/ids.ts';
import type { Instant } from '../../access/instant.ts';
import { LedgerError } from '../ledger.ts';
import { readRow } from './columns.ts';
import { type Database, openForReading } from './database.ts';
import { MIGRATIONS } from './migrations.ts';

/** The audit trail of a ledger's file, as it was when it was opened. */
export interface AuditTrail {
  readonly ends: TrailEnds;
  /** Its records in order, however large it is; of one grant, or since an instant, where that is asked. */
  rows(query?: { readonly grantId?: GrantId | null; readonly since?: Instant | null }): Iterable<KeptRow>;
  close(): void;
}

/** How long it waits for a connector that opens or closes the ledger. */
const BUSY_MS = 5000;
/** Records held in memory at a time. */
const ROWS_PER_PAGE = 500;
/** Since when a trail has a chain. */
const CHAINED_VERSION = 3;

const endsRow = z.strictObject({
  ledger_id: z.string(),
  audit_count: z.int(),
  audit_hash: z.string(),
  audit_pruned: z.int(),
  audit_pruned_hash: z.string(),
});
const versionRow = z.strictObject({ user_version: z.int() });
const straysRow = z.strictObject({ strays: z.int() });
const keptRow = z
  .strictObject({
    audit_id: z.int(),
    at: z.string(),
    kind: z.string(),
    job_id: z.string().nullable(),
    grant_id: z.string().nullable(),
    record: z.instanceof(Uint8Array),
    hash: z.string(),
  })
  .transform(({ audit_id: seq, job_id: jobId, grant_id: grantId, ...others }): KeptRow => ({ seq, jobId, grantId, ...others }));

// A number of SQLite may be larger than any of JavaScript: such a one is counted, and never read.
const IS_NUMBERED = `audit_id BETWEEN ${Number.MIN_SAFE_INTEGER} AND ${Number.MAX_SAFE_INTEGER}`;
const COLUMNS = 'audit_id, CAST(at AS TEXT) AS at, kind, job_id, grant_id, CAST(record AS BLOB) AS record, hash';

/**
 * Opens the trail of a ledger's file for reading alone: a connector that runs is not disturbed, and what it writes meanwhile is
 * not seen. Throws a `LedgerError`.
 */
export function openAuditTrail(path: string): AuditTrail {
  const database = openForReading({ path, busyMs: BUSY_MS });
  try {
    // One transaction: all of it is of one instant.
    database.script('BEGIN');
    checkVersion(database, path);
    const { ledger_id: ledgerId, ...ends } = readRow(
      endsRow,
      database.row('SELECT ledger_id, audit_count, audit_hash, audit_pruned, audit_pruned_hash FROM identity'),
    );
    const { strays } = readRow(
      straysRow,
      database.row(
        `SELECT (SELECT count(*) FROM audit WHERE audit_id < ${Number.MIN_SAFE_INTEGER})
           + (SELECT count(*) FROM audit WHERE audit_id > ${Number.MAX_SAFE_INTEGER}) AS strays`,
      ),
    );
    return {
      ends: {
        ledgerId,
        head: { count: ends.audit_count, hash: ends.audit_hash },
        pruned: { count: ends.audit_pruned, hash: ends.audit_pruned_hash },
        strays,
      },
      rows: ({ grantId = null, since = null } = {}) => rowsOf(database, { grantId, since }),
      close: () => database.close(),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

function checkVersion(database: Database, path: string): void {
  const { user_version: version } = readRow(versionRow, database.row('PRAGMA user_version'));
  if (version > MIGRATIONS.length)
    throw new LedgerError('newer_schema', `${path} has schema version ${version}: run the newer version of the connector`);
  if (version < CHAINED_VERSION)
    throw new LedgerError(
      'failed',
      `${path} is of a version without a chain (${version}), or no ledger: the connector chains it when it next starts`,
    );
}

function* rowsOf(database: Database, { grantId, since }: { grantId: GrantId | null; since: Instant | null }): Generator<KeptRow> {
  const ofGrant = grantId === null ? '' : 'AND grant_id = :grantId';
  const ofTime = since === null ? '' : 'AND at >= :since';
  const sql = `SELECT ${COLUMNS} FROM audit WHERE audit_id > :after AND ${IS_NUMBERED} ${ofGrant} ${ofTime}
     ORDER BY audit_id LIMIT :limit`;
  let after = Number.MIN_SAFE_INTEGER - 1;
  // Ends: each page begins after the one before it.
  for (;;) {
    const values = {
      after,
      limit: ROWS_PER_PAGE,
      ...(grantId === null ? {} : { grantId }),
      ...(since === null ? {} : { since }),
    };
    const page = database.rows(sql, values).map((row) => readRow(keptRow, row));
    const last = page.at(-1);
    if (last === undefined) return;
    yield* page;
    after = last.seq;
  }
}
