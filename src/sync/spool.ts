import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Texts that have to wait, in order: in memory while they are few, then in a file that has no name. */
export interface Spool {
  /** One line; it holds no line break. */
  add(line: string): void;
  /** Every line, once; nothing is added after that. */
  lines(): Generator<string>;
  close(): void;
}

/** Kept in memory, in characters: a delta of some thousand entries touches no disk. */
const IN_MEMORY = 1_048_576;
const READ_BYTES = 65_536;

export function spool(folder: string, name: string): Spool {
  let waiting: string[] = [];
  let size = 0;
  let file: number | null = null;

  function write(): void {
    file ??= openNameless(join(folder, name));
    writeSync(file, `${waiting.join('\n')}\n`);
    waiting = [];
    size = 0;
  }

  function* fromFile(descriptor: number): Generator<string> {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    let rest: Buffer[] = [];
    let position = 0;
    for (;;) {
      const length = readSync(descriptor, buffer, 0, READ_BYTES, position);
      if (length === 0) return;
      position += length;
      let from = 0;
      for (let end = buffer.indexOf(10); end !== -1 && end < length; end = buffer.indexOf(10, from)) {
        rest.push(buffer.subarray(from, end));
        yield Buffer.concat(rest).toString('utf8');
        rest = [];
        from = end + 1;
      }
      // A copy, since the buffer is used again.
      rest.push(Buffer.from(buffer.subarray(from, length)));
    }
  }

  return {
    add(line) {
      waiting.push(line);
      size += line.length;
      if (size > IN_MEMORY) write();
    },
    *lines() {
      if (file !== null) yield* fromFile(file);
      yield* waiting;
    },
    close() {
      waiting = [];
      if (file !== null) closeSync(file);
      file = null;
    },
  };
}

/** Its name is gone as soon as it is open, so that nothing is left behind by a crash. */
function openNameless(path: string): number {
  rmSync(path, { force: true });
  const descriptor = openSync(path, 'wx+', 0o600);
  rmSync(path, { force: true });
  return descriptor;
}
