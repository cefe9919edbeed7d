/** Writes every file that is made of the tables of variables (src/config/variables/). A test fails while one of them is another. */

import { configDocs } from './config-docs.ts';
import { writeDocs } from './write-docs.ts';

writeDocs(configDocs());
