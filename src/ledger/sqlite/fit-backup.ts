import { z } from 'zod';
import { LedgerError } from '../ledger.ts';
import { type Backup, type BackupPlace, findBackups, listBackups } from './backup-folder.ts';
import { readRow } from './columns.ts';
import { measureAtOnce, verifyLedgerCopy } from './copy-ledger.ts';
import { openForReading } from './database.ts';

/** Backups, and whose they must be: no connector ever takes up what another has given. */
export interface OwnBackups {
  /** That of the state directory first. */
  readonly places: readonly BackupPlace[];
  /** As it is configured, or as the ledger says; null where neither is known. */
  readonly connectorId: string | null;
  /** The id of a ledger that is created without a configured one. */
  readonly defaultConnectorId: string;
}

/** A backup, or a folder of them, that is not restored from. */
export interface PassedOver {
  readonly path: string;
  readonly reason: string;
  /** Another connector's. */
  readonly isOthers: boolean;
}

const ownerRow = z.strictObject({ connector_id: z.string() });

/** Of all places the newest backup that is whole and of this connector, the state directory first where they are of one time. */
export function newestFit(backups: OwnBackups): { readonly backup: Backup | null; readonly passedOver: readonly PassedOver[] } {
  const found = findBackups(backups.places);
  const passedOver: PassedOver[] = found.problems.map(({ folder, reason }) => ({ path: folder, reason, isOthers: false }));
  const owner = found.backups.length === 0 ? '' : ownerOf(backups);
  for (const backup of found.backups) {
    const { path } = backup;
    try {
      checkContent(backup);
      verifyLedgerCopy(path, { inFull: true });
      const other = connectorIn(path);
      if (other === owner) return { backup, passedOver };
      passedOver.push({ path, reason: `it is of connector "${other}", and this one is "${owner}"`, isOthers: true });
    } catch (error) {
      passedOver.push({ path, reason: error instanceof Error ? error.message : String(error), isOthers: false });
    }
  }
  return { backup: null, passedOver };
}

/** Whether a backup is there that is not known to be another connector's; whether it is whole is not looked at. */
export function mayHaveFit(backups: OwnBackups): boolean {
  const found = findBackups(backups.places).backups;
  if (found.length === 0) return false;
  const owner = ownerOf(backups);
  return found.some(({ path }) => {
    try {
      return connectorIn(path) === owner;
    } catch {
      return true;
    }
  });
}

/** Where no id is configured, the backups in the state directory say it: the host may have had another name when they were made. */
function ownerOf({ places: [own], connectorId, defaultConnectorId }: OwnBackups): string {
  if (connectorId !== null) return connectorId;
  for (const backup of own === undefined ? [] : backupsIn(own))
    try {
      checkContent(backup);
      return connectorIn(backup.path);
    } catch {
      // Why it is unfit is said where it is passed over.
    }
  return defaultConnectorId;
}

function backupsIn({ folder }: BackupPlace): readonly Backup[] {
  try {
    return listBackups(folder);
  } catch {
    return [];
  }
}

/** Throws `damaged` where the file is not what its name says. */
function checkContent({ path, digest }: Backup): void {
  if (measureAtOnce(path).digest !== digest)
    throw new LedgerError('damaged', 'it is not what was written (its name holds the first digits of its SHA-256)');
}

/** Whose ledger a copy is of. Throws where that cannot be read. */
function connectorIn(path: string): string {
  const database = openForReading({ path, busyMs: 0 });
  try {
    return readRow(ownerRow, database.row('SELECT connector_id FROM identity')).connector_id;
  } finally {
    database.close();
  }
}
