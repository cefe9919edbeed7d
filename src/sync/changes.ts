import type { EntryId } from '../access/ids.ts';
import type { FullNeeded, ReadEnd, ReadSink } from '../directory/directory-reader.ts';
import type { ChangeDraft } from '../ledger/snapshots.ts';
import { calledAttributes } from './attributes.ts';
import { type ChangedGroups, changedGroups } from './changed-groups.ts';
import { type ChangedUsers, changedUsers } from './changed-users.ts';
import { gatheredMembers } from './gathered-members.ts';
import type { Told } from './inbox.ts';
import { nameKeys } from './name-keys.ts';
import { reading } from './reading.ts';
import { goneRecord } from './records.ts';
import type { Base, Built, RunParts } from './run-parts.ts';

/** Who is renamed changes others, which are read again, and may have been renamed themselves meanwhile. */
const MAX_ROUNDS = 5;
/** Entries that are read again by one request. */
const READ_AGAIN = 500;
/** Entries of the base that are looked through in one turn. */
const AT_A_TIME = 500;

interface Changes {
  readonly run: RunParts;
  readonly draft: ChangeDraft;
  readonly users: ChangedUsers;
  readonly groups: ChangedGroups;
  /** What was told to be gone, and not told again after that. */
  readonly gone: Set<EntryId>;
  readonly present: Set<EntryId>;
  readonly take: (told: Told) => Promise<void> | null;
}

/** Reads what has changed since the base, makes the base's picture the next one, and tells the difference. */
export async function readChanges(
  run: RunParts,
  { base, cursor, draft }: { base: Base; cursor: string; draft: ChangeDraft },
): Promise<Built | FullNeeded> {
  const keys = nameKeys(draft.seed);
  const users = changedUsers(run, { draft, keys });
  const gathered = gatheredMembers({
    keys,
    turns: run.turns,
    named(key) {
      const [number, ...others] = draft.usersNamed(key);
      return number === undefined ? 'none' : others.length > 0 ? 'ambiguous' : number;
    },
  });
  const groups = changedGroups(run, { base, draft, keys, gathered });
  try {
    const gone = new Set<EntryId>();
    const present = new Set<EntryId>();
    const take = taker({ users, groups, gone, present, gather: gathered.add });
    const changes: Changes = { run, draft, users, groups, gone, present, take };
    const end = await read(changes, (sink, signal) => run.reader.readChanges(cursor, sink, signal));
    if (end.told === 'full_needed') return end;
    if (end.told !== 'changes') await missing(changes);
    const unfollowed = await followed(changes);
    if (unfollowed !== null) return unfollowed;
    const lost = users.lost();
    if (lost.length > 0) return { told: 'full_needed', reason: `nobody who changed has it any more: ${calledAttributes(lost)}` };
    return { cursor: end.cursor, ...(await tell(changes, base)) };
  } finally {
    users.close();
    groups.close();
  }
}

function taker({
  users,
  groups,
  gone,
  present,
  gather,
}: Pick<Changes, 'users' | 'groups' | 'gone' | 'present'> & { gather: (values: readonly string[]) => void }): Changes['take'] {
  return (told) => {
    switch (told.told) {
      case 'user':
        gone.delete(told.user.id);
        users.take(told.user);
        return null;
      case 'members':
        gather(told.values);
        return null;
      case 'group':
        gone.delete(told.group.id);
        return groups.take(told.group);
      case 'gone':
        gone.add(told.id);
        return null;
      case 'present':
        present.add(told.id);
        return null;
      default:
        return told satisfies never;
    }
  };
}

function read<End extends ReadEnd | FullNeeded | undefined>(
  { run, take }: Changes,
  ask: (sink: ReadSink, signal: AbortSignal) => Promise<End>,
): Promise<End> {
  return reading({ read: ask, take, turns: run.turns, signal: run.signal });
}

/** What was neither told nor said to be there is gone. */
async function missing({ run, draft, users, groups, gone, present }: Changes): Promise<void> {
  for (let after = -1; ; ) {
    const some = draft.users({ after, limit: AT_A_TIME });
    for (const { id, number } of some) if (!users.isTold(number) && !present.has(id)) gone.add(id);
    await (run.turns.rest() ?? undefined);
    const last = some.at(-1);
    if (last === undefined) break;
    after = last.number;
  }
  for (let after = -1; ; ) {
    const some = draft.groups({ after, limit: AT_A_TIME });
    for (const { id, number } of some) if (!groups.isTold(number) && !present.has(id)) gone.add(id);
    await (run.turns.rest() ?? undefined);
    const last = some.at(-1);
    if (last === undefined) break;
    after = last.number;
  }
}

/** Follows what the changes changed in others, until nothing is left to follow; why they cannot be. */
async function followed(changes: Changes): Promise<FullNeeded | null> {
  const { run, draft, users, groups, gone } = changes;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    for (const id of gone) remove(changes, id);
    gone.clear();
    const touched = users.touched();
    // Active Directory's values follow whom they name, and nothing says so: a newcomer may have been named by another name before.
    const links = touched.newcomers && (await run.reader.means(run.signal)).name === 'uSNChanged';
    const reports = new Set<number>();
    for (const key of touched.names) for (const number of draft.usersManagedBy(key)) reports.add(number);
    if (links) await addUsersOfNobody(changes, reports);
    const ids = [...reports].flatMap((number) => (users.isTold(number) ? [] : (draft.userAt(number)?.id ?? [])));
    const affected = new Set(await groups.affected(touched, { afterwards: round === 0, links }));
    // Once: what is read of them again is judged by the same.
    if (round === 0) for (const id of await groups.protectedOtherwise()) affected.add(id);
    if (ids.length + affected.size === 0) return null;
    const ended = await readAgain(changes, { users: ids, groups: [...affected] });
    if (ended !== null) return ended;
  }
  return { told: 'full_needed', reason: 'names change in the directory faster than what they change can be read' };
}

async function addUsersOfNobody({ run, draft }: Changes, numbers: Set<number>): Promise<void> {
  for (let after = -1; ; ) {
    const some = draft.usersOfNobody({ after, limit: AT_A_TIME });
    for (const number of some) numbers.add(number);
    await (run.turns.rest() ?? undefined);
    const last = some.at(-1);
    if (last === undefined) return;
    after = last;
  }
}

function remove({ draft, users, groups }: Changes, id: EntryId): void {
  const user = draft.user(id);
  if (user !== null) users.remove(user);
  const group = draft.group(id);
  if (group !== null) groups.remove(group);
}

/** What is asked for and not told is there no more. */
async function readAgain(
  changes: Changes,
  { users, groups }: { users: readonly EntryId[]; groups: readonly EntryId[] },
): Promise<FullNeeded | null> {
  const { run, gone } = changes;
  for (const id of [...users, ...groups]) gone.add(id);
  for (const [which, ids] of [
    ['readUsers', users],
    ['readGroups', groups],
  ] as const)
    for (let from = 0; from < ids.length; from += READ_AGAIN) {
      const some = ids.slice(from, from + READ_AGAIN);
      const end = await read(changes, (sink, signal) => run.reader[which](some, sink, signal));
      if (end !== undefined) return end;
    }
  return null;
}

async function tell({ run, users, groups }: Changes, { facts }: Base): Promise<Omit<Built, 'cursor'>> {
  const toldUsers = await users.tell();
  const toldGroups = await groups.tell();
  const members = await groups.tellMembers(await run.held());
  for (const [entity, ids] of [
    ['group', groups.gone()],
    ['user', users.gone()],
  ] as const)
    for (const id of ids) await (run.out.add(goneRecord(entity, id)) ?? undefined);
  return {
    counts: {
      users: facts.counts.users + users.balance(),
      groups: facts.counts.groups + groups.balance(),
      memberships: facts.counts.memberships + members.balance,
      membersOutOfScope: facts.counts.membersOutOfScope + members.outOfScopeBalance,
    },
    changed: toldUsers + toldGroups + members.added,
    had: null,
    removed: { users: users.gone().length, groups: groups.gone().length, memberships: members.removed },
  };
}
