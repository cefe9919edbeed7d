import assert from 'node:assert/strict';
import { likelyAnswer, readSpoilt, spoilt } from '../reader-fuzz.ts';
import { chance } from './chance.ts';
import { plainEntries } from './plain-ldap.ts';
import { type FuzzTarget, inFamilies } from './target.ts';

/** Answers to the searches of a sync: read to their end, and with the entries that stand there, or refused. */
export function ldapReader(): FuzzTarget {
  return inFamilies({
    whole: likelyAnswer,
    one(random, whole) {
      const { often, below } = chance(random);
      const bytes = often(0.03) ? Buffer.from(Array.from({ length: below(200) }, () => below(256))) : spoilt(whole, random);
      const read = readSpoilt(bytes, random);
      if (read.outcome === 'read') assert.deepEqual(read.entries, plainEntries(bytes, read.id).entries, bytes.toString('hex'));
      return read.outcome;
    },
    outcomes: ['read', 'refused', 'cut'],
  });
}
