import { z } from 'zod';
import type { GrantId } from '../../access/ids.ts';
import type { Instant } from '../../access/instant.ts';
import type { Intent, NewIntent } from '../../access/intent.ts';
import { type Pair, pairKey } from '../../access/reference.ts';
import { type Doubts, LedgerError, type ReplacedIntent } from '../ledger.ts';
import { flagColumn, grantIdColumn, instantColumn, jsonColumn, memberAttributeColumn, readRow } from './columns.ts';
import type { Database } from './database.ts';
import { pairColumns, pairOf, pairParameters } from './grant-row.ts';

const COLUMNS = `intent_id, kind, grant_id, user_id, user_dn, group_id, group_dn, member_attribute, "values", pre_image,
  placeholder, at, epoch`;

/** One process owns this ledger, so its intents are all of one epoch. */
const EPOCH = 1;

const intentRow = z
  .strictObject({
    ...pairColumns,
    intent_id: z.int(),
    kind: z.enum(['add', 'remove']),
    grant_id: grantIdColumn,
    member_attribute: memberAttributeColumn,
    values: jsonColumn(z.array(z.string())),
    pre_image: z.enum(['member', 'absent']),
    placeholder: z.string().nullable(),
    at: instantColumn,
    epoch: z.int(),
  })
  .transform(
    (row): Intent => ({
      intentId: row.intent_id,
      kind: row.kind,
      grantId: row.grant_id,
      pair: pairOf(row),
      memberAttribute: row.member_attribute,
      values: row.values,
      preImage: row.pre_image,
      placeholder: row.placeholder,
      at: row.at,
      epoch: row.epoch,
    }),
  );

const idRow = z.strictObject({ intent_id: z.int() });

const changeRow = z.strictObject({ server_change: z.int().nonnegative() });
const doubtRow = z.strictObject({ intent_id: z.int(), decided: flagColumn });

const replacedRow = z
  .strictObject({ ...pairColumns, kind: z.enum(['add', 'remove']), closed_at: instantColumn })
  .transform((row): ReplacedIntent => ({ kind: row.kind, pair: pairOf(row), replacedAt: row.closed_at }));

/** The open intent of a pair. */
export function findOpenIntent(database: Database, pair: Pair): Intent | null {
  const row = database.row(
    `SELECT ${COLUMNS} FROM intents WHERE user_id = :userId AND group_id = :groupId AND closed_at IS NULL`,
    { userId: pair.user.id, groupId: pair.group.id },
  );
  return row === undefined ? null : readRow(intentRow, row);
}

/** Every open intent, oldest first. */
export function readOpenIntents(database: Database): readonly Intent[] {
  return database
    .rows(`SELECT ${COLUMNS} FROM intents WHERE closed_at IS NULL ORDER BY intent_id`)
    .map((row) => readRow(intentRow, row));
}

/** Intents that were replaced at or after that instant, the earliest first. */
export function readReplacedIntents(database: Database, since: Instant): readonly ReplacedIntent[] {
  return database
    .rows(
      `SELECT kind, user_id, user_dn, group_id, group_dn, closed_at FROM intents
       WHERE closed_at >= :since AND replaced = 1 ORDER BY closed_at`,
      { since },
    )
    .map((row) => readRow(replacedRow, row));
}

/** Of a doubt: it is not decided, or the change of servers is not long ago. */
const DOUBTED = 'decided = 0 OR EXISTS (SELECT 1 FROM identity WHERE server_since >= :since)';

/** What the directory server in use may not have; what was decided only where it took over at or after that instant. */
export function readDoubts(database: Database, since: Instant): Doubts {
  const { server_change: change } = readRow(changeRow, database.row('SELECT server_change FROM identity'));
  const doubted = database
    .rows(
      `SELECT doubts.intent_id, decided FROM doubts JOIN intents USING (intent_id)
       WHERE ${DOUBTED} ORDER BY doubts.intent_id`,
      { since },
    )
    .map((row) => readRow(doubtRow, row));
  const newest = new Map<string, Intent>();
  const additions = new Map<string, Pair>();
  const isDoubted = new Set(doubted.map(({ intent_id: id }) => id));
  // By their pairs: one of long ago must not cost a look at whatever was written since.
  const rows = database.rows(
    `SELECT ${COLUMNS} FROM intents
     WHERE (user_id, group_id) IN (
         SELECT user_id, group_id FROM doubts JOIN intents USING (intent_id)
         WHERE ${DOUBTED})
       AND (closed_at IS NULL
         OR (SELECT state FROM grants WHERE grants.grant_id = intents.grant_id) NOT IN ('pending', 'failed'))
     ORDER BY intent_id`,
    { since },
  );
  for (const intent of rows.map((row) => readRow(intentRow, row))) {
    newest.set(pairKey(intent.pair), intent);
    if (intent.kind === 'add' && isDoubted.has(intent.intentId)) additions.set(pairKey(intent.pair), intent.pair);
  }
  const newestById = new Map([...newest.values()].map((intent) => [intent.intentId, intent]));
  const intents = doubted.flatMap(({ intent_id: id, decided: isDecided }) => {
    const intent = newestById.get(id);
    return intent === undefined ? [] : [{ intent, isDecided }];
  });
  const moot = doubted.flatMap(({ intent_id: id, decided }) => (decided || newestById.has(id) ? [] : [id]));
  return { change, intents, additions: [...additions.values()], moot };
}

/** Decides doubts of the last change of servers. */
export function decideDoubts(database: Database, { intentIds, change }: { intentIds: readonly number[]; change: number }): void {
  for (const intentId of intentIds)
    database.run('UPDATE doubts SET decided = 1 WHERE intent_id = :intentId AND :change = (SELECT server_change FROM identity)', {
      intentId,
      change,
    });
}

/**
 * Opens an intent and closes the one that it replaces. A `conflict` unless that is exactly the open one of the pair
 * (none: null), and for an unknown grant.
 */
export function insertIntent(
  database: Database,
  intent: NewIntent,
  { replaces, at }: { replaces: number | null; at: Instant },
): Intent {
  const open = findOpenIntent(database, intent.pair)?.intentId ?? null;
  if (open !== replaces) {
    throw new LedgerError('conflict', `the open intent of this user and group is ${open ?? 'none'}, not ${replaces ?? 'none'}`);
  }
  if (replaces !== null) {
    closeOpenIntent(database, replaces, at);
    database.run('UPDATE intents SET replaced = 1 WHERE intent_id = :replaces', { replaces });
  }
  const row = database.row(
    `INSERT INTO intents (kind, grant_id, user_id, user_dn, group_id, group_dn, member_attribute, "values", pre_image,
       placeholder, at, epoch)
     VALUES (:kind, :grantId, :userId, :userDn, :groupId, :groupDn, :memberAttribute, :values, :preImage, :placeholder,
       :at, :epoch)
     RETURNING intent_id`,
    {
      ...pairParameters(intent.pair),
      kind: intent.kind,
      grantId: intent.grantId,
      memberAttribute: intent.memberAttribute,
      values: JSON.stringify(intent.values),
      preImage: intent.preImage,
      placeholder: intent.placeholder,
      at: intent.at,
      epoch: EPOCH,
    },
  );
  return { ...intent, intentId: readRow(idRow, row).intent_id, epoch: EPOCH };
}

/** Closes one intent; one that is not open is a `conflict`. */
export function closeOpenIntent(database: Database, intentId: number, at: Instant): void {
  const closed = database.run('UPDATE intents SET closed_at = :at WHERE intent_id = :intentId AND closed_at IS NULL', {
    intentId,
    at,
  });
  if (closed === 0) throw new LedgerError('conflict', `intent ${intentId} is unknown or closed already`);
}

/** Closes the open intent of a grant, if it has one. */
export function closeIntentsOf(database: Database, grantId: GrantId, at: Instant): void {
  database.run('UPDATE intents SET closed_at = :at WHERE grant_id = :grantId AND closed_at IS NULL', { grantId, at });
}
