/**
 * Records what goes over the wire between a connector and the stub on a real OpenLDAP, and keeps an example or two of each message
 * (docs/protocol/examples.json). Afterwards scripts/write-protocol-docs.ts puts them into the documents.
 */

import { recordTraffic } from '../test/support/protocol-traffic.ts';
import { EXAMPLES_PATH } from './protocol-docs.ts';
import { examplesIn } from './protocol-examples.ts';
import { writeDocs } from './write-docs.ts';

writeDocs(new Map([[EXAMPLES_PATH, `${JSON.stringify(examplesIn(await recordTraffic()), null, 1)}\n`]]));
