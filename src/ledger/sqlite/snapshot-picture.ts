import type { Picture, StoredGroup, StoredUser } from '../snapshots.ts';
import type { Database } from './database.ts';
import { groupOf, groupValues, integerOf, tagsText, userOf, userValues } from './snapshot-rows.ts';

const USER_COLUMNS = 'users.number, users.id, digest, dn_key, uid_key, more_uid_keys, manager_key, primary_key, has';
const GROUP_COLUMNS = 'number, id, digest, is_protected, member_attribute, primary_key, owner_keys, members, unresolved, tags';

/** Users whose places to be found are filled in one turn: some milliseconds. */
const FOUND_AT_A_TIME = 2_000;

/** The picture in a file. */
export function sqlitePicture(database: Database, seed: number): Picture {
  const numbers = (sql: string, values: Readonly<Record<string, number>>): readonly number[] =>
    database.rows(sql, values).map((row) => integerOf(row, 'number'));
  const user = (row: unknown): StoredUser | null => (row === undefined ? null : userOf(row));
  const group = (row: unknown): StoredGroup | null => (row === undefined ? null : groupOf(row));
  return {
    seed,
    userNumbers: () => integerOf(database.row('SELECT coalesce(max(number) + 1, 0) AS number FROM users'), 'number'),
    user: (id) =>
      user(database.row(`SELECT ${USER_COLUMNS} FROM user_ids JOIN users USING (number) WHERE user_ids.id = :id`, { id })),
    userAt: (number) => user(database.row(`SELECT ${USER_COLUMNS} FROM users WHERE number = :number`, { number })),
    users: ({ after, limit }) =>
      database
        .rows(`SELECT ${USER_COLUMNS} FROM users WHERE number > :after ORDER BY number LIMIT :limit`, { after, limit })
        .map(userOf),
    usersNamed: (key) => numbers('SELECT number FROM names WHERE key = :key', { key }),
    usersManagedBy: (key) => numbers('SELECT number FROM reports WHERE key = :key', { key }),
    usersOfNobody: (query) =>
      numbers(
        `SELECT number FROM users WHERE number > :after AND manager_key IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM names WHERE key = manager_key) ORDER BY number LIMIT :limit`,
        query,
      ),
    usersOfPrimary: (query) =>
      numbers('SELECT number FROM primaries WHERE key = :key AND number > :after ORDER BY number LIMIT :limit', query),
    groupNumbers: () => integerOf(database.row('SELECT coalesce(max(number) + 1, 0) AS number FROM groups'), 'number'),
    group: (id) => group(database.row(`SELECT ${GROUP_COLUMNS} FROM groups WHERE id = :id`, { id })),
    groupAt: (number) => group(database.row(`SELECT ${GROUP_COLUMNS} FROM groups WHERE number = :number`, { number })),
    groups: ({ after, limit }) =>
      database
        .rows(`SELECT ${GROUP_COLUMNS} FROM groups WHERE number > :after ORDER BY number LIMIT :limit`, { after, limit })
        .map(groupOf),
    taggedGroups: () => numbers('SELECT number FROM groups WHERE tags IS NOT NULL', {}),
    protectedGroups: () => numbers('SELECT number FROM groups WHERE is_protected = 1', {}),
  };
}

/** Writes a user whose number is not known yet, or writes it anew. */
export function insertUser(database: Database, user: StoredUser): void {
  database.run(
    `INSERT OR REPLACE INTO users (number, id, digest, dn_key, uid_key, more_uid_keys, manager_key, primary_key, has)
     VALUES (:number, :id, :digest, :dnKey, :uidKey, :moreUidKeys, :managerKey, :primaryKey, :has)`,
    userValues(user),
  );
}

export function insertGroup(database: Database, group: StoredGroup): void {
  database.run(
    `INSERT OR REPLACE INTO groups (number, id, digest, is_protected, member_attribute, primary_key, owner_keys, members, unresolved, tags)
     VALUES (:number, :id, :digest, :isProtected, :memberAttribute, :primaryKey, :ownerKeys, :members, :unresolved, :tags)`,
    groupValues(group),
  );
}

export function updateTags(database: Database, { number, tags }: Pick<StoredGroup, 'number' | 'tags'>): void {
  database.run('UPDATE groups SET tags = :tags WHERE number = :number', { number, tags: tagsText(tags) });
}

/** A user can be found by its id and its names, its manager's reports and the members of its primary group by theirs. */
export function findable(database: Database, { number, id, dnKey, uidKeys, managerKey, primaryKey }: StoredUser): void {
  database.run('INSERT OR REPLACE INTO user_ids (id, number) VALUES (:id, :number)', { id, number });
  for (const key of [dnKey, ...uidKeys])
    database.run('INSERT OR IGNORE INTO names (key, number) VALUES (:key, :number)', { key, number });
  if (managerKey !== null)
    database.run('INSERT OR IGNORE INTO reports (key, number) VALUES (:key, :number)', { key: managerKey, number });
  if (primaryKey !== null)
    database.run('INSERT OR IGNORE INTO primaries (key, number) VALUES (:key, :number)', { key: primaryKey, number });
}

/** The reverse. */
export function notFindable(database: Database, { number, id, dnKey, uidKeys, managerKey, primaryKey }: StoredUser): void {
  database.run('DELETE FROM user_ids WHERE id = :id', { id });
  for (const key of [dnKey, ...uidKeys]) database.run('DELETE FROM names WHERE key = :key AND number = :number', { key, number });
  if (managerKey !== null) database.run('DELETE FROM reports WHERE key = :key AND number = :number', { key: managerKey, number });
  if (primaryKey !== null)
    database.run('DELETE FROM primaries WHERE key = :key AND number = :number', { key: primaryKey, number });
}

/** Makes all users findable, in turns: each item is one. */
export function* findableInTurns(database: Database, userNumbers: number): Generator<void> {
  for (let from = 0; from < userNumbers; from += FOUND_AT_A_TIME) {
    const range = { from, to: from + FOUND_AT_A_TIME };
    const within = 'number >= :from AND number < :to';
    database.run(`INSERT OR REPLACE INTO user_ids (id, number) SELECT id, number FROM users WHERE ${within} ORDER BY id`, range);
    yield;
    database.run(
      `INSERT OR IGNORE INTO names (key, number)
       SELECT dn_key, number FROM users WHERE ${within}
       UNION SELECT uid_key, number FROM users WHERE ${within} AND uid_key IS NOT NULL
       UNION SELECT value, number FROM users, json_each(more_uid_keys) WHERE ${within} AND more_uid_keys IS NOT NULL`,
      range,
    );
    yield;
    database.run(
      `INSERT OR IGNORE INTO reports (key, number) SELECT manager_key, number FROM users WHERE ${within} AND manager_key IS NOT NULL`,
      range,
    );
    database.run(
      `INSERT OR IGNORE INTO primaries (key, number) SELECT primary_key, number FROM users WHERE ${within} AND primary_key IS NOT NULL`,
      range,
    );
    yield;
  }
}
