import type { EntryId } from '../access/ids.ts';
import type { SyncCounts, SyncGroup, SyncMember, SyncRecord, SyncUser } from '../access/sync.ts';
import type { SyncFrame } from '../protocol/frames.ts';
import type { OwnPicture } from './picture.ts';
import type { Broken } from './rules.ts';

type Begin = Extract<SyncFrame, { type: 'sync.begin' }>;
type Page = Extract<SyncFrame, { type: 'sync.page' }>;
type End = Extract<SyncFrame, { type: 'sync.end' }>;
type MembersRecord = Extract<SyncRecord, { record: 'members' }>;

/** PROTOCOL, Sync stream: users, groups, members, gone. */
const RANK: Record<SyncRecord['record'], number> = { user: 0, group: 1, members: 2, gone: 3 };

/** Members of one group who are to be taken out of it. */
interface Leaving {
  readonly set: Map<EntryId, SyncMember>;
  readonly userIds: readonly EntryId[];
}

/** A stream as it comes in, beside the picture that it will replace or change. */
export interface Stream {
  readonly begin: Begin;
  /** How many pages were taken. */
  pages(): number;
  /** The rule that the page breaks; null where it is in order. */
  takePage(page: Page): Broken | null;
  /** Makes the picture that the stream amounts to, or names the rule that it breaks. Nothing is changed before `store`. */
  end(end: End): { readonly broken: Broken } | { readonly broken: null; store(storedAt: string): OwnPicture };
}

/** Takes a stream against what is stored; `stored` is null where nothing is. A delta must build on it. */
export function openStream(begin: Begin, stored: OwnPicture | null): Stream {
  const base = begin.mode === 'delta' ? stored : null;
  const users = new Map<EntryId, SyncUser>();
  const groups = new Map<EntryId, SyncGroup>();
  const members = new Map<EntryId, Map<EntryId, SyncMember>>();
  const gone = { user: new Set<EntryId>(), group: new Set<EntryId>() };
  let pages = 0;
  let rank = 0;

  const knowsUser = (id: EntryId): boolean => users.has(id) || base?.users.has(id) === true;
  const knowsGroup = (id: EntryId): boolean => groups.has(id) || base?.groups.has(id) === true;

  function takeRecord(record: SyncRecord): Broken | null {
    if (RANK[record.record] < rank) return broken('records out of order', `${record.record} after a later kind`);
    rank = RANK[record.record];
    switch (record.record) {
      case 'user': {
        if (users.has(record.id)) return broken('an entry told twice', `user ${record.id}`);
        const { record: _, ...user } = record;
        users.set(record.id, user);
        return null;
      }
      case 'group': {
        if (groups.has(record.id)) return broken('an entry told twice', `group ${record.id}`);
        const { record: _, ...group } = record;
        groups.set(record.id, group);
        return null;
      }
      case 'members':
        return takeMembers(record);
      case 'gone':
        return takeGone(record);
      default:
        return record satisfies never;
    }
  }

  function takeMembers({ groupId, reset, add, remove }: MembersRecord): Broken | null {
    if (!knowsGroup(groupId)) return broken('members of an unknown group', groupId);
    const begun = members.get(groupId);
    if (begun !== undefined && reset === true) return broken('reset after the first chunk of a group', groupId);
    const known = begun ?? new Map(reset === true ? [] : base?.members.get(groupId));
    for (const userId of remove)
      if (!known.delete(userId)) return broken('removal of who is no member', `user ${userId} of group ${groupId}`);
    for (const member of add) {
      if (!knowsUser(member.userId)) return broken('an unknown user as a member', `user ${member.userId} of group ${groupId}`);
      known.set(member.userId, member);
    }
    members.set(groupId, known);
    return null;
  }

  function takeGone({ entity, id }: Extract<SyncRecord, { record: 'gone' }>): Broken | null {
    if (base === null) return broken('gone in a full stream', `${entity} ${id}`);
    const [told, before] = entity === 'user' ? [users, base.users] : [groups, base.groups];
    if (told.has(id)) return broken('told and gone in one stream', `${entity} ${id}`);
    if (!before.has(id) || gone[entity].has(id)) return broken('an unknown entry gone', `${entity} ${id}`);
    gone[entity].add(id);
    return null;
  }

  /** A manager or an owner that nobody knows once the stream is stored. */
  function dangling(): Broken | null {
    const isThere = (id: EntryId): boolean => knowsUser(id) && !gone.user.has(id);
    for (const { id, managerId } of users.values())
      if (managerId !== undefined && !isThere(managerId)) return broken('an unknown manager', `${managerId} of user ${id}`);
    for (const { id, ownerIds } of groups.values())
      for (const ownerId of ownerIds) if (!isThere(ownerId)) return broken('an unknown owner', `${ownerId} of group ${id}`);
    return null;
  }

  /** Who is gone takes the memberships along; what is returned is still to be taken from the groups that were not told. */
  function leave(): readonly Leaving[] {
    for (const id of gone.group) members.delete(id);
    if (base === null || gone.user.size === 0) return [];
    for (const set of members.values()) for (const id of within(set, gone.user)) set.delete(id);
    const untold = [...base.members].filter(([id]) => !members.has(id) && !gone.group.has(id));
    return untold.map(([, set]) => ({ set, userIds: within(set, gone.user) }));
  }

  /** As it will be, by what changes: a delta must not cost a look at everything. */
  function count(leaving: readonly Leaving[]): Omit<SyncCounts, 'membersOutOfScope'> {
    const before = base?.state.counts ?? { users: 0, groups: 0, memberships: 0 };
    const sizeOf = (groupId: EntryId): number => base?.members.get(groupId)?.size ?? 0;
    return {
      users: before.users + added(users, base?.users) - gone.user.size,
      groups: before.groups + added(groups, base?.groups) - gone.group.size,
      memberships:
        before.memberships +
        sum([...members].map(([id, set]) => set.size - sizeOf(id))) -
        sum([...gone.group].map(sizeOf)) -
        sum(leaving.map(({ userIds }) => userIds.length)),
    };
  }

  return {
    begin,
    pages: () => pages,
    takePage({ page, records }) {
      if (page !== pages + 1) return broken('pages out of order', `page ${page} after ${pages}`);
      pages = page;
      for (const record of records) {
        const found = takeRecord(record);
        if (found !== null) return found;
      }
      return null;
    },
    end({ pages: said, counts, cursor }) {
      if (said !== pages) return { broken: broken('wrong number of pages', `${said} were sent, ${pages} came`) };
      const unknown = dangling();
      if (unknown !== null) return { broken: unknown };
      const leaving = leave();
      const found = { ...count(leaving), membersOutOfScope: counts.membersOutOfScope };
      if (JSON.stringify(inOrder(found)) !== JSON.stringify(inOrder(counts)))
        return { broken: broken('wrong counts', `told ${JSON.stringify(counts)}, found ${JSON.stringify(found)}`) };
      return { broken: null, store: (storedAt) => store({ leaving, counts: found, cursor, storedAt }) };
    },
  };

  function store({
    leaving,
    counts,
    cursor,
    storedAt,
  }: {
    leaving: readonly Leaving[];
    counts: SyncCounts;
    cursor: string;
    storedAt: string;
  }): OwnPicture {
    const { syncId, mode } = begin;
    const state = { syncId, mode, cursor, previousCursor: stored?.state.cursor ?? null, counts, storedAt };
    if (base === null) return { state, users, groups, members };
    for (const { set, userIds } of leaving) for (const id of userIds) set.delete(id);
    for (const [id, user] of users) base.users.set(id, user);
    for (const [id, group] of groups) base.groups.set(id, group);
    for (const [id, set] of members) base.members.set(id, set);
    for (const id of gone.user) base.users.delete(id);
    for (const id of gone.group) {
      base.groups.delete(id);
      base.members.delete(id);
    }
    base.state = state;
    return base;
  }
}

function broken(rule: string, detail: string): Broken {
  return { rule, detail };
}

/** Those of the set who are in the other, by the shorter way. */
function within(set: ReadonlyMap<EntryId, unknown>, other: ReadonlySet<EntryId>): readonly EntryId[] {
  return set.size < other.size ? [...set.keys()].filter((id) => other.has(id)) : [...other].filter((id) => set.has(id));
}

function added(told: ReadonlyMap<EntryId, unknown>, before: ReadonlyMap<EntryId, unknown> | undefined): number {
  let count = 0;
  for (const id of told.keys()) if (before?.has(id) !== true) count += 1;
  return count;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function inOrder({ users, groups, memberships, membersOutOfScope }: SyncCounts): readonly number[] {
  return [users, groups, memberships, membersOutOfScope];
}
