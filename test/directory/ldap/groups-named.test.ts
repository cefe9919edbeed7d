import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Filter } from '../../../src/access/filter.ts';
import { OPENLDAP } from '../../../src/directory/ldap/flavours/openldap.ts';
import { groupsNamed } from '../../../src/directory/ldap/locate.ts';
import type { Place } from '../../../src/directory/ldap/place.ts';
import { schemaOf } from '../../../src/directory/ldap/schema.ts';
import type { SearchRequest, Session } from '../../../src/directory/ldap/session.ts';
import { dn } from '../../support/ldap-directory-under-test.ts';

const BASE = 'dc=example,dc=test';
const never = new AbortController().signal;
const idOf = (at: number): string => `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`;

/** Of each entry its name and its classes; `shown: false` where the account may not read the classes. */
const ENTRIES = [
  { dn: `ou=groups,${BASE}`, classes: ['organizationalUnit'] },
  { dn: `uid=ada,ou=people,${BASE}`, classes: ['inetOrgPerson', 'person'] },
  { dn: `cn=admins,ou=groups,${BASE}`, classes: ['groupOfNames'] },
  { dn: `cn=searched,ou=groups,${BASE}`, classes: ['groupOfURLs'] },
  { dn: `cn=own,ou=groups,${BASE}`, classes: ['companyTeam'] },
  { dn: `cn=closed,ou=groups,${BASE}`, classes: ['organizationalUnit'], shown: false },
];

function matches({ classes, at }: { classes: readonly string[]; at: number }, filter: Filter): boolean {
  if (filter.kind === 'or') return filter.filters.some((one) => matches({ classes, at }, one));
  if (filter.kind === 'present') return true;
  if (filter.kind !== 'equality') throw new Error(`no ${filter.kind} is asked for`);
  return filter.attribute === 'objectClass' ? classes.includes(String(filter.value)) : filter.value === idOf(at);
}

const session = {
  async search({ base, scope, filter }: SearchRequest) {
    const entries = ENTRIES.flatMap(({ dn: name, classes, shown }, at) => {
      if ((scope === 'base' && name !== base) || !matches({ classes, at }, filter)) return [];
      const values = { entryuuid: [idOf(at)], objectclass: shown === false ? [] : classes };
      const attributes = Object.entries(values).map(([key, texts]) => [key, texts.map((text) => Buffer.from(text))] as const);
      return [{ dn: dn(name), attributes: new Map(attributes) }];
    });
    return { entries, isCut: false, references: [] };
  },
} as unknown as Session;
const schema = async () => schemaOf(["( 1.2.3.4 NAME 'companyTeam' SUP top STRUCTURAL MAY ( member $ cn ) )"]);
const landscape = { flavour: OPENLDAP, baseDn: dn(BASE), groupNameAttribute: 'cn', schema };
const place = { session, landscape, onHybrid: () => undefined } as unknown as Place;

for (const [at, { dn: name, classes }] of ENTRIES.entries()) {
  const isGroup = !name.startsWith('ou=') && !name.startsWith('uid=');
  test(`${name} (${classes.join(', ')}) means ${isGroup ? 'a' : 'no'} group, by its name and by its id`, async () => {
    for (const text of [name, idOf(at)]) {
      const found = await groupsNamed(place, text, never);
      assert.deepEqual(
        found.map(({ id }) => id),
        isGroup ? [idOf(at)] : [],
      );
    }
  });
}
