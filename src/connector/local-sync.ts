import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SyncMode } from '../access/sync.ts';
import type { Config } from '../config/config.ts';
import { openLdapReader } from '../directory/ldap/reader/open-ldap-reader.ts';
import { systemClock } from '../engine/system-clock.ts';
import type { Snapshots } from '../ledger/snapshots.ts';
import { sqliteSnapshots } from '../ledger/sqlite/sqlite-snapshots.ts';
import type { Logger } from '../observability/logger.ts';
import type { Learn } from '../secrets/secret-source.ts';
import { syncRun } from '../sync/run.ts';
import type { SyncResult } from '../sync/run-result.ts';
import { directoryOptions, readerOptions, spelledProtection } from './directory-options.ts';

export interface LocalSyncOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly learnSecret: Learn;
  /** `full`: every record; `delta`: those that the next sync would tell. */
  readonly mode: SyncMode;
  /** Takes some records, each JSON text. */
  readonly take: (records: readonly string[]) => Promise<void>;
  readonly signal: AbortSignal;
}

/** How a sync ended that told nobody. */
export type LocalSyncResult = Exclude<SyncResult, { kind: 'unlinked' }>;

/**
 * Reads the directory as a sync does and tells no control plane: what was published last is looked at and stays as it is. Which
 * memberships grants hold is known as of then.
 */
export async function localSync({ config, log, learnSecret, mode, take, signal }: LocalSyncOptions): Promise<LocalSyncResult> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-sync-'));
  const looked = sqliteSnapshots({
    folder: config.process.stateDir,
    draftFolder: folder,
    receiver: null,
    onlyLook: true,
    logger: log,
  });
  const ldap = directoryOptions({
    config,
    log,
    learnSecret,
    clock: systemClock,
    random: Math.random,
    failPoints: () => undefined,
    ledger: null,
  });
  try {
    const result = await syncRun({
      reader: openLdapReader(readerOptions(config, ldap)),
      snapshots: lookedAt(looked),
      channel: {
        begin: async () => ({ page: take, end: async () => undefined, abort: () => undefined }),
      },
      heldGrants: null,
      drift: null,
      others: null,
      rules: spelledProtection(config),
      maxRemovedPercent: config.sync.maxRemovedPercent,
      scratchFolder: folder,
      clock: systemClock,
      newSyncId: () => randomUUID(),
      isTold: false,
      log,
    })({ mode, acceptRemovals: null }, signal);
    if (result.kind === 'unlinked') throw new Error('nobody was to be told');
    return result;
  } finally {
    looked.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Everything is read anew, and nothing of it is kept: the running connector may be at work on the same file. */
function lookedAt(snapshots: Snapshots): Snapshots {
  return {
    ...snapshots,
    published() {
      const found = snapshots.published();
      return found.kind === 'none' ? found : { ...found, facts: { ...found.facts, cursor: null } };
    },
    replace() {
      const draft = snapshots.replace();
      return { ...draft, doubt: () => undefined, publish: async () => draft.discard() };
    },
    change: () => {
      throw new Error('what was published is only looked at');
    },
    held: () => [],
    failed: () => null,
    fail: () => undefined,
    release: () => undefined,
  };
}
