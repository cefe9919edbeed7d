import type { EntryId } from '../access/ids.ts';
import type { ReadGroup } from '../directory/directory-reader.ts';
import type { ChangeDraft, StoredGroup } from '../ledger/snapshots.ts';
import type { Touched } from './changed-users.ts';
import type { GatheredMembers } from './gathered-members.ts';
import type { HeldGrants } from './held-grants.ts';
import { membersChange } from './members-change.ts';
import type { NameKeys } from './name-keys.ts';
import { digestOf, groupRecord, membersRecords } from './records.ts';
import { type Base, type RunParts, tagsOf } from './run-parts.ts';
import { spool } from './spool.ts';

/** What a delta did to the members of groups. */
export interface MembersTold {
  readonly added: number;
  readonly removed: number;
  /** How many more there are than in the base. */
  readonly balance: number;
  readonly outOfScopeBalance: number;
}

/** Groups that a delta told. */
export interface ChangedGroups {
  take(group: ReadGroup): Promise<void>;
  remove(group: StoredGroup): void;
  isTold(number: number): boolean;
  /**
   * Groups whose members or owners are others by what was touched. Those that were told `afterwards` know of new names already,
   * and only not who is gone. Where values follow (`links`) whom they name, a newcomer may be in any group that holds a value which
   * named nobody.
   */
  affected(touched: Touched, how: { readonly afterwards: boolean; readonly links: boolean }): Promise<readonly EntryId[]>;
  /** Groups that are protected now and were not, or no longer are, with no change of their own. */
  protectedOtherwise(): Promise<readonly EntryId[]>;
  /** Tells heads that are not as they were published; returns how many. */
  tell(): Promise<number>;
  tellMembers(held: HeldGrants | null): Promise<MembersTold>;
  /** Of the base, those that are gone. */
  gone(): readonly EntryId[];
  balance(): number;
  close(): void;
}

/** Groups that are in memory at one time. */
const GROUPS_AT_A_TIME = 16;
/** Of the users with one primary group, so many are asked for in one turn. */
const USERS_AT_A_TIME = 2_000;

export function changedGroups(
  run: RunParts,
  { base, draft, keys, gathered }: { base: Base; draft: ChangeDraft; keys: NameKeys; gathered: GatheredMembers },
): ChangedGroups {
  const waiting = spool(run.scratchFolder, 'sync-groups.tmp');
  const told = new Map<number, number>();
  const added = new Set<number>();
  const gone: StoredGroup[] = [];
  let nextNumber = draft.groupNumbers();
  let lines = 0;

  async function rested(sent: Promise<void> | null): Promise<void> {
    if (sent !== null) await sent;
    const rest = run.turns.rest();
    if (rest !== null) await rest;
  }

  async function addPrimaryMembers(key: number, members: Set<number>): Promise<void> {
    for (let after = -1; ; ) {
      const some = draft.usersOfPrimary({ key, after, limit: USERS_AT_A_TIME });
      for (const number of some) members.add(number);
      await rested(null);
      const last = some.at(-1);
      if (last === undefined) return;
      after = last;
    }
  }

  function isAffected(
    group: StoredGroup,
    touched: Touched,
    { afterwards, links }: { afterwards: boolean; links: boolean },
  ): boolean {
    const { names, renamed, gone: goneUsers, primaries } = touched;
    if (group.primaryKey !== null && primaries.has(group.primaryKey)) return true;
    const isNew = afterwards && told.has(group.number);
    if (goneUsers.size > 0 && group.members.some((number) => goneUsers.has(number))) return true;
    if (!isNew && renamed.size > 0 && group.members.some((number) => renamed.has(number))) return true;
    if (names.size === 0) return false;
    if (links && touched.newcomers && !isNew && namesNobody(group)) return true;
    // The owners of one that was told are looked up when it is told on.
    return group.unresolved.some((key) => names.has(key)) || (!isNew && group.ownerKeys.some((key) => names.has(key)));
  }

  function namesNobody({ unresolved, ownerKeys }: StoredGroup): boolean {
    return unresolved.length > 0 || ownerKeys.some((key) => draft.usersNamed(key).length === 0);
  }

  function ownersOf(stored: StoredGroup): readonly EntryId[] {
    const owners = new Set<EntryId>();
    for (const key of stored.ownerKeys) {
      const [number, ...others] = draft.usersNamed(key);
      const owner = number === undefined || others.length > 0 ? null : draft.userAt(number);
      if (owner !== null) owners.add(owner.id);
    }
    return [...owners];
  }

  async function tellGroupMembers(group: StoredGroup, held: HeldGrants | null): Promise<MembersTold> {
    const published = base.picture.groupAt(group.number);
    const tags = tagsOf({
      groupId: group.id,
      members: group.members,
      held,
      numberOf: (id) => draft.user(id)?.number ?? null,
      kept: () => published?.tags ?? [],
    });
    const change = await membersChange({
      published,
      next: group.members,
      tags,
      translate: (number) => number,
      publishedId: (number) => base.picture.userAt(number)?.id ?? ('' as EntryId),
      turns: run.turns,
    });
    draft.putTags(group.number, tags);
    const memberOf = (number: number) => ({
      userId: draft.userAt(number)?.id ?? ('' as EntryId),
      grantId: tags.get(number) ?? null,
    });
    for (const record of membersRecords(group.id, { ...change, memberOf })) await rested(run.out.add(record));
    return {
      added: change.add.length,
      removed: change.remove.length,
      balance: group.members.length - (published?.members.length ?? 0),
      outOfScopeBalance: group.unresolved.length - (published?.unresolved.length ?? 0),
    };
  }

  /** Those that were told, and those of which a grant holds a membership now or held one when they were published. */
  function* toCompare(held: HeldGrants | null): Generator<StoredGroup> {
    const numbers = new Set([...told.keys(), ...draft.taggedGroups()]);
    for (const groupId of held?.keys() ?? []) {
      const number = draft.group(groupId)?.number;
      if (number !== undefined) numbers.add(number);
    }
    for (const number of numbers) {
      const group = draft.groupAt(number);
      if (group !== null) yield group;
    }
  }

  return {
    async take(group) {
      run.noteName(group);
      const before = draft.group(group.id);
      const number = before?.number ?? nextNumber;
      if (before === null) {
        nextNumber += 1;
        added.add(number);
      }
      const { numbers: members, unresolved } = await gathered.take(group.memberAttribute);
      const primaryKey = group.primaryName === null ? null : keys.plain('primary', group.primaryName);
      if (primaryKey !== null) await addPrimaryMembers(primaryKey, members);
      draft.putGroup({
        number,
        id: group.id,
        digest: before?.digest ?? '',
        isProtected: run.protection.protects(group),
        memberAttribute: group.memberAttribute,
        primaryKey,
        ownerKeys: new Float64Array(group.ownerDns.map(keys.dn)),
        members: new Int32Array(members),
        unresolved,
        tags: before?.tags ?? new Map(),
      });
      lines += 1;
      told.set(number, lines);
      waiting.add(JSON.stringify([lines, number, group]));
    },
    remove(group) {
      draft.removeGroup(group.number);
      told.delete(group.number);
      if (added.delete(group.number)) return;
      const published = base.picture.groupAt(group.number);
      if (published !== null) gone.push(published);
    },
    isTold: (number) => told.has(number),
    async protectedOtherwise() {
      const ids: EntryId[] = [];
      const { told: now } = run.protection;
      if (now.unknown !== null) {
        for (let after = -1; ; ) {
          const some = draft.groups({ after, limit: GROUPS_AT_A_TIME });
          for (const { id, isProtected } of some) if (!isProtected) ids.push(id);
          await rested(null);
          const last = some.at(-1);
          if (last === undefined) return ids;
          after = last.number;
        }
      }
      for (const number of draft.protectedGroups()) {
        const before = draft.groupAt(number);
        if (before !== null && !now.ids.has(before.id)) ids.push(before.id);
        await rested(null);
      }
      for (const id of now.ids) {
        if (draft.group(id)?.isProtected === false) ids.push(id);
        await rested(null);
      }
      return ids;
    },
    async affected(touched, how) {
      const ids: EntryId[] = [];
      if (touched.names.size + touched.gone.size + touched.primaries.size === 0) return ids;
      for (let after = -1; ; ) {
        const some = draft.groups({ after, limit: GROUPS_AT_A_TIME });
        for (const group of some) if (isAffected(group, touched, how)) ids.push(group.id);
        await rested(null);
        const last = some.at(-1);
        if (last === undefined) return ids;
        after = last.number;
      }
    },
    async tell() {
      let changed = 0;
      for (const line of waiting.lines()) {
        const [at, number, group] = JSON.parse(line) as [number, number, ReadGroup];
        const stored = told.get(number) === at ? draft.groupAt(number) : null;
        if (stored === null) continue;
        const record = groupRecord(group, { ownerIds: ownersOf(stored), isProtected: stored.isProtected });
        const digest = digestOf(record);
        if (digest === stored.digest) continue;
        changed += 1;
        draft.putGroup({ ...stored, digest });
        await rested(run.out.add(record));
      }
      return changed;
    },
    async tellMembers(held) {
      const sum = { added: 0, removed: 0, balance: 0, outOfScopeBalance: 0 };
      for (const { members, unresolved } of gone) {
        sum.removed += members.length;
        sum.balance -= members.length;
        sum.outOfScopeBalance -= unresolved.length;
      }
      for (const group of toCompare(held)) {
        const one = await tellGroupMembers(group, held);
        sum.added += one.added;
        sum.removed += one.removed;
        sum.balance += one.balance;
        sum.outOfScopeBalance += one.outOfScopeBalance;
        await rested(null);
      }
      return sum;
    },
    gone: () => gone.map(({ id }) => id),
    balance: () => added.size - gone.length,
    close: () => waiting.close(),
  };
}
