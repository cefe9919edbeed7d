import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Instant, instant } from '../../src/access/instant.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { backupPlaces } from '../../src/ledger/sqlite/backup-folder.ts';
import { type OpenSqliteLedgerOptions, openSqliteLedger, type SqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import { activeGrant, quietly, sampleAudit, samplePair, samplePeriod } from './ledger-samples.ts';
import { scratchFolder, sqliteOptions } from './ledgers-under-test.ts';

export const NEW_ID = 'new-id';

/** A ledger in a state directory of its own, with a folder for backups beside it, and what a test does with them. */
export async function backedUpLedger(t: TestContext, changes: Pick<Partial<OpenSqliteLedgerOptions>, 'connectorId'> = {}) {
  const folder = await scratchFolder();
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [stateDir, backupDir] = [join(folder, 'state'), join(folder, 'mount')];
  await mkdir(backupDir);
  const options: OpenSqliteLedgerOptions = { ...sqliteOptions(stateDir), backupDir, newLedgerId: () => NEW_ID, ...changes };
  const places = backupPlaces(stateDir, { backupDir, connectorId: options.defaultConnectorId });

  async function opened(more: Partial<OpenSqliteLedgerOptions> = {}): Promise<SqliteLedger> {
    const ledger = await openSqliteLedger({ ...options, ...more });
    t.after(() => ledger.close());
    return ledger;
  }

  const first = await opened({ newLedgerId: () => 'first-id' });
  return {
    stateDir,
    backupDir,
    places,
    first,
    opened,
    backupsIn: async (place: number): Promise<readonly string[]> => (await readdir(places[place]?.folder ?? '')).toSorted(),
    /** Overwrites all of the ledger's file but its beginning. */
    async damage(): Promise<void> {
      const path = join(stateDir, 'ledger.db');
      await writeFile(path, Buffer.alloc(40_000, 0x5a), { flag: 'r+' });
    },
  };
}

export function at(seconds: number): Instant {
  return instant(Date.UTC(2026, 0, 2) + seconds * 1000);
}

/** One more active grant, in a commit of its own. */
export async function activate(ledger: Ledger, number: number): Promise<void> {
  const pair = samplePair(number, 1);
  await ledger.activate(
    { grant: activeGrant(`${number}`, { pair }), period: samplePeriod({ pair }), intentId: null, placeholder: null },
    quietly({ audit: [sampleAudit('grant.activated')] }),
  );
}

export const NEVER = new AbortController().signal;
