import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ChainVerdict, chainCheck, type KeptCheckpoint, type KeptRow } from '../access/audit-chain.ts';
import type { GrantId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import { openAuditTrail } from '../ledger/sqlite/audit-trail.ts';

/** The ledger's file in a state directory. */
export function ledgerIn(stateDir: string): string {
  return join(stateDir, 'ledger.db');
}

/** Verifies the audit trail of a ledger's file, to the first thing that is wrong. `onRecords` is told how far it is. */
export function verifyAudit(
  { path, checkpoints }: { path: string; checkpoints: readonly KeptCheckpoint[] },
  onRecords: (records: number) => void,
): ChainVerdict {
  const isOpenElsewhere = existsSync(`${path}-wal`);
  const verdict = verifyOnce({ path, checkpoints }, onRecords);
  // A connector that has just started may write to a file of which none was expected to: then it is read as such.
  if (verdict.whole || isOpenElsewhere || !existsSync(`${path}-wal`)) return verdict;
  return verifyOnce({ path, checkpoints }, onRecords);
}

function verifyOnce(
  { path, checkpoints }: { path: string; checkpoints: readonly KeptCheckpoint[] },
  onRecords: (records: number) => void,
): ChainVerdict {
  const trail = openAuditTrail(path);
  try {
    const check = chainCheck(trail.ends, checkpoints);
    let records = 0;
    for (const row of trail.rows()) {
      if (!check.take(row)) break;
      records += 1;
      if (records % TOLD_EVERY === 0) onRecords(records);
    }
    return check.verdict();
  } finally {
    trail.close();
  }
}

const TOLD_EVERY = 10_000;

/** The records of a ledger's file, in order; what one does with them may take its time. */
export function* auditRows(
  path: string,
  query: { readonly grantId: GrantId | null; readonly since: Instant | null },
): Generator<KeptRow> {
  const trail = openAuditTrail(path);
  try {
    yield* trail.rows(query);
  } finally {
    trail.close();
  }
}
