/** Writes every file that is made of the schemas of the wire protocol (src/protocol/). A test fails while one of them is another. */

import { protocolDocs } from './protocol-docs.ts';
import { writeDocs } from './write-docs.ts';

writeDocs(protocolDocs());
