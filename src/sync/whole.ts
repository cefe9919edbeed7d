import type { ReadEnd } from '../directory/directory-reader.ts';
import type { Draft } from '../ledger/snapshots.ts';
import { attributeCounter } from './attributes.ts';
import { type GatheredMembers, gatheredMembers } from './gathered-members.ts';
import { nameKeys } from './name-keys.ts';
import { reading } from './reading.ts';
import type { Built, RunParts } from './run-parts.ts';
import { type WholeGroups, wholeGroups } from './whole-groups.ts';
import { type WholeUsers, wholeUsers } from './whole-users.ts';

/** Reads the whole directory into a new picture, and tells it: all of it, or what differs from the base. */
export async function readWhole(run: RunParts, draft: Draft): Promise<Built> {
  const keys = nameKeys(draft.seed);
  const counter = attributeCounter();
  const users = wholeUsers(run, { draft, keys, counter });
  try {
    const gathered = gatheredMembers({ keys, named: users.named, turns: run.turns });
    const groups = wholeGroups(run, { draft, keys, users, gathered, counter });
    const { cursor } = await readAll(run, { users, gathered, groups });
    return { cursor, ...(await groups.finish()) };
  } finally {
    users.close();
  }
}

async function readAll(
  { reader, turns, signal: stop }: RunParts,
  { users, gathered, groups }: { users: WholeUsers; gathered: GatheredMembers; groups: WholeGroups },
): Promise<ReadEnd> {
  let usersAreTold = false;

  /** Users come before groups: the first that is told of a group is the end of them. */
  async function tellUsers(): Promise<void> {
    if (usersAreTold) return;
    usersAreTold = true;
    await users.finish();
  }

  const end = await reading({
    read: (sink, signal) => reader.readAll(sink, signal),
    turns,
    signal: stop,
    take(told) {
      switch (told.told) {
        case 'user':
          return users.take(told.user);
        case 'members':
          gathered.add(told.values);
          return usersAreTold ? null : tellUsers();
        case 'group':
          return tellUsers().then(() => groups.take(told.group));
        case 'gone':
        case 'present':
          return null;
        default:
          return told satisfies never;
      }
    },
  });
  await tellUsers();
  return end;
}
