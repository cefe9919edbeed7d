import { bytePairRules } from '../support/byte-pair-rules.ts';

/** What has a meaning in a name or a filter, or is not what it seems in UTF-8, and a few that are nothing of that. */
const TELLING = new Set([...Buffer.from(' "#()*+,;<=>\\\0\t\n\ra0', 'latin1'), 0x7f, 0x80, 0xbf, 0xc2, 0xed, 0xff]);

bytePairRules(
  'pairs of telling bytes, and some of the others',
  (first, second) => (TELLING.has(first) && TELLING.has(second)) || (first * 256 + second) % 61 === 0,
);
