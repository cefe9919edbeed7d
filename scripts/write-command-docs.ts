/** Writes every file that is made of the table of commands (src/cli/commands.ts). A test fails while one of them is another. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { commandDocs } from './command-docs.ts';

for (const [path, text] of commandDocs()) {
  const target = join(import.meta.dirname, '..', path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text);
}
