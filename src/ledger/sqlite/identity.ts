import { z } from 'zod';
import { type Instant, instant } from '../../access/instant.ts';
import type { EntryRef } from '../../access/reference.ts';
import { type BindRefusal, LedgerError, type LedgerIdentity } from '../ledger.ts';
import { dnColumn, entryIdColumn, instantColumn, readRow } from './columns.ts';
import type { Database } from './database.ts';

const identityRow = z.strictObject({
  ledger_id: z.string(),
  connector_id: z.string(),
  next_seq: z.int().positive(),
  replaced_at: instantColumn.nullable(),
});
const tallyRow = z.strictObject({ ledger_id: z.string(), commits: z.int().nonnegative() });
const seqRow = z.strictObject({ next_seq: z.int().positive() });
const clockRow = z.strictObject({ clock_mark: instantColumn });
const pauseRow = z.strictObject({ paused_since: instantColumn.nullable() });
const baseRow = z.strictObject({ base_id: entryIdColumn, base_dn: dnColumn });
const serverRow = z.strictObject({ server_since: instantColumn });
const lastUseRow = z.strictObject({ last_use: instantColumn });
const refusalRow = z.strictObject({ bind_refused_at: instantColumn.nullable(), bind_fingerprint: z.string().nullable() });

/** What this ledger is; null while it has just been made. */
export function findIdentity(database: Database): LedgerIdentity | null {
  const row = database.row('SELECT ledger_id, connector_id, next_seq, replaced_at FROM identity');
  if (row === undefined) return null;
  const {
    ledger_id: ledgerId,
    connector_id: connectorId,
    next_seq: nextSeq,
    replaced_at: replacedAt,
  } = readRow(identityRow, row);
  return { ledgerId, connectorId, nextSeq, replacedAt };
}

/** What this ledger is. */
export function readIdentity(database: Database): LedgerIdentity {
  const identity = findIdentity(database);
  if (identity === null) throw noIdentity();
  return identity;
}

function noIdentity(): LedgerError {
  return new LedgerError('damaged', 'the ledger has no identity; restore a backup');
}

/** Which ledger this is, and how many commits it has had. */
export function readTally(database: Database): { readonly ledgerId: string; readonly commits: number } {
  const { ledger_id: ledgerId, commits } = readRow(tallyRow, database.row('SELECT ledger_id, commits FROM identity'));
  return { ledgerId, commits };
}

/** Counts a commit, and whatever an older copy of this ledger must have had before it. */
export function countCommits(database: Database, atLeast: number): void {
  database.run('UPDATE identity SET commits = max(commits, :atLeast) + 1', { atLeast });
}

/** Gives a new ledger its identity. */
export function createIdentity(
  database: Database,
  { ledgerId, connectorId }: Pick<LedgerIdentity, 'ledgerId' | 'connectorId'>,
): void {
  database.run(
    `INSERT INTO identity (one, ledger_id, connector_id, next_seq, clock_mark)
     VALUES (1, :ledgerId, :connectorId, 1, :clockMark)`,
    { ledgerId, connectorId, clockMark: instant(0) },
  );
}

export function replaceLedgerId(database: Database, { ledgerId, at }: { ledgerId: string; at: Instant }): void {
  database.run('UPDATE identity SET ledger_id = :ledgerId, replaced_at = :at', { ledgerId, at });
}

/** Takes the next `count` sequence numbers, and returns the first. */
export function takeSeqs(database: Database, count: number): number {
  const row = database.row('UPDATE identity SET next_seq = next_seq + :count RETURNING next_seq', { count });
  if (row === undefined) throw noIdentity();
  return readRow(seqRow, row).next_seq - count;
}

/** The high-water mark of trusted time. */
export function readClockMark(database: Database): Instant {
  return readRow(clockRow, database.row('SELECT clock_mark FROM identity')).clock_mark;
}

/** Raises the high-water mark; a lower one changes nothing. An equal one is written again, so that it shows whether anything can be. */
export function raiseClockMark(database: Database, mark: Instant): void {
  database.run('UPDATE identity SET clock_mark = :mark WHERE clock_mark <= :mark', { mark });
}

/** Sets the high-water mark, also to an earlier instant. */
export function setClockMark(database: Database, mark: Instant): void {
  database.run('UPDATE identity SET clock_mark = :mark', { mark });
}

/** Since when no new grants are made; null where they are. */
export function readPause(database: Database): Instant | null {
  return readRow(pauseRow, database.row('SELECT paused_since FROM identity')).paused_since;
}

export function writePause(database: Database, since: Instant | null): void {
  database.run('UPDATE identity SET paused_since = :since', { since });
}

/** When the directory last refused our bind. */
export function readBindRefusal(database: Database): BindRefusal | null {
  const { bind_refused_at: at, bind_fingerprint: fingerprint } = readRow(
    refusalRow,
    database.row('SELECT bind_refused_at, bind_fingerprint FROM identity'),
  );
  return at === null || fingerprint === null ? null : { at, fingerprint };
}

/** Keeps a refused bind; null forgets it. */
export function writeBindRefusal(database: Database, refusal: BindRefusal | null): void {
  database.run('UPDATE identity SET bind_refused_at = :at, bind_fingerprint = :fingerprint', {
    at: refusal?.at ?? null,
    fingerprint: refusal?.fingerprint ?? null,
  });
}

/** The base entry that the open grants are of. Where none is open, that is the one that was found. */
export function keepBase(database: Database, found: EntryRef): EntryRef {
  database.run(
    `UPDATE identity SET base_id = :id, base_dn = :dn
     WHERE base_id IS NULL OR NOT EXISTS (SELECT 1 FROM grants WHERE state IN ('pending', 'active', 'ending'))`,
    { id: found.id, dn: found.dn },
  );
  const { base_id: id, base_dn: dn } = readRow(baseRow, database.row('SELECT base_id, base_dn FROM identity'));
  return { id, dn };
}

/** Since when this directory server has been in use; null where that is another one. */
export function findServer(database: Database, server: string): Instant | null {
  const row = database.row('SELECT server_since FROM identity WHERE server = :server', { server });
  return row === undefined ? null : readRow(serverRow, row).server_since;
}

/** The directory server is in use at that instant; an earlier one changes nothing. */
export function useServer(database: Database, at: Instant): void {
  database.run('UPDATE identity SET server_used = :at WHERE server IS NOT NULL AND server_used < :at', { at });
}

/**
 * The directory server in use from now on; one that is in use changes nothing. A ledger that knows of writes and of no server takes
 * them for another's: that costs a look at each, and the other reading could leave access that has ended.
 */
export function keepServer(
  database: Database,
  { server, at, lookBackMs }: { server: string; at: Instant; lookBackMs: number },
): Instant {
  // What the one before was told last may be lost with it, however long there was none since.
  const { last_use: lastUse } = readRow(
    lastUseRow,
    database.row('SELECT coalesce(server_used, max(clock_mark, :at)) AS last_use FROM identity', { at }),
  );
  const changed = database.run(
    `UPDATE identity SET server = :server, server_change = server_change + 1, server_used = max(clock_mark, :at),
       server_since = CASE WHEN server IS NULL AND NOT EXISTS (SELECT 1 FROM intents) THEN 0 ELSE max(clock_mark, :at) END
     WHERE server IS NOT :server`,
    { server, at },
  );
  const since = readRow(serverRow, database.row('SELECT server_since FROM identity')).server_since;
  if (changed === 0) return since;
  // What nobody has looked at yet may be lost still.
  database.run('DELETE FROM doubts WHERE decided = 1');
  const doubt = (which: string): void =>
    void database.run(`INSERT OR IGNORE INTO doubts (intent_id) SELECT intent_id FROM intents WHERE ${which}`, {
      from: Math.min(since, lastUse) - lookBackMs,
    });
  // One by one, so that each has an index.
  doubt('closed_at IS NULL');
  doubt('closed_at >= :from');
  // What ended without a write of ours was found gone, which may be lost as well.
  doubt("(user_id, group_id) IN (SELECT user_id, group_id FROM grants WHERE state IN ('ended', 'failed') AND over_at >= :from)");
  return since;
}
