import { z } from 'zod';
import type { Instant } from '../../access/instant.ts';
import type { PolicyNote } from '../ledger.ts';
import { readRow } from './columns.ts';
import type { Database } from './database.ts';

const noteRow = z.strictObject({ subject: z.string(), note: z.string() });

/** What the local policy remembers; of each subject the last text stands. */
export function writePolicyNotes(database: Database, notes: readonly PolicyNote[], at: Instant): void {
  for (const { subject, note } of notes)
    database.run(
      `INSERT INTO policy_notes (subject, note, at) VALUES (:subject, :note, :at)
       ON CONFLICT (subject) DO UPDATE SET note = excluded.note, at = excluded.at`,
      { subject, note, at },
    );
}

export function readPolicyNotes(database: Database): readonly PolicyNote[] {
  return database.rows('SELECT subject, note FROM policy_notes ORDER BY subject').map((row) => readRow(noteRow, row));
}
