import { rm } from 'node:fs/promises';
import type { Instant } from '../../src/access/instant.ts';
import type { SyncWish } from '../../src/access/sync.ts';
import type { DirectoryReader } from '../../src/directory/directory-reader.ts';
import { sqliteSnapshots } from '../../src/ledger/sqlite/sqlite-snapshots.ts';
import { type SyncRunOptions, syncRun } from '../../src/sync/run.ts';
import type { SyncResult } from '../../src/sync/run-result.ts';
import { capturedLog } from './captured-log.ts';
import { type FakeClock, fakeClock } from './fake-clock.ts';
import { scratchFolder } from './ledgers-under-test.ts';
import type { Grants } from './synced-history.ts';
import { type SyncedReceiver, syncedReceiver } from './synced-receiver.ts';

/** Runs against a reader and a control plane in memory, with what was published kept in a folder of its own. */
export interface SyncUnderTest extends AsyncDisposable {
  readonly folder: string;
  readonly clock: FakeClock;
  readonly receiver: SyncedReceiver;
  readonly log: ReturnType<typeof capturedLog>;
  run(wish: SyncWish, signal?: AbortSignal): Promise<SyncResult>;
  held(): readonly { readonly syncId: string; readonly at: Instant }[];
  /** As a connector that was stopped and started. */
  restart(): void;
  close(): void;
}

export async function syncUnderTest({
  reader,
  grants = () => new Map(),
  ...others
}: { reader: DirectoryReader; grants?: () => Grants } & Partial<SyncRunOptions>): Promise<SyncUnderTest> {
  const folder = await scratchFolder();
  const clock = fakeClock();
  const receiver = syncedReceiver();
  const log = capturedLog();
  const open = () => sqliteSnapshots({ folder, receiver: 'a control plane', logger: log.logger });
  let snapshots = open();
  let syncs = 0;
  return {
    folder,
    clock,
    receiver,
    log,
    run: (wish, signal = AbortSignal.timeout(30_000)) =>
      syncRun({
        reader,
        snapshots,
        channel: receiver.channel,
        heldGrants: async () => grants(),
        drift: null,
        others: null,
        rules: { protects: () => false, protectsBuiltIn: () => false, releases: () => false },
        maxRemovedPercent: 100,
        scratchFolder: folder,
        clock,
        newSyncId() {
          syncs += 1;
          return `sync-${syncs}`;
        },
        isTold: true,
        log: log.logger,
        ...others,
      })(wish, signal),
    held: () => snapshots.held(),
    restart() {
      snapshots.close();
      snapshots = open();
    },
    close: () => snapshots.close(),
    async [Symbol.asyncDispose]() {
      snapshots.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
