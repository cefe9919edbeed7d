/** Writes every file that is made of the table of commands (src/cli/commands.ts). A test fails while one of them is another. */

import { commandDocs } from './command-docs.ts';
import { writeDocs } from './write-docs.ts';

writeDocs(commandDocs());
