import { z } from 'zod';
import { type Event, type SequencedEvent, supersededSubject } from '../../access/event.ts';
import type { Instant } from '../../access/instant.ts';
import { LedgerError } from '../ledger.ts';
import { instantColumn, readRow } from './columns.ts';
import type { Database } from './database.ts';
import { eventColumn } from './event-column.ts';
import { readIdentity, replaceLedgerId, takeSeqs } from './identity.ts';

const eventRow = z.strictObject({ seq: z.int(), at: instantColumn, event: eventColumn });
const countRow = z.strictObject({ events: z.int() });

/** Appends an event; of those with a subject, only the newest stays. */
export function appendEvent(database: Database, at: Instant, event: Event): void {
  const subject = supersededSubject(event);
  if (subject !== null) database.run('DELETE FROM events WHERE subject = :subject', { subject });
  insertEvent(database, { seq: takeSeqs(database, 1), at, event });
}

function insertEvent(database: Database, { seq, at, event }: SequencedEvent): void {
  database.run(
    `INSERT INTO events (seq, at, subject, job_id, grant_id, event)
     VALUES (:seq, :at, :subject, :jobId, :grantId, :event)`,
    {
      seq,
      at,
      subject: supersededSubject(event),
      jobId: 'jobId' in event ? event.jobId : null,
      grantId: 'grant' in event ? event.grant.grantId : null,
      event: JSON.stringify(event),
    },
  );
}

/** Events with a sequence number above `after`, in order. */
export function readEvents(database: Database, { after, limit }: { after: number; limit: number }): readonly SequencedEvent[] {
  return database
    .rows('SELECT seq, at, event FROM events WHERE seq > :after ORDER BY seq LIMIT :limit', { after, limit })
    .map((row) => readRow(eventRow, row));
}

/** Deletes every event up to `seq`; one that was never given is a `conflict`, since it would delete what nobody was told. */
export function acknowledgeEvents(database: Database, seq: number): void {
  const { nextSeq } = readIdentity(database);
  if (seq >= nextSeq) {
    throw new LedgerError('conflict', `event ${seq} was acknowledged, but the next to be numbered is ${nextSeq}`);
  }
  database.run('DELETE FROM events WHERE seq <= :seq', { seq });
}

/**
 * Takes a new ledger id and tells it before everything that is still unsent. The unsent events are numbered again,
 * after it and in their order. The numbers go on from the old ones, though a new id could begin at 1: an
 * acknowledgement that was under way for the old id then names no event of the new one.
 */
export function renewLedger(database: Database, { ledgerId, at }: { ledgerId: string; at: Instant }): void {
  const previous = readIdentity(database);
  const { events } = readRow(countRow, database.row('SELECT count(*) AS events FROM events'));
  const first = takeSeqs(database, events + 1);
  database.run(
    `UPDATE events SET seq = renumbered.seq
     FROM (SELECT seq AS old_seq, :first + row_number() OVER (ORDER BY seq) AS seq FROM events) AS renumbered
     WHERE events.seq = renumbered.old_seq`,
    { first },
  );
  insertEvent(database, {
    seq: first,
    at,
    event: { kind: 'ledger.replaced', previousLedgerId: previous.ledgerId },
  });
  replaceLedgerId(database, { ledgerId, at });
}
