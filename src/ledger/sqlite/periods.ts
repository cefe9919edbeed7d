import { z } from 'zod';
import type { EntryId } from '../../access/ids.ts';
import type { Instant } from '../../access/instant.ts';
import type { Period, Placeholder } from '../../access/membership.ts';
import type { Pair } from '../../access/reference.ts';
import type { PlaceholderChange } from '../ledger.ts';
import {
  entryIdColumn,
  flagColumn,
  instantColumn,
  jsonColumn,
  memberAttributeColumn,
  readRow,
  standingColumn,
} from './columns.ts';
import type { Database } from './database.ts';
import { pairColumns, pairOf, pairParameters } from './grant-row.ts';

const periodRow = z
  .strictObject({
    ...pairColumns,
    standing: standingColumn,
    held_since: instantColumn,
    member_attribute: memberAttributeColumn,
    values: jsonColumn(z.array(z.string())),
    met_values: jsonColumn(z.array(z.string())),
    seen_absent: flagColumn,
    delete_sent: flagColumn,
  })
  .transform(
    (row): Period => ({
      pair: pairOf(row),
      standing: row.standing,
      heldSince: row.held_since,
      memberAttribute: row.member_attribute,
      values: row.values,
      metValues: row.met_values,
      seenAbsent: row.seen_absent,
      deleteSent: row.delete_sent,
    }),
  );
const placeholderRow = z
  .strictObject({ group_id: entryIdColumn, value: z.string() })
  .transform(({ group_id: groupId, value }): Placeholder => ({ groupId, value }));

/** The period of membership that a pair is in. */
export function findPeriod(database: Database, pair: Pair): Period | null {
  const row = database.row(
    `SELECT user_id, user_dn, group_id, group_dn, standing, held_since, member_attribute, "values", met_values,
       seen_absent, delete_sent
     FROM periods WHERE user_id = :userId AND group_id = :groupId`,
    { userId: pair.user.id, groupId: pair.group.id },
  );
  return row === undefined ? null : readRow(periodRow, row);
}

/** Saves a period at that instant; its live grants take its standing. */
export function savePeriod(database: Database, period: Period, at: Instant): void {
  const standing = String(period.standing);
  database.run(
    `INSERT INTO periods (user_id, user_dn, group_id, group_dn, standing, held_since, member_attribute, "values", met_values,
       seen_absent, delete_sent, met_at)
     VALUES (:userId, :userDn, :groupId, :groupDn, :standing, :heldSince, :memberAttribute, :values, :metValues, :seenAbsent,
       :deleteSent, :at)
     ON CONFLICT (user_id, group_id) DO UPDATE SET
       user_dn = excluded.user_dn, group_dn = excluded.group_dn, standing = excluded.standing,
       held_since = excluded.held_since, member_attribute = excluded.member_attribute, "values" = excluded."values",
       met_values = excluded.met_values,
       met_at = CASE WHEN met_values = excluded.met_values THEN met_at ELSE excluded.met_at END,
       seen_absent = excluded.seen_absent, delete_sent = excluded.delete_sent`,
    {
      ...pairParameters(period.pair),
      standing,
      heldSince: period.heldSince,
      memberAttribute: period.memberAttribute,
      values: JSON.stringify(period.values),
      metValues: JSON.stringify(period.metValues),
      seenAbsent: Number(period.seenAbsent),
      deleteSent: Number(period.deleteSent),
      at,
    },
  );
  database.run(
    `UPDATE grants SET standing = :standing
     WHERE user_id = :userId AND group_id = :groupId AND state IN ('active', 'ending') AND standing <> :standing`,
    { standing, userId: period.pair.user.id, groupId: period.pair.group.id },
  );
}

/** The period is over. */
export function deletePeriod(database: Database, pair: Pair): void {
  database.run('DELETE FROM periods WHERE user_id = :userId AND group_id = :groupId', {
    userId: pair.user.id,
    groupId: pair.group.id,
  });
}

/** The placeholder of ours that stands in a group. */
export function findPlaceholder(database: Database, groupId: EntryId): Placeholder | null {
  const row = database.row('SELECT group_id, value FROM placeholders WHERE group_id = :groupId', { groupId });
  return row === undefined ? null : readRow(placeholderRow, row);
}

/** Keeps what we placed in a group, or that it has left. */
export function savePlaceholder(database: Database, { groupId, value }: PlaceholderChange): void {
  if (value === null) {
    database.run('DELETE FROM placeholders WHERE group_id = :groupId', { groupId });
    return;
  }
  database.run(
    `INSERT INTO placeholders (group_id, value) VALUES (:groupId, :value)
     ON CONFLICT (group_id) DO UPDATE SET value = excluded.value`,
    { groupId, value },
  );
}
