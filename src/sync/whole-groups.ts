import type { EntryId } from '../access/ids.ts';
import type { ReadGroup } from '../directory/directory-reader.ts';
import type { Draft, StoredGroup } from '../ledger/snapshots.ts';
import type { AttributeCounter } from './attributes.ts';
import type { GatheredMembers } from './gathered-members.ts';
import type { HeldGrants } from './held-grants.ts';
import { membersChange } from './members-change.ts';
import type { NameKeys } from './name-keys.ts';
import { digestOf, goneRecord, groupRecord, membersRecords } from './records.ts';
import { type Built, type RunParts, tagsOf } from './run-parts.ts';
import type { WholeUsers } from './whole-users.ts';

/** The groups of a directory that is being read whole. */
export interface WholeGroups {
  take(group: ReadGroup): Promise<void>;
  /** All were taken: tells their members, and who is gone. */
  finish(): Promise<Omit<Built, 'cursor'>>;
}

/** Groups whose members are in memory at one time, and users of the base that are looked through in one turn. */
const GROUPS_AT_A_TIME = 16;
const USERS_AT_A_TIME = 500;

export function wholeGroups(
  run: RunParts,
  {
    draft,
    keys,
    users,
    gathered,
    counter,
  }: { draft: Draft; keys: NameKeys; users: WholeUsers; gathered: GatheredMembers; counter: AttributeCounter },
): WholeGroups {
  const numbers = new Map<EntryId, number>();
  const { base, turns, out } = run;
  let unchanged = 0;

  function tell(record: string): Promise<void> | null {
    return out.add(record);
  }

  async function rested(told: Promise<void> | null): Promise<void> {
    if (told !== null) await told;
    const rest = turns.rest();
    if (rest !== null) await rest;
  }

  /** Tells a group's members, or what has changed in them; returns how much. */
  async function tellGroup(group: StoredGroup, held: HeldGrants | null): Promise<{ added: number; removed: number }> {
    const published = base?.picture.group(group.id) ?? null;
    const tags = tagsOf({
      groupId: group.id,
      members: group.members,
      held,
      numberOf: users.numberOf,
      kept: () => [...(published?.tags ?? [])].map(([number, grantId]) => [users.translate(number), grantId]),
    });
    if (tags.size > 0) draft.putTags(group.number, tags);
    const change = await membersChange({
      published,
      next: group.members,
      tags,
      translate: users.translate,
      publishedId: (number) => base?.picture.userAt(number)?.id ?? ('' as EntryId),
      turns,
    });
    const told = run.mode === 'full' ? { add: group.members, remove: [] } : change;
    const memberOf = (number: number) => ({ userId: users.idOf(number), grantId: tags.get(number) ?? null });
    for (const record of membersRecords(group.id, { ...told, memberOf })) await rested(tell(record));
    return { added: change.add.length, removed: change.remove.length };
  }

  async function tellMembers(): Promise<{ added: number; removed: number; memberships: number; membersOutOfScope: number }> {
    const held = await run.held();
    const sum = { added: 0, removed: 0, memberships: 0, membersOutOfScope: 0 };
    for (let after = -1; ; ) {
      const some = draft.groups({ after, limit: GROUPS_AT_A_TIME });
      for (const group of some) {
        const { added, removed } = await tellGroup(group, held);
        sum.added += added;
        sum.removed += removed;
        sum.memberships += group.members.length;
        sum.membersOutOfScope += group.unresolved.length;
        await rested(null);
      }
      const last = some.at(-1);
      if (last === undefined) return sum;
      after = last.number;
    }
  }

  /** Tells the users of the base that are no longer there; returns how many. */
  async function tellGoneUsers(): Promise<number> {
    let gone = 0;
    // Nearly always all of them are there, and then they need not be looked through.
    for (let after = -1; base !== null && users.found() < base.facts.counts.users; ) {
      const some = base.picture.users({ after, limit: USERS_AT_A_TIME });
      for (const { number, id } of some) {
        if (users.translate(number) >= 0) continue;
        gone += 1;
        if (run.mode === 'delta') await rested(tell(goneRecord('user', id)));
      }
      await rested(null);
      const last = some.at(-1);
      if (last === undefined) break;
      after = last.number;
    }
    return gone;
  }

  async function tellGoneGroups(): Promise<{ groups: number; memberships: number }> {
    const gone = { groups: 0, memberships: 0 };
    for (let after = -1; base !== null; ) {
      const some = base.picture.groups({ after, limit: GROUPS_AT_A_TIME });
      for (const { id, members } of some) {
        if (numbers.has(id)) continue;
        gone.groups += 1;
        gone.memberships += members.length;
        if (run.mode === 'delta') await rested(tell(goneRecord('group', id)));
      }
      await rested(null);
      const last = some.at(-1);
      if (last === undefined) break;
      after = last.number;
    }
    return gone;
  }

  return {
    async take(group) {
      const { numbers: members, unresolved } = await gathered.take(group.memberAttribute);
      // Moved from one scope to the next while both were read. It is told once, and as it is now by the next delta.
      if (numbers.has(group.id)) return;
      const number = numbers.size;
      numbers.set(group.id, number);
      run.noteName(group);
      counter.group(group);
      const primaryKey = group.primaryName === null ? null : keys.plain('primary', group.primaryName);
      if (primaryKey !== null) for (const user of users.ofPrimary(primaryKey)) members.add(user);
      const ownerKeys = group.ownerDns.map(keys.dn);
      const owners = ownerKeys.map(users.named).filter((owner) => typeof owner === 'number');
      const isProtected = run.protection.protects(group);
      const record = groupRecord(group, { ownerIds: [...new Set(owners)].map(users.idOf), isProtected });
      const digest = digestOf(record);
      const { id, memberAttribute } = group;
      draft.putGroup({
        number,
        id,
        digest,
        isProtected,
        memberAttribute,
        primaryKey,
        ownerKeys: new Float64Array(ownerKeys),
        members: new Int32Array(members),
        unresolved: new Float64Array(unresolved),
        tags: new Map(),
      });
      const isSame = base?.picture.group(id)?.digest === digest;
      if (isSame) unchanged += 1;
      if (!isSame || run.mode === 'full') await rested(tell(record));
    },
    async finish() {
      const { added, removed, memberships, membersOutOfScope } = await tellMembers();
      const gone = await tellGoneGroups();
      const goneUsers = await tellGoneUsers();
      return {
        counts: { users: users.count(), groups: numbers.size, memberships, membersOutOfScope },
        changed: users.count() - users.unchanged() + (numbers.size - unchanged) + added,
        had: counter.counts(),
        removed: { users: goneUsers, groups: gone.groups, memberships: removed + gone.memberships },
      };
    },
  };
}
