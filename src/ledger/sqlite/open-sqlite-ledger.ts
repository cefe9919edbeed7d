import { randomUUID } from 'node:crypto';
import type { Instant } from '../../access/instant.ts';
import type { Logger } from '../../observability/logger.ts';
import { type Ledger, LedgerError } from '../ledger.ts';
import { appendAudit } from './consequence.ts';
import type { Database } from './database.ts';
import { ledgerErrorOf } from './faults.ts';
import { createIdentity, findIdentity } from './identity.ts';
import { openLedgerDatabase } from './ledger-database.ts';
import { lockStateDirectory } from './owner-lock.ts';
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
  /** Told the number of works of each commit. */
  readonly onCommit?: ((works: number) => void) | undefined;
}

/**
 * Opens the ledger of a state directory, creating both where they are missing. The directory belongs to this process
 * until `close`. Rejects with a `LedgerError`: `locked`, `damaged`, `newer_schema`, `wrong_connector`, `no_space` or
 * `failed`; nothing has then been changed in an existing ledger but finished migrations.
 */
export async function openSqliteLedger(options: OpenSqliteLedgerOptions): Promise<Ledger> {
  const { stateDir, now, logger, newLedgerId = randomUUID, onCommit } = options;
  prepareStateDirectory(stateDir, logger);
  const lock = lockStateDirectory(stateDir, now());
  try {
    const database = openLedgerDatabase(stateDir, logger);
    try {
      takeIdentity(database, { ...options, newLedgerId });
    } catch (error) {
      database.close();
      throw error;
    }
    return sqliteLedger({ database, newLedgerId, onCommit, release: () => lock.release() });
  } catch (error) {
    lock.release();
    throw ledgerErrorOf(error, `open the ledger in ${stateDir}`);
  }
}

/** Keeps the connector id at the first opening; a different one later is another connector's. */
function takeIdentity(
  database: Database,
  {
    connectorId,
    defaultConnectorId,
    newLedgerId,
    now,
  }: Pick<OpenSqliteLedgerOptions, 'connectorId' | 'defaultConnectorId' | 'now'> & { newLedgerId: () => string },
): void {
  const known = findIdentity(database);
  if (known === null) {
    const created = { ledgerId: newLedgerId(), connectorId: connectorId ?? defaultConnectorId };
    database.script('BEGIN IMMEDIATE');
    createIdentity(database, created);
    appendAudit(database, { kind: 'ledger.created', at: now(), facts: created });
    database.script('COMMIT');
    return;
  }
  if (connectorId !== null && connectorId !== known.connectorId) {
    throw new LedgerError(
      'wrong_connector',
      `the ledger belongs to connector "${known.connectorId}", but LATCHKEY_CONNECTOR_ID is "${connectorId}"; ` +
        'set it to the first, or use another LATCHKEY_STATE_DIR for the second',
    );
  }
}
