import type { Instant } from '../../access/instant.ts';
import { pruneAudit } from './audit.ts';
import type { Database } from './database.ts';

/** Rows of one kind deleted in one turn: about ten milliseconds, so that no ending waits for old paper. */
const ROWS_PER_TURN = 1000;

/**
 * A membership of ours in the same group was there already. While it lasts, what was written and seen of others since tells which
 * values are its own (a name may have gone to another person), and what was written for itself is what a failover may lose.
 */
function isSince(table: string, at: string): string {
  return `EXISTS (SELECT 1 FROM periods
       WHERE periods.group_id = ${table}.group_id AND periods.standing = 'false' AND periods.held_since <= ${table}.${at})`;
}

// What is open, or not yet acknowledged, stays: a job or a grant that an unsent event names, a grant that an open job
// or any kept intent names.
const DELETIONS: readonly string[] = [
  `DELETE FROM jobs WHERE receipt IN (
     SELECT receipt FROM jobs WHERE result IS NOT NULL AND received_at < :before
       AND NOT EXISTS (SELECT 1 FROM events WHERE events.job_id = jobs.job_id)
     ORDER BY received_at LIMIT :limit)`,
  `DELETE FROM intents WHERE intent_id IN (
     SELECT intent_id FROM intents WHERE closed_at < :before AND NOT ${isSince('intents', 'closed_at')} LIMIT :limit)`,
  `DELETE FROM grants WHERE grant_id IN (
     SELECT grant_id FROM grants WHERE state IN ('ended', 'failed') AND over_at < :before
       AND NOT EXISTS (SELECT 1 FROM events WHERE events.grant_id = grants.grant_id)
       AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.grant_id = grants.grant_id AND jobs.result IS NULL)
       AND NOT EXISTS (SELECT 1 FROM intents WHERE intents.grant_id = grants.grant_id)
       AND NOT (absence IS NOT NULL AND ${isSince('grants', 'over_at')})
     ORDER BY over_at LIMIT :limit)`,
  'DELETE FROM remembered_revokes WHERE grant_id IN (SELECT grant_id FROM remembered_revokes WHERE at < :before LIMIT :limit)',
  'DELETE FROM policy_notes WHERE subject IN (SELECT subject FROM policy_notes WHERE at < :before LIMIT :limit)',
];

/** Deletes some of what is older than `before`; returns how many rows. Nothing is left once it returns 0. */
export function forgetSome(database: Database, before: Instant): number {
  database.run('INSERT INTO retention (before) VALUES (:before)', { before });
  let forgotten = 0;
  for (const deletion of DELETIONS) forgotten += database.run(deletion, { before, limit: ROWS_PER_TURN });
  forgotten += pruneAudit(database, { before, limit: ROWS_PER_TURN });
  database.run('DELETE FROM retention');
  return forgotten;
}
