import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Instant } from '../../access/instant.ts';
import type { Logger } from '../../observability/logger.ts';
import { type Ledger, LedgerError } from '../ledger.ts';
import { appendAudit } from './audit.ts';
import type { OnCommit } from './commit-queue.ts';
import type { Database } from './database.ts';
import { renewLedger } from './events.ts';
import { ledgerErrorOf } from './faults.ts';
import { countCommits, createIdentity, findIdentity, readTally } from './identity.ts';
import { type LedgerDatabase, openLedgerDatabase } from './ledger-database.ts';
import { lockStateDirectory, type OwnerLock } from './owner-lock.ts';
import type { Tally } from './page-sums.ts';
import { openReserve, RESERVE_BYTES, type Reserve } from './reserve.ts';
import { sqliteLedger } from './sqlite-ledger.ts';
import { prepareStateDirectory } from './state-directory.ts';

export interface OpenSqliteLedgerOptions {
  readonly stateDir: string;
  /** The id that was configured; null where none was, and the one kept in the ledger holds. */
  readonly connectorId: string | null;
  /** The id of a ledger that is created without a configured one. */
  readonly defaultConnectorId: string;
  readonly now: () => Instant;
  readonly logger?: Logger | undefined;
  readonly newLedgerId?: (() => string) | undefined;
  /** How much disk is set aside for a full one; a multiple of 64. */
  readonly reserveBytes?: number | undefined;
  readonly onCommit?: OnCommit | undefined;
}

/**
 * Opens the ledger of a state directory, creating both where they are missing. The directory belongs to this process
 * until `close`. Rejects with a `LedgerError`: `locked`, `damaged`, `newer_schema`, `wrong_connector`, `no_space` or
 * `failed`; nothing has then been changed in an existing ledger but finished migrations.
 */
export async function openSqliteLedger(options: OpenSqliteLedgerOptions): Promise<Ledger> {
  const { stateDir, now, logger } = options;
  prepareStateDirectory(stateDir, logger);
  const lock = lockStateDirectory(stateDir, now());
  let reserve: Reserve | null = null;
  try {
    reserve = openReserve({ path: join(stateDir, 'ledger.reserve'), bytes: options.reserveBytes ?? RESERVE_BYTES, logger });
    return openWith(reserve, options, lock);
  } catch (error) {
    reserve?.close();
    lock.release();
    throw ledgerErrorOf(error, `open the ledger in ${stateDir}`);
  }
}

/** A start must not fail for want of space while some is set aside: what was due meanwhile has to end. */
function openWith(reserve: Reserve, options: OpenSqliteLedgerOptions, lock: OwnerLock): Ledger {
  const { stateDir, logger, newLedgerId = randomUUID, onCommit } = options;
  // Ends: the reserve does.
  for (;;) {
    let opened: LedgerDatabase | null = null;
    try {
      const ledgerDatabase = openLedgerDatabase({ stateDir, reserve, logger });
      opened = ledgerDatabase;
      takeIdentity(ledgerDatabase, { ...options, newLedgerId });
      ledgerDatabase.begin();
      return sqliteLedger({
        database: ledgerDatabase.database,
        hooks: ledgerDatabase.hooks,
        space: () => reserve.space(),
        newLedgerId,
        onCommit,
        release: () => {
          try {
            ledgerDatabase.close();
          } finally {
            reserve.close();
            lock.release();
          }
        },
      });
    } catch (error) {
      opened?.close();
      const failure = ledgerErrorOf(error, `open the ledger in ${stateDir}`);
      if (failure.fault !== 'no_space' || !reserve.giveForOpening()) throw failure;
    }
  }
}

type IdentityOptions = Pick<OpenSqliteLedgerOptions, 'connectorId' | 'defaultConnectorId' | 'now' | 'logger'> & {
  readonly newLedgerId: () => string;
};

/** Keeps the connector id at the first opening; a different one later is another connector's. */
function takeIdentity(ledger: LedgerDatabase, options: IdentityOptions): void {
  const { database, known } = ledger;
  const { connectorId, defaultConnectorId, newLedgerId, now } = options;
  const found = findIdentity(database);
  if (found !== null && connectorId !== null && connectorId !== found.connectorId) {
    throw new LedgerError(
      'wrong_connector',
      `the ledger belongs to connector "${found.connectorId}", but LATCHKEY_CONNECTOR_ID is "${connectorId}"; ` +
        'set it to the first, or use another LATCHKEY_STATE_DIR for the second',
    );
  }
  const commits = found === null ? 0 : readTally(database).commits;
  const why = replacedBecause({ isNew: found === null, commits, known });
  if (found !== null && why === null) return;
  inTransaction(database, () => {
    if (found === null) {
      const lost = why === null ? null : known;
      const created = { ledgerId: lost?.ledgerId ?? newLedgerId(), connectorId: connectorId ?? defaultConnectorId };
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
function replacedBecause({ isNew, commits, known }: { isNew: boolean; commits: number; known: Tally | null }): string | null {
  if (isNew) return known !== null && known.commits > 0 ? 'the ledger is missing, and its checksums are there' : null;
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
  const facts = { why, commits, knownCommits };
  appendAudit(database, [{ kind: 'ledger.replaced', at, facts }]);
  options.logger?.error(
    { event: 'ledger.replaced', ledgerId, ...facts },
    `${why}: it takes a new id. Look at every grant that was issued since its last backup`,
  );
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
