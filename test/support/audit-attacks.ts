import type { SQLInputValue } from 'node:sqlite';
import { DatabaseSync } from 'node:sqlite';
import type { KeptCheckpoint } from '../../src/access/audit-chain.ts';

/** What was done to a trail by somebody who may write the file, and what verifying it must say. */
export interface Attack {
  readonly what: string;
  /** The first record that is not as it was; null where it cannot be said. */
  readonly seq: number | null;
  /** Only against a checkpoint that is kept elsewhere it shows. */
  readonly needsCheckpoint: boolean;
}

/** A trail that can be attacked again and again. */
export interface AttackedTrail {
  readonly checkpoint: KeptCheckpoint;
  /** Does something to it that chance says. */
  attack(random: () => number): Attack;
  restore(): void;
  close(): void;
}

type Row = Record<string, SQLInputValue>;

const TEXT_COLUMNS = ['record', 'hash', 'kind', 'job_id', 'grant_id'] as const;
const HEADS = ['audit_hash', 'audit_pruned_hash'] as const;

/** Opens the file of a ledger that nobody uses, without what keeps honest programs from changing the trail. */
export function attackedTrail(path: string): AttackedTrail {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF');
  for (const guard of ['audit_is_never_changed', 'audit_is_never_replaced', 'audit_lives_as_long_as_its_retention'])
    database.exec(`DROP TRIGGER ${guard}`);
  database.exec('CREATE TABLE honest_audit AS SELECT * FROM audit; CREATE TABLE honest_identity AS SELECT * FROM identity');
  const [end] = rowsOf(database, 'SELECT audit_hash FROM identity');
  const endHash = end?.['audit_hash'];
  if (typeof endHash !== 'string') throw new Error(`${path} has no chain`);
  const ids = rowsOf(database, 'SELECT audit_id FROM audit ORDER BY audit_id').map((row) => Number(row['audit_id']));
  const [first = 0, last = 0] = [ids[0], ids.at(-1)];

  const run = (sql: string, ...values: SQLInputValue[]): void => void database.prepare(sql).run(...values);
  const shift = (from: number, by: number): void => {
    // By way of numbers that no record has: two may not have one at a time.
    run('UPDATE audit SET audit_id = -audit_id - 1000000 WHERE audit_id >= ?', from);
    run('UPDATE audit SET audit_id = -(audit_id + 1000000) + ? WHERE audit_id <= -1000000', by);
  };

  function attack(random: () => number): Attack {
    const chosen = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
    const [one, other] = [chosen(ids), chosen(ids)];
    const kinds: readonly (() => Attack | null)[] = [
      () => editByte(chosen(TEXT_COLUMNS), one, random),
      () => editByte(chosen(TEXT_COLUMNS), one, random),
      () => editNumber(one, random),
      () => editHead(random),
      () => swap(one, other),
      () => insert(one, random),
      () => insertOutside(random),
      () => remove(one, random),
      () => cutHead(random),
      () => cutTail(random),
    ];
    // Ends: most of them do something to any trail.
    for (;;) {
      database.exec('BEGIN');
      const done = chosen(kinds)();
      database.exec('COMMIT');
      if (done !== null) return done;
    }
  }

  /** One byte of a text, whatever that makes of it. */
  function editByte(column: (typeof TEXT_COLUMNS)[number], seq: number, random: () => number): Attack | null {
    const [row] = rowsOf(database, `SELECT CAST(${column} AS BLOB) AS bytes FROM audit WHERE audit_id = ${seq}`);
    if (!(row?.['bytes'] instanceof Uint8Array)) {
      run(`UPDATE audit SET ${column} = 'x' WHERE audit_id = ?`, seq);
      return { what: `${column} of ${seq} put in`, seq, needsCheckpoint: false };
    }
    const bytes = Buffer.from(row['bytes']);
    const at = Math.floor(random() * bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 + Math.floor(random() * 255));
    run(`UPDATE audit SET ${column} = CAST(? AS TEXT) WHERE audit_id = ?`, bytes, seq);
    return { what: `byte ${at} of ${column} of ${seq}`, seq, needsCheckpoint: false };
  }

  function editNumber(seq: number, random: () => number): Attack {
    const by = 1 + Math.floor(random() * 2 ** 20);
    run('UPDATE audit SET at = at + ? WHERE audit_id = ?', by, seq);
    return { what: `at of ${seq}`, seq, needsCheckpoint: false };
  }

  function editHead(random: () => number): Attack {
    if (random() < 0.5) {
      const column = random() < 0.5 ? 'audit_count' : 'audit_pruned';
      run(`UPDATE identity SET ${column} = ${column} + ?`, 1 + Math.floor(random() * 9));
      return { what: column, seq: null, needsCheckpoint: false };
    }
    const column = HEADS[Math.floor(random() * HEADS.length)] ?? 'audit_hash';
    run(`UPDATE identity SET ${column} = replace(${column}, substr(${column}, 7, 1), 'g')`);
    return { what: column, seq: null, needsCheckpoint: false };
  }

  /** Either the records alone change places, or their hashes with them. */
  function swap(one: number, other: number): Attack | null {
    if (one === other) return null;
    const seq = Math.min(one, other);
    run('UPDATE audit SET audit_id = -1 WHERE audit_id = ?', one);
    run('UPDATE audit SET audit_id = ? WHERE audit_id = ?', one, other);
    run('UPDATE audit SET audit_id = ? WHERE audit_id = -1', other);
    return { what: `${one} and ${other} swapped`, seq, needsCheckpoint: false };
  }

  /** A copy of a record before another, which all move up; the end moves with them. */
  function insert(seq: number, random: () => number): Attack {
    const copied = ids[Math.floor(random() * ids.length)] ?? first;
    shift(seq, 1);
    const source = copied >= seq ? copied + 1 : copied;
    run(
      'INSERT INTO audit (audit_id, at, kind, job_id, grant_id, record, hash) SELECT ?, at, kind, job_id, grant_id, record, hash FROM audit WHERE audit_id = ?',
      seq,
      source,
    );
    const isAware = random() < 0.5;
    if (isAware) run('UPDATE identity SET audit_count = audit_count + 1');
    // A copy of the very record that follows looks like it: then that one stands there twice.
    return { what: `a copy of ${copied} before ${seq}`, seq: copied === seq ? seq + 1 : seq, needsCheckpoint: false };
  }

  function insertOutside(random: () => number): Attack {
    const places = [BigInt(last) + 1n, BigInt(last) + 7n, 2n ** 60n, -5n, -(2n ** 60n), BigInt(first) - 1n];
    const place = places[Math.floor(random() * places.length)] ?? 0n;
    const insertion = database.prepare(
      'INSERT INTO audit (audit_id, at, kind, record, hash) SELECT ?, at, kind, record, hash FROM audit WHERE audit_id = ?',
    );
    // It answers with the number, which may be larger than any of JavaScript.
    insertion.setReadBigInts(true);
    insertion.run(place, last);
    return { what: `a copy of ${last} as ${place}`, seq: null, needsCheckpoint: false };
  }

  /** One or several; what follows stays where it is, or moves down. */
  function remove(seq: number, random: () => number): Attack {
    const count = 1 + Math.floor(random() * 3);
    run('DELETE FROM audit WHERE audit_id >= ? AND audit_id < ?', seq, seq + count);
    if (random() < 0.5) shift(seq, -count);
    return { what: `${count} removed from ${seq}`, seq: seq + count > last ? null : seq, needsCheckpoint: false };
  }

  /** With the place from which the rest is chained set right. */
  function cutHead(random: () => number): Attack | null {
    const cut = first + Math.floor(random() * (ids.length - 1));
    const [row] = rowsOf(database, `SELECT hash FROM audit WHERE audit_id = ${cut}`);
    if (row === undefined) return null;
    run('DELETE FROM audit WHERE audit_id <= ?', cut);
    run('UPDATE identity SET audit_pruned = ?, audit_pruned_hash = ?', cut, row['hash'] ?? null);
    return { what: `all up to ${cut} cut off`, seq: cut, needsCheckpoint: false };
  }

  /** With the end set right, so that only a checkpoint tells. */
  function cutTail(random: () => number): Attack | null {
    const cut = first + Math.floor(random() * (ids.length - 1));
    const [row] = rowsOf(database, `SELECT hash FROM audit WHERE audit_id = ${cut}`);
    if (row === undefined) return null;
    run('DELETE FROM audit WHERE audit_id > ?', cut);
    run('UPDATE identity SET audit_count = ?, audit_hash = ?', cut, row['hash'] ?? null);
    return { what: `all after ${cut} cut off`, seq: cut + 1, needsCheckpoint: true };
  }

  return {
    checkpoint: { count: last, hash: endHash, ledgerId: null },
    attack,
    restore() {
      database.exec(`BEGIN; DELETE FROM audit; INSERT INTO audit SELECT * FROM honest_audit;
        DELETE FROM identity; INSERT INTO identity SELECT * FROM honest_identity; COMMIT`);
    },
    close: () => database.close(),
  };
}

function rowsOf(database: DatabaseSync, sql: string): readonly Row[] {
  return database.prepare(sql).all();
}
