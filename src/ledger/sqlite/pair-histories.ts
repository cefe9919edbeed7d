import { z } from 'zod';
import type { GrantId } from '../../access/ids.ts';
import type { Absence, Addition, PairHistory } from '../../access/pair-history.ts';
import type { Pair } from '../../access/reference.ts';
import { flagColumn, instantColumn, jsonColumn, memberAttributeColumn, readRow } from './columns.ts';
import type { Database } from './database.ts';

const additionRow = z
  .strictObject({
    intent_id: z.int(),
    member_attribute: memberAttributeColumn,
    value: z.string(),
    at: instantColumn,
    closed_at: instantColumn.nullable(),
    replaced: flagColumn,
  })
  .transform(
    (row): Addition => ({
      intentId: row.intent_id,
      memberAttribute: row.member_attribute,
      value: row.value,
      at: row.at,
      closedAt: row.closed_at,
      isReplaced: row.replaced,
    }),
  );

const absenceRow = z.strictObject({
  absence: jsonColumn(z.strictObject({ memberAttribute: memberAttributeColumn, values: z.array(z.string()), at: instantColumn })),
});

const restRow = z.strictObject({ met_at: instantColumn.nullable(), doubted: flagColumn, server_since: instantColumn });

/** Keeps what was seen absent when that grant ended. */
export function saveAbsence(database: Database, grantId: GrantId, { memberAttribute, values, at }: Absence): void {
  database.run('UPDATE grants SET absence = :absence WHERE grant_id = :grantId', {
    grantId,
    absence: JSON.stringify({ memberAttribute, values, at }),
  });
}

/** What is remembered of the values of a pair. */
export function findPairHistory(database: Database, pair: Pair): PairHistory {
  const of = { userId: pair.user.id, groupId: pair.group.id };
  const additions = database.rows(
    `SELECT intent_id, member_attribute, "values" ->> 0 AS value, at, closed_at, replaced FROM intents
     WHERE user_id = :userId AND group_id = :groupId AND kind = 'add' ORDER BY intent_id`,
    of,
  );
  const absences = database.rows(
    `SELECT absence FROM grants
     WHERE user_id = :userId AND group_id = :groupId AND state = 'ended' AND absence IS NOT NULL ORDER BY over_at, grant_id`,
    of,
  );
  const rest = database.row(
    `SELECT
       (SELECT met_at FROM periods WHERE user_id = :userId AND group_id = :groupId) AS met_at,
       EXISTS (SELECT 1 FROM intents WHERE user_id = :userId AND group_id = :groupId
         AND intent_id IN (SELECT intent_id FROM doubts)) AS doubted,
       server_since
     FROM identity`,
    of,
  );
  const { met_at: metAt, doubted: isDoubted, server_since: serverSince } = readRow(restRow, rest);
  return {
    additions: additions.map((row) => readRow(additionRow, row)),
    absences: absences.map((row) => readRow(absenceRow, row).absence),
    metAt,
    isDoubted,
    serverSince,
  };
}
