import { z } from 'zod';
import type { ActiveGrant, EndedGrant, EndingGrant, Grant, Known, LiveGrant, PendingGrant } from '../../access/grant.ts';
import type { EntryId, GrantId } from '../../access/ids.ts';
import type { Instant } from '../../access/instant.ts';
import type { Pair } from '../../access/reference.ts';
import { type ActiveMembership, type Census, type HeldMembership, type Ledger, LedgerError } from '../ledger.ts';
import { entryIdColumn, flagColumn, grantIdColumn, instantColumn, readRow } from './columns.ts';
import type { Database } from './database.ts';
import {
  activeRow,
  endedRow,
  endingRow,
  GRANT_COLUMNS,
  grantParameters,
  grantRow,
  liveRow,
  pairColumns,
  pairOf,
  pendingRow,
} from './grant-row.ts';

/** What may become of a grant: it never goes back, and what is over stays as it is. */
const FOLLOWED_BY: Record<Grant['state'], readonly Grant['state'][]> = {
  pending: ['pending', 'active', 'ending', 'ended', 'failed'],
  active: ['active', 'ending', 'ended'],
  ending: ['ending', 'ended'],
  ended: [],
  failed: [],
};

const stateRow = z.strictObject({ state: z.enum(['pending', 'active', 'ending', 'ended', 'failed']) });
const heldRow = z
  .strictObject({ user_id: entryIdColumn, group_id: entryIdColumn, grant_id: grantIdColumn })
  .transform(({ user_id: userId, group_id: groupId, grant_id: grantId }): HeldMembership => ({ userId, groupId, grantId }));
const activeMembershipRow = z
  .strictObject({ grant_id: grantIdColumn, ...pairColumns, is_believed: flagColumn })
  .transform((row): ActiveMembership => ({ grantId: row.grant_id, pair: pairOf(row), isBelieved: row.is_believed }));
const grantCountRow = z.strictObject({ grants: z.int() });
const groupIdRow = z.strictObject({ group_id: entryIdColumn });
const nextExpiryRow = z.strictObject({ expires_at: instantColumn.nullable() });

/** What is known under a grant id. */
export function findKnown(database: Database, grantId: GrantId): Known {
  const revoke = database.row('SELECT 1 FROM remembered_revokes WHERE grant_id = :grantId', { grantId });
  return { grant: findGrant(database, grantId), revokedBefore: revoke !== undefined };
}

function findGrant(database: Database, grantId: GrantId): Grant | null {
  const row = database.row(`SELECT ${GRANT_COLUMNS} FROM grants WHERE grant_id = :grantId`, { grantId });
  return row === undefined ? null : readRow(grantRow, row);
}

/** Remembers a revoke whose grant has not been seen; again only renews its date. */
export function insertRevoke(database: Database, grantId: GrantId, at: Instant): void {
  database.run(
    `INSERT INTO remembered_revokes (grant_id, at) VALUES (:grantId, :at)
     ON CONFLICT (grant_id) DO UPDATE SET at = excluded.at`,
    { grantId, at },
  );
}

/** Writes a grant in its new state; a step back is a `conflict`. */
export function saveGrant(database: Database, grant: Grant): void {
  const row = database.row('SELECT state FROM grants WHERE grant_id = :grantId', { grantId: grant.grantId });
  const before = row === undefined ? null : readRow(stateRow, row).state;
  if (before !== null && !FOLLOWED_BY[before].includes(grant.state)) {
    throw new LedgerError('conflict', `grant ${grant.grantId} is ${before}; it cannot become ${grant.state}`);
  }
  database.run(before === null ? INSERT : UPDATE, grantParameters(grant));
}

/** Makes an ended grant an ending one again, which remembers when it had ended; any other is a `conflict`. */
export function reopenGrant(database: Database, { grantId, cause, since }: EndingGrant): void {
  const reopened = database.run(
    `UPDATE grants SET state = 'ending', cause = :cause, since = :since, membership = NULL
     WHERE grant_id = :grantId AND state = 'ended'`,
    { grantId, cause, since },
  );
  if (reopened === 0) throw new LedgerError('conflict', `grant ${grantId} has not ended; it cannot end again`);
}

const INSERT = `INSERT INTO grants (${GRANT_COLUMNS})
  VALUES (:grantId, :state, :userId, :userDn, :groupId, :groupDn, :requestedEnd, :deadline, :standing,
    :activatedAt, :expiresAt, :cause, :since, :membership, :code, :overAt)`;

const UPDATE = `UPDATE grants SET
    state = :state, user_id = :userId, user_dn = :userDn, group_id = :groupId, group_dn = :groupDn,
    requested_end = :requestedEnd, deadline = :deadline, standing = :standing, activated_at = :activatedAt,
    expires_at = :expiresAt, cause = :cause, since = :since, membership = :membership, code = :code, over_at = :overAt
  WHERE grant_id = :grantId`;

/** Active and ending grants of a pair, in order of id. */
export function liveGrantsOf(database: Database, pair: Pair): readonly LiveGrant[] {
  return database
    .rows(
      `SELECT ${GRANT_COLUMNS} FROM grants
       WHERE user_id = :userId AND group_id = :groupId AND state IN ('active', 'ending') ORDER BY grant_id`,
      { userId: pair.user.id, groupId: pair.group.id },
    )
    .map((row) => readRow(liveRow, row));
}

/** Of the grants of a pair that have ended, the one that its membership ended with. */
export function findLastEnded(database: Database, pair: Pair): EndedGrant | null {
  const row = database.row(
    `SELECT ${GRANT_COLUMNS} FROM grants
     WHERE user_id = :userId AND group_id = :groupId AND state = 'ended' AND membership <> 'kept_by_grant'
     ORDER BY over_at DESC LIMIT 1`,
    { userId: pair.user.id, groupId: pair.group.id },
  );
  return row === undefined ? null : readRow(endedRow, row);
}

/** Active grants whose end has come, earliest first. */
export function readDueGrants(database: Database, { now, limit }: { now: Instant; limit: number }): readonly ActiveGrant[] {
  return database
    .rows(
      `SELECT ${GRANT_COLUMNS} FROM grants
       WHERE state = 'active' AND expires_at <= :now ORDER BY expires_at, grant_id LIMIT :limit`,
      { now, limit },
    )
    .map((row) => readRow(activeRow, row));
}

/** The earliest end of an active grant. */
export function readNextExpiry(database: Database): Instant | null {
  const row = database.row(`SELECT min(expires_at) AS expires_at FROM grants WHERE state = 'active'`);
  return readRow(nextExpiryRow, row).expires_at;
}

/** How many live grants are of a period whose standing is unknown. */
const censusRow = z.strictObject({
  pending: z.int(),
  active: z.int(),
  ending: z.int(),
  ending_since: instantColumn.nullable(),
  open_jobs: z.int(),
});

/** Each count is of a partial index alone; only of what is ending are the rows read, and that is little or overdue. */
export function countUnfinished(database: Database): Census {
  const row = database.row(
    `SELECT (SELECT count(*) FROM grants WHERE state = 'pending') AS pending,
       (SELECT count(*) FROM grants WHERE state = 'active') AS active,
       (SELECT count(*) FROM grants WHERE state = 'ending') AS ending,
       (SELECT min(since) FROM grants WHERE state = 'ending') AS ending_since,
       (SELECT count(*) FROM jobs WHERE result IS NULL) AS open_jobs`,
  );
  const { pending, active, ending, ending_since: endingSince, open_jobs: openJobs } = readRow(censusRow, row);
  return { pending, active, ending, endingSince, openJobs };
}

export function countOwnershipUnknown(database: Database): number {
  const row = database.row(`SELECT count(*) AS grants FROM grants WHERE state IN ('active', 'ending') AND standing = 'unknown'`);
  return readRow(grantCountRow, row).grants;
}

/** Counts no further than `limit`. */
export function countOpenGrants(database: Database, { groupId, limit }: Parameters<Ledger['countOpenGrants']>[0]): number {
  const row = database.row(
    `SELECT count(*) AS grants FROM (
       SELECT 1 FROM grants WHERE group_id = :groupId AND state IN ('pending', 'active', 'ending') LIMIT :limit)`,
    { groupId, limit },
  );
  return readRow(grantCountRow, row).grants;
}

/** From one group to the next by the index: a look at each of a hundred thousand grants would hold the event loop. */
export function readGroupsOfOpenGrants(database: Database): readonly EntryId[] {
  const open = "FROM grants WHERE state IN ('pending', 'active', 'ending')";
  return database
    .rows(
      `WITH RECURSIVE groups(group_id) AS (
         SELECT min(group_id) ${open}
         UNION ALL SELECT (SELECT min(grants.group_id) ${open} AND grants.group_id > groups.group_id) FROM groups WHERE group_id IS NOT NULL)
       SELECT group_id FROM groups WHERE group_id IS NOT NULL`,
    )
    .map((row) => readRow(groupIdRow, row).group_id);
}

/** Memberships that grants of ours hold, each by the one that became active first; in order of user and group. */
export function readHeldMemberships(
  database: Database,
  { after, limit }: Parameters<Ledger['heldMemberships']>[0],
): readonly HeldMembership[] {
  return database
    .rows(
      `SELECT user_id, group_id, grant_id FROM grants AS held
       WHERE state IN ('active', 'ending') AND standing = 'false' AND (user_id, group_id) > (:userId, :groupId)
         AND grant_id = (
           SELECT grant_id FROM grants AS first
           WHERE first.user_id = held.user_id AND first.group_id = held.group_id
             AND first.state IN ('active', 'ending') AND first.standing = 'false'
           ORDER BY first.activated_at, first.grant_id LIMIT 1)
       ORDER BY user_id, group_id LIMIT :limit`,
      { userId: after?.userId ?? '', groupId: after?.groupId ?? '', limit },
    )
    .map((row) => readRow(heldRow, row));
}

/** What active grants stand for; of a period that is not standing and has lost all its values, the membership was seen absent. */
export function readActiveMemberships(
  database: Database,
  { after, limit }: Parameters<Ledger['activeMemberships']>[0],
): readonly ActiveMembership[] {
  return database
    .rows(
      `SELECT grants.grant_id, grants.user_id, grants.user_dn, grants.group_id, grants.group_dn,
         NOT (periods.standing = 'false' AND periods."values" = '[]' AND periods.met_values = '[]') AS is_believed
       FROM grants JOIN periods ON periods.user_id = grants.user_id AND periods.group_id = grants.group_id
       WHERE state IN ('pending', 'active', 'ending') AND state = 'active' AND grant_id > :after
       ORDER BY grant_id LIMIT :limit`,
      { after: after ?? '', limit },
    )
    .map((row) => readRow(activeMembershipRow, row));
}

/** Every pending grant, in order of id. */
export function readPendingGrants(database: Database): readonly PendingGrant[] {
  return database
    .rows(`SELECT ${GRANT_COLUMNS} FROM grants WHERE state = 'pending' ORDER BY grant_id`)
    .map((row) => readRow(pendingRow, row));
}

/** Every ending grant, in order of id. */
export function readEndingGrants(database: Database): readonly EndingGrant[] {
  return database
    .rows(`SELECT ${GRANT_COLUMNS} FROM grants WHERE state = 'ending' ORDER BY grant_id`)
    .map((row) => readRow(endingRow, row));
}

/** Grants that have not ended, and those ended at or after `endedSince`, in order of id, from after `after`. */
export function readGrants(
  database: Database,
  { endedSince, after, limit }: { endedSince: Instant | null; after: GrantId | null; limit: number },
): readonly Grant[] {
  const rows =
    endedSince === null
      ? database.rows(
          `SELECT ${GRANT_COLUMNS} FROM grants
           WHERE state IN ('pending', 'active', 'ending') AND grant_id > :after ORDER BY grant_id LIMIT :limit`,
          { after: after ?? '', limit },
        )
      : database.rows(
          `SELECT ${GRANT_COLUMNS} FROM grants
           WHERE (state IN ('pending', 'active', 'ending') OR (state = 'ended' AND over_at >= :endedSince))
             AND grant_id > :after ORDER BY grant_id LIMIT :limit`,
          { endedSince, after: after ?? '', limit },
        );
  return rows.map((row) => readRow(grantRow, row));
}
