import { formatInstant, type Instant } from '../../access/instant.ts';
import type { Logger } from '../../observability/logger.ts';
import { LedgerError, type LedgerIdentity } from '../ledger.ts';
import { appendAudit } from './audit.ts';
import type { BackupPlace } from './backup-folder.ts';
import type { Database } from './database.ts';
import { renewLedger } from './events.ts';
import type { OwnBackups } from './fit-backup.ts';
import { countUnfinished } from './grants.ts';
import { countCommits, createIdentity, findIdentity, readTally } from './identity.ts';
import type { LedgerDatabase } from './ledger-database.ts';
import type { Tally } from './page-sums.ts';
import { commitsOfBackup, type Restored } from './restore.ts';

interface IdentityOptions {
  readonly connectorId: string | null;
  readonly defaultConnectorId: string;
  readonly now: () => Instant;
  readonly logger?: Logger | undefined;
  readonly newLedgerId: () => string;
  readonly restored: Restored | null;
  readonly places: readonly BackupPlace[];
}

/**
 * Keeps the connector id at the first opening; a different one later is another connector's. A ledger that is older than what was once
 * written takes a new id. Throws `wrong_connector`, or `damaged` where a backup is to take its place.
 */
export function takeIdentity(ledger: LedgerDatabase, options: IdentityOptions): void {
  const { database, known } = ledger;
  const { connectorId, defaultConnectorId, newLedgerId, now, restored } = options;
  const found = findIdentity(database);
  if (found !== null && connectorId !== null && connectorId !== found.connectorId) {
    throw new LedgerError(
      'wrong_connector',
      `the ledger belongs to connector "${found.connectorId}", but LATCHKEY_CONNECTOR_ID is "${connectorId}"; ` +
        'set it to the first, or use another LATCHKEY_STATE_DIR for the second',
    );
  }
  // Whatever it had given would be left for good: nothing is begun in its place but by a person who says so.
  if (found === null && known !== null && known.commits > 0)
    throw new LedgerError('damaged', 'the ledger is missing, and its checksums are there');
  const commits = found === null ? 0 : readTally(database).commits;
  const why = restored?.why ?? (found === null ? null : replacedBecause({ commits, known }));
  // What is left of it may be older than its newest backup: the log that was lost can hold hours.
  if (restored === null && known !== null && known.commits > commits && commitsOfBackup(ownBackups(options, found)) > commits)
    throw new LedgerError('damaged', `${why}, and there is a backup that has more of them`);
  if (found !== null && why === null) return;
  inTransaction(database, () => {
    if (found === null) {
      const created = { ledgerId: newLedgerId(), connectorId: connectorId ?? defaultConnectorId };
      createIdentity(database, created);
      appendAudit(database, [{ kind: 'ledger.created', at: now(), facts: created }]);
    }
    if (why !== null) replace(database, { why, commits, knownCommits: known?.commits ?? null, options });
    countCommits(database, known?.commits ?? 0);
  });
}

/**
 * Why the ledger is older than what was once written, null where it is not. Without its checksums nobody knows how much
 * was: it counts as a copy that was put back, as it is when only `ledger.db` was kept in a backup. To take that for granted
 * costs a new id and some questions; to take a copy for the whole could claim what is not ours.
 */
function replacedBecause({ commits, known }: { commits: number; known: Tally | null }): string | null {
  if (known === null) return 'the checksums of the ledger are missing, so it may be an older copy';
  if (known.commits > commits) return `the ledger has lost its last ${known.commits - commits} commits`;
  return null;
}

function replace(
  database: Database,
  {
    why,
    commits,
    knownCommits,
    options,
  }: { why: string; commits: number; knownCommits: number | null; options: IdentityOptions },
): void {
  const at = options.now();
  const ledgerId = options.newLedgerId();
  renewLedger(database, { ledgerId, at });
  const facts = { why, commits, knownCommits, ...toldRestore(database, options.restored, at) };
  appendAudit(database, [{ kind: 'ledger.replaced', at, facts }]);
  options.logger?.error(
    { event: 'ledger.replaced', ledgerId, ...facts },
    `${why}: it takes a new id. Look at every grant that was issued since its last backup`,
  );
}

/** What was set aside, what stands in its place, how old that is, and how much it knows to be not over. */
function toldRestore(database: Database, restored: Restored | null, at: Instant): Readonly<Record<string, unknown>> {
  if (restored === null) return {};
  const { setAside, backup, backupAt } = restored;
  const { pending, active, ending, openJobs } = countUnfinished(database);
  return {
    setAside,
    backup,
    backupAt: formatInstant(backupAt),
    backupAgeSeconds: Math.max(0, Math.round((at - backupAt) / 1000)),
    grants: { pending, active, ending },
    openJobs,
  };
}

/** Of the id that the ledger has: one that was not configured may be the host's earlier name. */
function ownBackups({ places, connectorId, defaultConnectorId }: IdentityOptions, found: LedgerIdentity | null): OwnBackups {
  return { places, connectorId: found?.connectorId ?? connectorId, defaultConnectorId };
}

function inTransaction(database: Database, work: () => void): void {
  database.script('BEGIN IMMEDIATE');
  try {
    work();
    database.script('COMMIT');
  } catch (error) {
    if (database.inTransaction()) database.script('ROLLBACK');
    throw error;
  }
}
