import type { EntryId, GrantId } from '../../access/ids.ts';
import { MEMBER_ATTRIBUTES } from '../../access/membership.ts';
import { LedgerError } from '../ledger.ts';
import type { StoredGroup, StoredUser } from '../snapshots.ts';
import type { StatementValues } from './database.ts';

/** The form of these tables: a file of another is thrown away. */
export const SNAPSHOT_FORMAT = 4;

/** A picture. What serves to find a user is filled in turns once all are there: it costs less, and nobody asks before. */
export const SNAPSHOT_TABLES = `
CREATE TABLE picture (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  seed INTEGER NOT NULL,
  -- JSON; null while nobody knows whether the receiver has it.
  facts TEXT
) STRICT;
CREATE TABLE users (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  digest TEXT NOT NULL,
  dn_key INTEGER NOT NULL,
  uid_key INTEGER,
  -- JSON, of who has more than one.
  more_uid_keys TEXT,
  manager_key INTEGER,
  primary_key INTEGER,
  has INTEGER NOT NULL
) STRICT;
CREATE TABLE user_ids (id TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE names (key INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (key, number)) STRICT, WITHOUT ROWID;
CREATE TABLE reports (key INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (key, number)) STRICT, WITHOUT ROWID;
CREATE TABLE primaries (key INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (key, number)) STRICT, WITHOUT ROWID;
CREATE TABLE groups (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  digest TEXT NOT NULL,
  is_protected INTEGER NOT NULL,
  member_attribute TEXT NOT NULL,
  primary_key INTEGER,
  owner_keys BLOB NOT NULL,
  members BLOB NOT NULL,
  unresolved BLOB NOT NULL,
  -- JSON, of groups that have some.
  tags TEXT
) STRICT;
CREATE INDEX tagged_groups ON groups (number) WHERE tags IS NOT NULL;
CREATE INDEX protected_groups ON groups (number) WHERE is_protected = 1;
PRAGMA user_version = ${SNAPSHOT_FORMAT};
`;

/** Said of whatever cannot be read. */
export function damaged(what: string): LedgerError {
  return new LedgerError('damaged', `the file of the last sync holds ${what} that cannot be read; it is thrown away`);
}

// Rows are read by the hundred thousand, and written by this version alone: their types are checked, and nothing else.

export function integerOf(row: unknown, column: string): number {
  const value = columnOf(row, column);
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw damaged(`a ${column}`);
  return value;
}

export function textOf(row: unknown, column: string): string {
  const value = columnOf(row, column);
  if (typeof value !== 'string') throw damaged(`a ${column}`);
  return value;
}

function maybe<T>(row: unknown, column: string, read: (row: unknown, column: string) => T): T | null {
  return columnOf(row, column) === null ? null : read(row, column);
}

function columnOf(row: unknown, column: string): unknown {
  return typeof row === 'object' && row !== null ? (row as Record<string, unknown>)[column] : undefined;
}

/** JSON of this version's making. */
export function jsonOf(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(what);
  }
}

export function userOf(row: unknown): StoredUser {
  const uidKey = maybe(row, 'uid_key', integerOf);
  const more = maybe(row, 'more_uid_keys', textOf);
  return {
    number: integerOf(row, 'number'),
    id: textOf(row, 'id') as EntryId,
    digest: textOf(row, 'digest'),
    dnKey: integerOf(row, 'dn_key'),
    uidKeys: more === null ? (uidKey === null ? [] : [uidKey]) : (jsonOf(more, 'names of a user') as number[]),
    managerKey: maybe(row, 'manager_key', integerOf),
    primaryKey: maybe(row, 'primary_key', integerOf),
    has: integerOf(row, 'has'),
  };
}

export function userValues(user: StoredUser): StatementValues {
  return {
    number: user.number,
    id: user.id,
    digest: user.digest,
    dnKey: user.dnKey,
    uidKey: user.uidKeys[0] ?? null,
    moreUidKeys: user.uidKeys.length > 1 ? JSON.stringify(user.uidKeys) : null,
    managerKey: user.managerKey,
    primaryKey: user.primaryKey,
    has: user.has,
  };
}

export function groupOf(row: unknown): StoredGroup {
  const attribute = textOf(row, 'member_attribute');
  const memberAttribute = MEMBER_ATTRIBUTES.find((known) => known === attribute);
  if (memberAttribute === undefined) throw damaged('a member_attribute');
  const tags = maybe(row, 'tags', textOf);
  return {
    number: integerOf(row, 'number'),
    id: textOf(row, 'id') as EntryId,
    digest: textOf(row, 'digest'),
    isProtected: integerOf(row, 'is_protected') === 1,
    memberAttribute,
    primaryKey: maybe(row, 'primary_key', integerOf),
    ownerKeys: new Float64Array(bytesOf(row, 'owner_keys', 8)),
    members: new Int32Array(bytesOf(row, 'members', 4)),
    unresolved: new Float64Array(bytesOf(row, 'unresolved', 8)),
    tags: new Map(tags === null ? [] : (jsonOf(tags, 'tags of a group') as [number, GrantId][])),
  };
}

/** A copy that is aligned as typed arrays want it. */
function bytesOf(row: unknown, column: string, width: number): ArrayBuffer {
  const value = columnOf(row, column);
  if (!(value instanceof Uint8Array) || value.length % width !== 0) throw damaged(`${column} of a group`);
  return new Uint8Array(value).buffer;
}

export function groupValues(group: StoredGroup): StatementValues {
  return {
    number: group.number,
    id: group.id,
    digest: group.digest,
    isProtected: group.isProtected ? 1 : 0,
    memberAttribute: group.memberAttribute,
    primaryKey: group.primaryKey,
    ownerKeys: bytes(group.ownerKeys),
    members: bytes(group.members),
    unresolved: bytes(group.unresolved),
    tags: tagsText(group.tags),
  };
}

export function tagsText(tags: StoredGroup['tags']): string | null {
  return tags.size === 0 ? null : JSON.stringify([...tags]);
}

function bytes(array: Int32Array | Float64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
