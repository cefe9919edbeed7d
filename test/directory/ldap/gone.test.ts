import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Dn } from '../../../src/access/dn.ts';
import { type Filter, formatFilter } from '../../../src/access/filter.ts';
import type { EntryId } from '../../../src/access/ids.ts';
import { uuidText } from '../../../src/directory/ldap/flavours/stable-id.ts';
import { sightGone } from '../../../src/directory/ldap/gone.ts';
import type { Place } from '../../../src/directory/ldap/place.ts';

const BASE = 'dc=example,dc=test' as Dn;
const ZONES = `dc=zones,${BASE}` as Dn;
const KNOWN = '00000000-0000-4000-8000-000000000001';
const MISSING = { id: '00000000-0000-4000-8000-000000000002' as EntryId, dn: `cn=ada,${BASE}` as Dn };

/** A server with two naming contexts. The one who is missed is nowhere but `there`, where that is said. */
function server({ references, there }: { references: readonly string[]; there?: Dn }): Place {
  const known = { dn: BASE, attributes: new Map([['entryuuid', [Buffer.from(KNOWN)]]]) };
  const session = {
    account: null,
    search: async ({ base, scope, filter }: { base: string; scope: string; filter: Filter }) => {
      const isMissed = formatFilter(filter).includes(MISSING.id);
      const isThere = isMissed ? base === there : base === BASE;
      return { entries: isThere ? [known] : [], isCut: false, references: scope === 'sub' && base === BASE ? references : [] };
    },
  };
  const landscape = {
    baseDn: BASE,
    namingContexts: [BASE, ZONES],
    usersScope: [BASE],
    groupsScope: [BASE],
    flavour: { id: uuidText('entryUUID') },
  };
  return { session, landscape } as unknown as Place;
}

describe('an id that is not found under the base is', () => {
  for (const { where, references, there, sighting } of [
    { where: 'gone where the whole base was searched', references: [], sighting: 'gone' },
    { where: 'gone where it is in no part of this server either', references: [`ldap://here/${ZONES}`], sighting: 'gone' },
    { where: 'found in a part of this server', references: [`ldap://here/${ZONES}`], there: ZONES, sighting: 'found' },
    {
      where: 'not proved gone where another server has a part',
      references: [`ldap://there/dc=far,${BASE}`],
      sighting: 'unproven',
    },
    { where: 'not proved gone where a reference cannot be read', references: ['no address'], sighting: 'unproven' },
  ] as const) {
    test(where, async () => {
      const place = server({ references, ...(there === undefined ? {} : { there }) });
      assert.equal(await sightGone(place, { entry: MISSING, witness: null }, new AbortController().signal), sighting);
    });
  }
});
