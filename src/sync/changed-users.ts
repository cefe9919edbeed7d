import type { EntryId } from '../access/ids.ts';
import type { SyncAttribute } from '../access/sync.ts';
import type { ReadUser } from '../directory/directory-reader.ts';
import type { ChangeDraft, NameKey, StoredUser } from '../ledger/snapshots.ts';
import { attributesOf, lostByChanged } from './attributes.ts';
import type { NameKeys } from './name-keys.ts';
import { digestOf, userRecord } from './records.ts';
import type { RunParts } from './run-parts.ts';
import { spool } from './spool.ts';

/** What a change of users does to others: names that mean somebody else now, or nobody. */
export interface Touched {
  readonly names: Set<NameKey>;
  /** Users of whom a name was taken. */
  readonly renamed: Set<number>;
  readonly gone: Set<number>;
  /** Primary groups that somebody has come to or left. */
  readonly primaries: Set<NameKey>;
  /** Users came who were not there before. */
  newcomers: boolean;
}

export function nothingTouched(): Touched {
  return { names: new Set(), renamed: new Set(), gone: new Set(), primaries: new Set(), newcomers: false };
}

/** Users that a delta told. */
export interface ChangedUsers {
  take(user: ReadUser): void;
  /** No longer there; one that is not known is nobody's loss. */
  remove(user: StoredUser): void;
  isTold(number: number): boolean;
  /** Attributes that many of those told have lost, and none of them has. */
  lost(): readonly SyncAttribute[];
  /** What was touched since it was asked last. */
  touched(): Touched;
  /** Tells those that are not as they were published; returns how many. */
  tell(): Promise<number>;
  /** Of the base, those that are gone. */
  gone(): readonly EntryId[];
  /** How many more there are than in the base; less than nothing where there are fewer. */
  balance(): number;
  close(): void;
}

export function changedUsers(run: RunParts, { draft, keys }: { draft: ChangeDraft; keys: NameKeys }): ChangedUsers {
  const waiting = spool(run.scratchFolder, 'sync-users.tmp');
  /** The line that counts, of each user that was told. */
  const told = new Map<number, number>();
  const added = new Set<number>();
  const gone: EntryId[] = [];
  const losses = lostByChanged();
  let touched = nothingTouched();
  let nextNumber = draft.userNumbers();
  let lines = 0;

  function touch(before: StoredUser | null, next: StoredUser | null): void {
    const [had, has] = [namesOf(before), namesOf(next)];
    for (const key of had) {
      if (has.has(key)) continue;
      touched.names.add(key);
      if (before !== null) touched.renamed.add(before.number);
    }
    for (const key of has) {
      if (had.has(key)) continue;
      touched.names.add(key);
      // It means two from now on, and so neither.
      for (const other of draft.usersNamed(key)) touched.renamed.add(other);
    }
    if (before?.primaryKey === next?.primaryKey) return;
    for (const key of [before?.primaryKey, next?.primaryKey]) if (key !== undefined && key !== null) touched.primaries.add(key);
  }

  /** Null where the user is as it was published. */
  function recordOf(user: ReadUser, stored: StoredUser): { record: string; digest: string } | null {
    const [manager, ...others] = stored.managerKey === null ? [] : draft.usersNamed(stored.managerKey);
    const managerId = manager === undefined || others.length > 0 ? null : (draft.userAt(manager)?.id ?? null);
    const record = userRecord(user, managerId);
    const digest = digestOf(record);
    return digest === stored.digest ? null : { record, digest };
  }

  return {
    take(user) {
      const before = draft.user(user.id);
      const number = before?.number ?? nextNumber;
      if (before === null) {
        nextNumber += 1;
        added.add(number);
        touched.newcomers = true;
      }
      const next: StoredUser = {
        number,
        id: user.id,
        digest: before?.digest ?? '',
        dnKey: keys.dn(user.dn),
        uidKeys: user.uids.map((uid) => keys.plain('uid', uid)),
        managerKey: user.managerDn === null ? null : keys.dn(user.managerDn),
        primaryKey: user.primaryGroup === null ? null : keys.plain('primary', user.primaryGroup),
        has: attributesOf(user),
      };
      touch(before, next);
      losses.take({ before: before?.has ?? 0, now: next.has });
      draft.putUser(next);
      lines += 1;
      told.set(number, lines);
      waiting.add(JSON.stringify([lines, number, user]));
    },
    remove(user) {
      touch(user, null);
      touched.gone.add(user.number);
      draft.removeUser(user.number);
      told.delete(user.number);
      if (!added.delete(user.number)) gone.push(user.id);
    },
    isTold: (number) => told.has(number),
    lost: losses.lost,
    touched() {
      const since = touched;
      touched = nothingTouched();
      return since;
    },
    async tell() {
      let changed = 0;
      for (const line of waiting.lines()) {
        const [at, number, user] = JSON.parse(line) as [number, number, ReadUser];
        const stored = told.get(number) === at ? draft.userAt(number) : null;
        const record = stored === null ? null : recordOf(user, stored);
        if (record !== null) {
          changed += 1;
          draft.putUserDigest(number, record.digest);
          const sent = run.out.add(record.record);
          if (sent !== null) await sent;
        }
        const rest = run.turns.rest();
        if (rest !== null) await rest;
      }
      return changed;
    },
    gone: () => gone,
    balance: () => added.size - gone.length,
    close: () => waiting.close(),
  };
}

function namesOf(user: StoredUser | null): Set<NameKey> {
  return new Set(user === null ? [] : [user.dnKey, ...user.uidKeys]);
}
