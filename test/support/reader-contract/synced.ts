import assert from 'node:assert/strict';
import type { DirectoryReader } from '../../../src/directory/directory-reader.ts';
import type { SyncResult } from '../../../src/sync/run-result.ts';
import { type SyncUnderTest, syncUnderTest } from '../sync-under-test.ts';
import type { Grants } from '../synced-history.ts';

export const DELTA = { mode: 'delta', acceptRemovals: null } as const;
export const FULL = { mode: 'full', acceptRemovals: null } as const;

/** What a control plane is told that knows nothing yet is what this one has. */
export async function sameAsFirst(
  sync: SyncUnderTest,
  reader: DirectoryReader,
  { grants = new Map(), counts = true }: { grants?: Grants; counts?: boolean } = {},
): Promise<void> {
  await using first = await syncUnderTest({ reader, grants: () => grants });
  publishedBy(await first.run(FULL));
  assert.deepEqual(sync.receiver.picture(), first.receiver.picture());
  if (counts) assert.deepEqual(sync.receiver.counts(), first.receiver.counts());
}

export function publishedBy(result: SyncResult): Extract<SyncResult, { kind: 'published' }> {
  assert.ok(result.kind === 'published', JSON.stringify(result));
  return result;
}
