import { existsSync } from 'node:fs';
import { backup, DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { ledgerErrorOf } from './faults.ts';

/** The values of a statement by the names it gives them (`:name`). */
export type StatementValues = Readonly<Record<string, SQLInputValue>>;

/** One open SQLite file. The only place that knows `node:sqlite`; every error that it throws is a `LedgerError`. */
export interface Database {
  rows(sql: string, parameters?: StatementValues): readonly unknown[];
  /** The first row, or undefined where there is none. */
  row(sql: string, parameters?: StatementValues): unknown;
  /** Returns how many rows were changed. */
  run(sql: string, parameters?: StatementValues): number;
  /** Runs any number of statements that take no values. */
  script(sql: string): void;
  /** False where SQLite has given up the transaction by itself, as it does on a full disk. */
  inTransaction(): boolean;
  close(): void;
  /** The same, but leaves the write-ahead log as it is, which SQLite takes over into the file when the last one closes. */
  closeKeepingLog(): void;
}

/** A value's name in a statement. No statement has a colon that is none. */
const NAME = /:([A-Za-z]+)/g;

/** A statement with a place for each mention of a value, and the names in that order: bound by name, a value costs twice as much. */
interface Prepared {
  readonly statement: StatementSync;
  readonly names: readonly string[];
}

function inOrder(names: readonly string[], values: StatementValues): SQLInputValue[] {
  return names.map((name) => {
    const value = values[name];
    if (value === undefined) throw new TypeError(`a statement lacks the value of :${name}`);
    return value;
  });
}

/** Opens a file, creating it where it is missing. A lock held by others is waited out for `busyMs`. */
export function openDatabase({ path, busyMs }: { path: string; busyMs: number }): Database {
  return opened(
    path,
    translated(`open ${path}`, () => new DatabaseSync(path, { timeout: busyMs })),
  );
}

/**
 * Opens a file for reading alone, also while a connector writes it. Beside one that nobody has open, such as a backup on a volume
 * that cannot be written, no file is made.
 */
export function openForReading({ path, busyMs }: { path: string; busyMs: number }): Database {
  return opened(
    path,
    translated(`open ${path}`, () => readOnly({ path, isInUse: existsSync(`${path}-wal`), busyMs })),
  );
}

function readOnly({ path, isInUse, busyMs }: { path: string; isInUse: boolean; busyMs: number }): DatabaseSync {
  const url = pathToFileURL(path);
  if (!isInUse) url.searchParams.set('immutable', '1');
  return new DatabaseSync(url, { readOnly: true, timeout: busyMs });
}

/** More pages than any file has: copied in one step a copy is of one instant, and never begun again for what is written meanwhile. */
const ALL_PAGES = 0x7fff_ffff;

/**
 * Copies a file that others may have open and write, page by page and without its write-ahead log, into one that is there and empty.
 * What is copied is on disk when it resolves.
 */
export async function copyDatabase({
  from,
  isInUse,
  to,
  busyMs,
}: {
  from: string;
  isInUse: boolean;
  to: string;
  busyMs: number;
}): Promise<void> {
  const source = translated(`open ${from}`, () => readOnly({ path: from, isInUse, busyMs }));
  try {
    await backup(source, to, { rate: ALL_PAGES });
  } catch (error) {
    throw ledgerErrorOf(error, `copy ${from} to ${to}`);
  } finally {
    source.close();
  }
}

function opened(path: string, database: DatabaseSync): Database {
  // Statements are written in the code, so there are as many as the code has.
  const prepared = new Map<string, Prepared>();
  const preparedOf = (sql: string): Prepared => {
    const known = prepared.get(sql);
    if (known !== undefined) return known;
    const made = {
      statement: database.prepare(sql.replaceAll(NAME, '?')),
      names: [...sql.matchAll(NAME)].map(([, name = '']) => name),
    };
    prepared.set(sql, made);
    return made;
  };
  const doing = `use ${path}`;
  return {
    rows: (sql, parameters = {}) =>
      translated(doing, () => {
        const { statement, names } = preparedOf(sql);
        return statement.all(...inOrder(names, parameters));
      }),
    row: (sql, parameters = {}) =>
      translated(doing, () => {
        const { statement, names } = preparedOf(sql);
        return statement.get(...inOrder(names, parameters));
      }),
    run: (sql, parameters = {}) =>
      translated(doing, () => {
        const { statement, names } = preparedOf(sql);
        return Number(statement.run(...inOrder(names, parameters)).changes);
      }),
    script: (sql) => translated(doing, () => database.exec(sql)),
    inTransaction: () => database.isTransaction,
    close: () => translated(`close ${path}`, () => database.close()),
    closeKeepingLog: () =>
      translated(`close ${path}`, () => {
        // Who closes last takes the log over, unless it may not write.
        const last = reader(path);
        try {
          database.close();
        } finally {
          last?.close();
        }
      }),
  };
}

/** Has the file open, for reading alone; null where it cannot be read. */
function reader(path: string): DatabaseSync | null {
  let read: DatabaseSync | null = null;
  try {
    read = new DatabaseSync(path, { readOnly: true });
    // Only then does SQLite open the log.
    read.prepare('SELECT count(*) FROM sqlite_schema').get();
    return read;
  } catch {
    read?.close();
    return null;
  }
}

function translated<T>(doing: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    throw ledgerErrorOf(error, doing);
  }
}
