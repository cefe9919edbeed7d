import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../../observability/logger.ts';
import { LedgerError } from '../ledger.ts';
import type { PictureFacts, PublishedPicture, Snapshots } from '../snapshots.ts';
import { type Database, openDatabase } from './database.ts';
import { flushDatabase } from './durable.ts';
import { ledgerErrorOf } from './faults.ts';
import { lastSyncFile } from './last-sync.ts';
import { BUSY_MS, changedPicture, newPicture, removeFiles } from './snapshot-drafts.ts';
import { sqlitePicture } from './snapshot-picture.ts';
import { integerOf, jsonOf, SNAPSHOT_FORMAT, textOf } from './snapshot-rows.ts';
import { syncDirectory } from './state-directory.ts';

export interface SqliteSnapshotsOptions {
  /** Where `sync.db` is. */
  readonly folder: string;
  /** Where a whole new picture is made; what is made elsewhere than in `folder` cannot be published. */
  readonly draftFolder?: string;
  /** Whom the pictures go to: what was published to another is nothing to build on. Null: to whomever. */
  readonly receiver: string | null;
  /** The file is another's, and is left as it is, whatever is wrong with it. */
  readonly onlyLook?: boolean;
  readonly logger: Logger;
}

interface Opened {
  /** Sees what is published. */
  readonly reader: Database;
  /** Makes changes, which the other does not see until they are committed. */
  readonly writer: Database;
  readonly seed: number;
  facts: PictureFacts;
}

/** Held runs that are kept: a day of them, and some. */
const MAX_HELD = 64;
const NOTHING_YET = 'nothing has been published from this state directory yet';
const IN_DOUBT = 'it is not known whether the control plane took the last sync whole';

/**
 * Snapshots in `sync.db`, a SQLite file that nothing depends on: what is damaged or of another form is thrown away and said. A
 * whole new picture is made in a file beside it, whose name it then takes; changes are a transaction. A power cut may lose the last
 * of them: the control plane knows from which picture a delta starts, and refuses it.
 */
export function sqliteSnapshots(options: SqliteSnapshotsOptions): Snapshots {
  const { folder, draftFolder = folder, logger } = options;
  const path = join(folder, 'sync.db');
  const draftPath = join(draftFolder, 'sync-next.db');
  const last = lastSyncFile(options);
  let opened: Opened | null = null;
  let why: string | null = null;
  let drafting = false;

  function publishedOne(): Opened | null {
    if (opened !== null || why !== null) return opened;
    if (!existsSync(path)) {
      why = NOTHING_YET;
      return null;
    }
    try {
      const found = openPublished(path, options.receiver);
      if (typeof found === 'string') throwAway(found);
      else opened = found;
    } catch (error) {
      if (!(error instanceof LedgerError) || error.fault !== 'damaged') throw error;
      throwAway('the file of the last sync cannot be read');
    }
    return opened;
  }

  function throwAway(reason: string): void {
    close();
    why = reason;
    if (options.onlyLook === true) return;
    removeFiles(path);
    logger.warn({ event: 'sync.snapshot-thrown-away', path, reason }, `${reason}: the next sync tells everything`);
  }

  function close(): void {
    opened?.writer.close();
    opened?.reader.close();
    opened = null;
  }

  function beginDraft(): () => void {
    if (drafting) throw new Error('one draft at a time');
    drafting = true;
    return () => {
      drafting = false;
    };
  }

  return {
    published(): PublishedPicture {
      const found = publishedOne();
      if (found === null) return { kind: 'none', reason: why ?? NOTHING_YET, counts: last.read().counts };
      return { kind: 'picture', picture: sqlitePicture(found.reader, found.seed), facts: found.facts };
    },
    replace() {
      const ended = beginDraft();
      removeFiles(draftPath);
      return newPicture(draftPath, {
        ended,
        receiver: options.receiver,
        doubt() {
          close();
          removeFiles(path);
          why = IN_DOUBT;
        },
        async adopt(facts) {
          await makeDurable(draftPath);
          rename(draftPath, path);
          syncDirectory(folder);
          why = null;
          publishedOne();
          logger.debug({ event: 'sync.snapshot-replaced', syncId: facts.syncId }, 'what was told is kept for the next sync');
        },
      });
    },
    change() {
      const found = publishedOne();
      if (found === null) throw new Error('there is nothing published to change');
      return changedPicture(found, {
        ended: beginDraft(),
        receiver: options.receiver,
        doubted() {
          why = IN_DOUBT;
        },
        adopted(facts) {
          found.facts = facts;
          why = null;
        },
        lost: close,
      });
    },
    forget: throwAway,
    held: () => last.read().held,
    had: () => last.read().had,
    failed: () => last.read().failed,
    fail(failed, run) {
      const { counts, had, held } = last.read();
      last.write({ counts, had, held: [...(run === null ? [] : [run]), ...held].slice(0, MAX_HELD), failed });
    },
    release: (counts, had) => last.write({ counts, had: had ?? last.read().had, held: [], failed: null }),
    close,
  };
}

/** Null and undefined never: a sentence where the file is of no use. */
function openPublished(path: string, receiver: string | null): Opened | string {
  const reader = openDatabase({ path, busyMs: BUSY_MS });
  try {
    if (integerOf(reader.row('PRAGMA user_version'), 'user_version') !== SNAPSHOT_FORMAT)
      return closed(reader, 'the file of the last sync is of another version');
    const row = reader.row('SELECT seed, coalesce(facts, :none) AS facts FROM picture', { none: '' });
    const text = textOf(row, 'facts');
    if (text === '') return closed(reader, IN_DOUBT);
    const { receiver: told, ...facts } = jsonOf(text, 'facts') as PictureFacts & { receiver: string };
    if (receiver !== null && told !== receiver) return closed(reader, 'the last sync went to another control plane');
    reader.row('PRAGMA journal_mode = WAL');
    reader.script('PRAGMA synchronous = NORMAL');
    const writer = openDatabase({ path, busyMs: BUSY_MS });
    writer.script('PRAGMA synchronous = NORMAL');
    return { reader, writer, seed: integerOf(row, 'seed'), facts };
  } catch (error) {
    reader.close();
    throw error;
  }
}

function closed(database: Database, reason: string): string {
  database.close();
  return reason;
}

async function makeDurable(path: string): Promise<void> {
  try {
    await flushDatabase(path);
  } catch (error) {
    throw ledgerErrorOf(error, `sync ${path}`);
  }
}

function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    throw ledgerErrorOf(error, `rename ${from}`);
  }
}
