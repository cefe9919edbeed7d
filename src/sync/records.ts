import { hash } from 'node:crypto';
import type { EntryId, GrantId } from '../access/ids.ts';
import type { SyncRecord } from '../access/sync.ts';
import type { ReadGroup, ReadUser } from '../directory/directory-reader.ts';
import {
  MAX_SYNC_DN,
  MAX_SYNC_EMAIL,
  MAX_SYNC_EMAILS,
  MAX_SYNC_MEMBERS,
  MAX_SYNC_OWNERS,
  MAX_SYNC_TEXT,
} from '../protocol/limits.ts';
import type { MembersChange } from './members-change.ts';

// What a record may say is bounded by the protocol: what a directory has beyond that is cut, so that one entry cannot stop a sync.

/** A user as it is told, as JSON. */
export function userRecord(user: ReadUser, managerId: EntryId | null): string {
  const emails = user.emails.filter(({ length }) => length > 0 && length <= MAX_SYNC_EMAIL).slice(0, MAX_SYNC_EMAILS);
  return JSON.stringify({
    record: 'user',
    id: user.id,
    dn: cut(user.dn, MAX_SYNC_DN),
    username: cut(user.username === '' ? user.dn : user.username, MAX_SYNC_TEXT),
    ...(isTold(user.fullName) ? { fullName: cut(user.fullName, MAX_SYNC_TEXT) } : {}),
    ...(emails[0] === undefined ? {} : { email: emails[0] }),
    emails,
    ...(managerId === null ? {} : { managerId }),
    enabled: user.enabled,
  } satisfies SyncRecord);
}

/** A group as it is told, as JSON. */
export function groupRecord(group: ReadGroup, { ownerIds, isProtected }: { ownerIds: readonly EntryId[]; isProtected: boolean }) {
  return JSON.stringify({
    record: 'group',
    id: group.id,
    dn: cut(group.dn, MAX_SYNC_DN),
    name: cut(group.name === '' ? group.dn : group.name, MAX_SYNC_TEXT),
    ...(isTold(group.description) ? { description: cut(group.description, MAX_SYNC_TEXT) } : {}),
    memberAttribute: group.memberAttribute,
    ownerIds: ownerIds.slice(0, MAX_SYNC_OWNERS),
    protected: isProtected,
  } satisfies SyncRecord);
}

/** A member that is told, by its id. */
export interface ToldMember {
  readonly userId: EntryId;
  readonly grantId: GrantId | null;
}

/** What changes in a group's members, in records of as many as one may have. Members are numbers until they are told. */
export function* membersRecords(
  groupId: EntryId,
  { add, remove, memberOf }: MembersChange & { memberOf: (number: number) => ToldMember },
): Generator<string> {
  for (let from = 0; from < add.length || from < remove.length; from += MAX_SYNC_MEMBERS) {
    const to = from + MAX_SYNC_MEMBERS;
    yield JSON.stringify({
      record: 'members',
      groupId,
      add: Array.from(add.slice(from, to), (number) => {
        const { userId, grantId } = memberOf(number);
        return grantId === null ? { userId, source: 'standing' as const } : { userId, source: 'grant' as const, grantId };
      }),
      remove: remove.slice(from, to),
    } satisfies SyncRecord);
  }
}

export function goneRecord(entity: 'user' | 'group', id: EntryId): string {
  return JSON.stringify({ record: 'gone', entity, id } satisfies SyncRecord);
}

/** 132 bits of SHA-256: that a record changed and its digest did not does not happen. */
export function digestOf(record: string): string {
  return hash('sha256', record, 'base64url').slice(0, 22);
}

function isTold(text: string | null): text is string {
  return text !== null && text !== '';
}

/** Whole characters: half a surrogate pair is no JSON that everyone reads. */
function cut(text: string, length: number): string {
  return text.length <= length ? text : text.slice(0, length).toWellFormed();
}
