import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Instant } from '../../access/instant.ts';
import { openForReading } from './database.ts';
import { readPause } from './identity.ts';

/** A writer that takes its log over holds a reader up for a moment. */
const BUSY_MS = 1000;

/** Since when no new grants are made, by the ledger of a state directory that may be another process's; null where it does not say so. */
export function lookAtPause(stateDir: string): Instant | null {
  const path = join(stateDir, 'ledger.db');
  if (!existsSync(path)) return null;
  try {
    const database = openForReading({ path, busyMs: BUSY_MS });
    try {
      return readPause(database);
    } finally {
      database.close();
    }
  } catch {
    // One of another version, or damaged: its own step of the check says so.
    return null;
  }
}
