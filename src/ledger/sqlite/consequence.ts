import type { Consequence } from '../ledger.ts';
import { appendAudit } from './audit.ts';
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
  appendAudit(database, audit);
}
