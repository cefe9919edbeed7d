import type { EntryId, GrantId } from '../../src/access/ids.ts';
import type { SyncCounts, SyncGroup, SyncMember, SyncRecord, SyncUser } from '../../src/access/sync.ts';

/** Ids by number: users from 1, groups from 1001. */
export const userId = (number: number): EntryId => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}` as EntryId;
export const groupId = (number: number): EntryId => userId(1000 + number);

export function syncUser(number: number, others: Partial<SyncUser> = {}): SyncRecord & { record: 'user' } {
  const username = `user${number}`;
  return {
    record: 'user',
    id: userId(number),
    dn: `uid=${username},ou=people,dc=example`,
    username,
    emails: [`${username}@example.test`],
    email: `${username}@example.test`,
    enabled: true,
    ...others,
  };
}

export function syncGroup(number: number, others: Partial<SyncGroup> = {}): SyncRecord & { record: 'group' } {
  const name = `group${number}`;
  return {
    record: 'group',
    id: groupId(number),
    dn: `cn=${name},ou=groups,dc=example`,
    name,
    memberAttribute: 'member',
    ownerIds: [],
    protected: false,
    ...others,
  };
}

export const standing = (number: number): SyncMember => ({ userId: userId(number), source: 'standing' });
export const granted = (number: number, grantId: string): SyncMember => ({
  userId: userId(number),
  source: 'grant',
  grantId: grantId as GrantId,
});

export function syncMembers(
  group: number,
  add: readonly SyncMember[],
  others: { readonly reset?: true; readonly remove?: readonly EntryId[] } = {},
): SyncRecord & { record: 'members' } {
  const { remove = [], ...reset } = others;
  return { record: 'members', groupId: groupId(group), ...reset, add, remove };
}

export const goneUser = (number: number): SyncRecord => ({ record: 'gone', entity: 'user', id: userId(number) });
export const goneGroup = (number: number): SyncRecord => ({ record: 'gone', entity: 'group', id: groupId(number) });

export function syncCounts(users: number, groups: number, memberships: number, membersOutOfScope = 0): SyncCounts {
  return { users, groups, memberships, membersOutOfScope };
}

/** What a test says of a stream; the rest follows. */
export interface StreamWords {
  readonly syncId: string;
  readonly mode?: 'full' | 'delta';
  readonly baseCursor?: string;
  readonly pages: readonly (readonly SyncRecord[])[];
  readonly counts: SyncCounts;
  readonly cursor?: string;
}

/** The frames of a stream, in order. */
export function syncFrames({ syncId, mode = 'full', baseCursor, pages, counts, cursor = `after-${syncId}` }: StreamWords) {
  const begin = { type: 'sync.begin' as const, syncId, mode, ...(baseCursor === undefined ? {} : { baseCursor }) };
  const told = pages.map((records, index) => ({ type: 'sync.page' as const, syncId, page: index + 1, records }));
  return { begin, pages: told, end: { type: 'sync.end' as const, syncId, pages: pages.length, counts, cursor } };
}

/** Two users, of whom one leads the other, and two groups: of two members and of one that a grant holds. */
export const SAMPLE: StreamWords = {
  syncId: 's-1',
  pages: [
    [syncUser(1), syncUser(2, { managerId: userId(1), fullName: 'Zoë Müller' })],
    [syncGroup(1, { ownerIds: [userId(1)] }), syncGroup(2), syncMembers(1, [standing(1), standing(2)], { reset: true })],
    [syncMembers(2, [granted(2, 'g-1')])],
  ],
  counts: syncCounts(2, 2, 3, 1),
};
