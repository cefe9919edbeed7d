import type { AuditRecord } from '../../access/audit.ts';
import { canonicalJsonOfDefined } from '../../access/canonical-json.ts';
import type { Consequence } from '../ledger.ts';
import type { Database } from './database.ts';
import { appendEvent } from './events.ts';
import { raiseClockMark } from './identity.ts';
import { settleJob } from './jobs.ts';

/** Writes what follows from a change of state, in its transaction: events, then results, then the audit records. */
export function writeConsequence(database: Database, { at, events, results, audit }: Consequence): void {
  raiseClockMark(database, at);
  for (const event of events ?? []) appendEvent(database, at, event);
  for (const result of results ?? []) {
    settleJob(database, result);
    appendEvent(database, at, result);
  }
  for (const record of audit) appendAudit(database, record);
}

/** Appends a record to the audit trail; facts that are undefined are left out. */
export function appendAudit(database: Database, record: AuditRecord): void {
  database.run('INSERT INTO audit (at, kind, job_id, grant_id, record) VALUES (:at, :kind, :jobId, :grantId, :record)', {
    at: record.at,
    kind: record.kind,
    jobId: record.jobId ?? null,
    grantId: record.grantId ?? null,
    record: canonicalJsonOfDefined(record),
  });
}
