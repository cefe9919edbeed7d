import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Writes documents that are made of a table of the source, by their paths from the top of the project. */
export function writeDocs(docs: ReadonlyMap<string, string>): void {
  for (const [path, text] of docs) {
    const target = join(import.meta.dirname, '..', path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
}
