import type { EntryId } from '../access/ids.ts';
import type { ReadUser } from '../directory/directory-reader.ts';
import type { Draft, NameKey } from '../ledger/snapshots.ts';
import { type AttributeCounter, attributesOf } from './attributes.ts';
import { growingNumbers } from './growing-numbers.ts';
import type { NameKeys } from './name-keys.ts';
import { type Named, nameTable } from './name-table.ts';
import { publishedUsers } from './published-users.ts';
import { digestOf, userRecord } from './records.ts';
import type { RunParts } from './run-parts.ts';
import { spool } from './spool.ts';

/** The users of a directory that is being read whole. */
export interface WholeUsers {
  /** Null, or a promise for which whatever follows must wait. */
  take(user: ReadUser): Promise<void> | null;
  /** All were taken: tells those whose manager was not known when they came. */
  finish(): Promise<void>;
  named(key: NameKey): Named;
  numberOf(id: EntryId): number | null;
  idOf(number: number): EntryId;
  /** The number of a user of the base, or -1 where it is gone. */
  translate(published: number): number;
  ofPrimary(key: NameKey): readonly number[];
  count(): number;
  /** Of those, how many are as they were published. */
  unchanged(): number;
  /** How many users of the base are still there. */
  found(): number;
  /** Frees what is held, wherever the read has come to. */
  close(): void;
}

export function wholeUsers(
  run: RunParts,
  { draft, keys, counter }: { draft: Draft; keys: NameKeys; counter: AttributeCounter },
): WholeUsers {
  const ids: EntryId[] = [];
  const names = nameTable();
  const known = { username: nameTable(), email: nameTable() };
  const managers = growingNumbers();
  const translated = growingNumbers();
  const primaries = new Map<NameKey, number[]>();
  const waiting = spool(run.scratchFolder, 'sync-users.tmp');
  const base = run.base === null ? null : publishedUsers(run.base.picture);
  let unchanged = 0;
  let found = 0;

  function name(user: ReadUser, number: number): void {
    names.put(keys.dn(user.dn), number);
    for (const uid of user.uids) {
      if (names.put(keys.plain('uid', uid), number) !== null) run.findings.note('ambiguous_uid', { uid, userId: user.id });
    }
    noteDuplicates(user, number);
    if (user.primaryGroup === null) return;
    const key = keys.plain('primary', user.primaryGroup);
    const members = primaries.get(key) ?? [];
    members.push(number);
    primaries.set(key, members);
  }

  function noteDuplicates({ id, username, emails }: ReadUser, number: number): void {
    for (const [kind, finding, text] of [
      ['username', 'duplicate_username', username],
      ...emails.map((email) => ['email', 'duplicate_email', email] as const),
    ] as const) {
      const other = known[kind].put(keys.plain(kind, text.toLowerCase()), number);
      if (other !== null && other !== number)
        run.findings.note(finding, { [kind]: text, userId: id, otherUserId: ids[other] ?? '' });
    }
  }

  function tell(user: ReadUser, number: number, manager: number | null): Promise<void> | null {
    if (manager !== null) managers.set(number, manager);
    const record = userRecord(user, manager === null ? null : (ids[manager] ?? null));
    const digest = digestOf(record);
    const has = attributesOf(user);
    counter.user(has);
    draft.putUser({
      number,
      id: user.id,
      digest,
      dnKey: keys.dn(user.dn),
      uidKeys: user.uids.map((uid) => keys.plain('uid', uid)),
      managerKey: user.managerDn === null ? null : keys.dn(user.managerDn),
      primaryKey: user.primaryGroup === null ? null : keys.plain('primary', user.primaryGroup),
      has,
    });
    const published = base?.find(user.id) ?? null;
    if (published !== null) {
      if (translated.at(published.number) < 0) found += 1;
      translated.set(published.number, number);
    }
    const isSame = published?.digest === digest;
    if (isSame) unchanged += 1;
    return isSame && run.mode === 'delta' ? null : run.out.add(record);
  }

  function noteLoops(): void {
    for (const loop of managerLoops(managers)) run.findings.note('manager_loop', { userId: ids[loop] ?? '' });
  }

  const numberOf = (id: EntryId): number | null => {
    const number = names.find(keys.plain('id', id));
    return typeof number === 'number' ? number : null;
  };

  return {
    take(user) {
      const earlier = numberOf(user.id);
      const number = earlier ?? ids.length;
      name(user, number);
      // Moved from one scope to the next while both were read. It is told once, and as it is now by the next delta.
      if (earlier !== null) return null;
      ids.push(user.id);
      names.put(keys.plain('id', user.id), number);
      if (user.managerDn === null) return tell(user, number, null);
      const manager = names.find(keys.dn(user.managerDn));
      if (typeof manager === 'number') return tell(user, number, manager);
      waiting.add(JSON.stringify([number, user]));
      return null;
    },
    async finish() {
      for (const line of waiting.lines()) {
        const [number, user] = JSON.parse(line) as [number, ReadUser];
        const manager = user.managerDn === null ? 'none' : names.find(keys.dn(user.managerDn));
        if (typeof manager !== 'number')
          run.findings.note('manager_unresolved', { userId: user.id, manager: user.managerDn ?? '' });
        const told = tell(user, number, typeof manager === 'number' ? manager : null);
        if (told !== null) await told;
        const rest = run.turns.rest();
        if (rest !== null) await rest;
      }
      waiting.close();
      noteLoops();
    },
    named: (key) => names.find(key),
    numberOf,
    idOf: (number) => ids[number] ?? ('' as EntryId),
    translate: (published) => translated.at(published),
    ofPrimary: (key) => primaries.get(key) ?? [],
    count: () => ids.length,
    unchanged: () => unchanged,
    found: () => found,
    close: () => waiting.close(),
  };
}

/** One user of each circle of managers. Every user is walked over once. */
function managerLoops(managers: { at(number: number): number; length(): number }): readonly number[] {
  const walk = new Int32Array(managers.length());
  const loops: number[] = [];
  for (let start = 0; start < walk.length; start += 1) {
    let number = start;
    while (number >= 0 && number < walk.length && walk[number] === 0) {
      walk[number] = start + 1;
      number = managers.at(number);
    }
    if (number >= 0 && walk[number] === start + 1) loops.push(number);
  }
  return loops;
}
