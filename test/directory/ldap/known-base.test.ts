import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Dn } from '../../../src/access/dn.ts';
import type { EntryId } from '../../../src/access/ids.ts';
import type { EntryRef } from '../../../src/access/reference.ts';
import { DIRECTORY_SERVER_389 } from '../../../src/directory/ldap/flavours/389ds.ts';
import { type Flavour } from '../../../src/directory/ldap/flavours/flavour.ts';
import { GENERIC } from '../../../src/directory/ldap/flavours/generic.ts';
import { sightGone } from '../../../src/directory/ldap/gone.ts';
import { knownBase } from '../../../src/directory/ldap/known-base.ts';
import type { Place } from '../../../src/directory/ldap/place.ts';
import type { SearchRequest } from '../../../src/directory/ldap/session.ts';
import { capturedLog } from '../../support/captured-log.ts';

const BASE = 'dc=example,dc=test' as Dn;
const GROUP: EntryRef = { id: id('9'), dn: `cn=vpn,${BASE}` as Dn };

function id(digit: string): EntryId {
  return `${digit.repeat(8)}-0000-4000-8000-000000000000` as EntryId;
}

/** A directory of which only the base can be seen, by the id that each attribute has for it. */
function place(flavour: Flavour, ids: Readonly<Record<string, EntryId>>, groupsScope: readonly Dn[] = [BASE]): Place {
  const assertion = (attribute: string) => flavour.id.assertion(ids[attribute] as EntryId);
  const search = async ({ base, scope, filter, attributes }: SearchRequest) => {
    const attribute = flavour.id.attribute;
    const isFound = scope === 'base' ? base === BASE : filter.kind === 'equality' && filter.value === assertion(attribute);
    const values = attributes.map((name): [string, Uint8Array[]] => [
      name.toLowerCase(),
      name === attribute ? [Buffer.from(String(assertion(attribute)))] : [],
    ]);
    return { entries: isFound ? [{ dn: BASE, attributes: new Map(values) }] : [], isCut: false, references: [] };
  };
  const landscape = { flavour, baseDn: BASE, namingContexts: [BASE], usersScope: [BASE], groupsScope };
  return { session: { search, account: null }, landscape } as unknown as Place;
}

/** As the ledger keeps it while grants are open. */
function kept() {
  let known: EntryRef | null = null;
  const log = capturedLog();
  const base = knownBase({ keep: async (found) => (known ??= found), logger: log.logger });
  const sighting = async (at: Place, entry: EntryRef = GROUP) => {
    await base.learnt(at);
    return sightGone({ ...at, isKnown: () => base.isStill(at) }, { entry, witness: null }, AbortSignal.timeout(1000));
  };
  return { sighting, log };
}

suite('an entry that nobody recorded vouches for', () => {
  test('is gone where the base still has the id by which it is known', async () => {
    const { sighting } = kept();
    const here = place(GENERIC, { entryUUID: id('1') });
    assert.equal(await sighting(here), 'gone');
    assert.equal(await sighting(place(GENERIC, { entryUUID: id('1') })), 'gone');
  });

  for (const [what, there] of [
    ['another directory answers', place(GENERIC, { entryUUID: id('2') })],
    ['ids are read from another attribute', place(DIRECTORY_SERVER_389, { nsUniqueId: id('2') })],
  ] as const)
    test(`is not proved gone where ${what}, and that is said once`, async () => {
      const { sighting, log } = kept();
      assert.equal(await sighting(place(GENERIC, { entryUUID: id('1') })), 'gone');
      assert.equal(await sighting(there), 'unproven');
      assert.equal(await sighting(there), 'unproven');
      assert.equal(log.lines.filter(({ event }) => event === 'directory.other-directory').length, 1);
    });

  test('is not proved gone where a scope that it was in cannot be seen: the account may have lost the right to', async () => {
    const { sighting } = kept();
    const hidden = `ou=groups,${BASE}` as Dn;
    const group = { id: GROUP.id, dn: `cn=vpn,${hidden}` as Dn };
    assert.equal(await sighting(place(GENERIC, { entryUUID: id('1') }, [hidden]), group), 'unproven');
    assert.equal(await sighting(place(GENERIC, { entryUUID: id('1') }, [hidden])), 'gone');
  });
});
