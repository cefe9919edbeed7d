import { randomInt } from 'node:crypto';
import { rmSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ChangeDraft, Draft, Picture, PictureFacts } from '../snapshots.ts';
import { type Database, openDatabase } from './database.ts';
import { ledgerErrorOf } from './faults.ts';
import {
  findable,
  findableInTurns,
  insertGroup,
  insertUser,
  notFindable,
  sqlitePicture,
  updateTags,
} from './snapshot-picture.ts';
import { SNAPSHOT_TABLES } from './snapshot-rows.ts';
import { preparePrivateFile } from './state-directory.ts';

/** Another program that looks at the file does so for a moment. */
export const BUSY_MS = 1_000;

interface NewPictureHooks {
  readonly ended: () => void;
  readonly receiver: string | null;
  readonly doubt: () => void;
  readonly adopt: (facts: PictureFacts) => Promise<void>;
}

/** A whole new picture in a file of its own. */
export function newPicture(path: string, { ended, receiver, doubt, adopt }: NewPictureHooks): Draft {
  preparePrivateFile(path);
  const database = openDatabase({ path, busyMs: BUSY_MS });
  const seed = randomInt(2 ** 48 - 1);
  // Nobody but this process ever sees the file before it is whole, and durable.
  database.row('PRAGMA journal_mode = OFF');
  database.script('PRAGMA synchronous = OFF');
  // What serves to find users is written in no order: with the 2 MB that are SQLite's own, most of it would be written many times.
  database.script('PRAGMA cache_size = -16384');
  database.script(SNAPSHOT_TABLES);
  database.script('BEGIN');
  database.run('INSERT INTO picture (one, seed) VALUES (1, :seed)', { seed });
  const { userNumbers, groupAt, groups } = sqlitePicture(database, seed);
  let isOpen = true;
  const end = (): void => {
    isOpen = false;
    database.close();
    ended();
  };
  return {
    seed,
    groupAt,
    groups,
    putUser: (user) => insertUser(database, user),
    putGroup: (group) => insertGroup(database, group),
    putTags: (number, tags) => updateTags(database, { number, tags }),
    doubt,
    async publish(facts) {
      for (const _ of findableInTurns(database, userNumbers())) await nextTurn();
      writeFacts(database, facts, receiver);
      database.script('COMMIT');
      end();
      await adopt(facts);
    },
    discard() {
      if (!isOpen) return;
      end();
      removeFiles(path);
    },
  };
}

interface ChangeHooks {
  readonly ended: () => void;
  readonly receiver: string | null;
  readonly doubted: () => void;
  readonly adopted: (facts: PictureFacts) => void;
  /** What is published is not known any more. */
  readonly lost: () => void;
}

/** Changes of a picture, in a transaction. */
export function changedPicture({ writer, seed }: { writer: Database; seed: number }, hooks: ChangeHooks): ChangeDraft {
  const picture: Picture = sqlitePicture(writer, seed);
  let state: 'open' | 'doubted' | 'ended' = 'open';
  writer.script('BEGIN IMMEDIATE');
  const remove = (number: number): void => {
    const before = picture.userAt(number);
    if (before === null) return;
    notFindable(writer, before);
    writer.run('DELETE FROM users WHERE number = :number', { number });
  };
  const commit = (): void => {
    if (state === 'open') writer.script('COMMIT');
  };
  return {
    ...picture,
    putUser(user) {
      const before = picture.userAt(user.number);
      if (before !== null) notFindable(writer, before);
      insertUser(writer, user);
      findable(writer, user);
    },
    putUserDigest: (number, digest) =>
      void writer.run('UPDATE users SET digest = :digest WHERE number = :number', { number, digest }),
    removeUser: remove,
    putGroup: (group) => insertGroup(writer, group),
    putTags: (number, tags) => updateTags(writer, { number, tags }),
    removeGroup: (number) => void writer.run('DELETE FROM groups WHERE number = :number', { number }),
    doubt() {
      writer.script('UPDATE picture SET facts = NULL');
      commit();
      state = 'doubted';
      hooks.doubted();
    },
    async publish(facts) {
      writeFacts(writer, facts, hooks.receiver);
      commit();
      state = 'ended';
      hooks.ended();
      hooks.adopted(facts);
    },
    discard() {
      if (state === 'ended') return;
      if (state === 'open' && writer.inTransaction()) writer.script('ROLLBACK');
      if (state === 'doubted') hooks.lost();
      state = 'ended';
      hooks.ended();
    },
  };
}

function writeFacts(database: Database, facts: PictureFacts, receiver: string | null): void {
  database.run('UPDATE picture SET facts = :facts', { facts: JSON.stringify({ ...facts, receiver }) });
}

/** With what SQLite keeps beside it: a log of another file must never be taken for this one's. */
export function removeFiles(path: string): void {
  try {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(`${path}${end}`, { force: true });
  } catch (error) {
    throw ledgerErrorOf(error, `remove ${path}`);
  }
}
