import type { Consequence } from '../ledger.ts';
import { appendAudit } from './audit.ts';
import type { Database } from './database.ts';
import { appendEvent } from './events.ts';
import { raiseClockMark } from './identity.ts';
import { settleJob } from './jobs.ts';
import { writePolicyNotes } from './policy-notes.ts';

/** Writes what follows from a change of state, in its transaction: events, then results, then the audit records. */
export function writeConsequence(database: Database, { at, notes, events, results, audit }: Consequence): void {
  raiseClockMark(database, at);
  writePolicyNotes(database, notes ?? [], at);
  for (const event of events ?? []) appendEvent(database, at, event);
  for (const result of results ?? []) {
    settleJob(database, result);
    appendEvent(database, at, result);
  }
  appendAudit(database, audit);
}
