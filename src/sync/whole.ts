import type { Draft } from '../ledger/snapshots.ts';
import { gatheredMembers } from './gathered-members.ts';
import { nameKeys } from './name-keys.ts';
import { reading } from './reading.ts';
import type { Built, RunParts } from './run-parts.ts';
import { wholeGroups } from './whole-groups.ts';
import { wholeUsers } from './whole-users.ts';

/** Reads the whole directory into a new picture, and tells it: all of it, or what differs from the base. */
export async function readWhole(run: RunParts, draft: Draft): Promise<Built> {
  const keys = nameKeys(draft.seed);
  const users = wholeUsers(run, { draft, keys });
  const gathered = gatheredMembers({ keys, named: users.named, turns: run.turns });
  const groups = wholeGroups(run, { draft, keys, users, gathered });
  let usersAreTold = false;

  /** Users come before groups: the first that is told of a group is the end of them. */
  async function tellUsers(): Promise<void> {
    if (usersAreTold) return;
    usersAreTold = true;
    await users.finish();
  }

  const end = await reading({
    read: (sink, signal) => run.reader.readAll(sink, signal),
    turns: run.turns,
    signal: run.signal,
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
  return { cursor: end.cursor, ...(await groups.finish()) };
}
