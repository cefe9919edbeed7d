import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EntryId } from '../../../src/access/ids.ts';
import { DirectoryError, type GroupAbove } from '../../../src/directory/directory.ts';
import type { LdapEntry } from '../../../src/directory/ldap/entry.ts';
import { ACTIVE_DIRECTORY } from '../../../src/directory/ldap/flavours/active-directory.ts';
import { protectorOf } from '../../../src/directory/ldap/nesting.ts';
import type { Place } from '../../../src/directory/ldap/place.ts';
import type { SearchRequest, Session } from '../../../src/directory/ldap/session.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { dn } from '../../support/ldap-directory-under-test.ts';
import { groupDn } from '../../support/nesting-server.ts';

type Values = Readonly<Record<string, readonly Buffer[]>>;

/** S-1-5-21-1-2-3-1114, of no group that rules over a domain. */
const TOLD: Values = {
  objectsid: [Buffer.from('0105000000000005150000000100000002000000030000005a040000', 'hex')],
  grouptype: [Buffer.from('-2147483646')],
};

const entry = (name: string, id: number, values: Values): LdapEntry => ({
  dn: groupDn(name),
  attributes: new Map(Object.entries({ objectguid: [Buffer.alloc(16, id)], objectclass: [Buffer.from('group')], ...values })),
});

/** What protects a group that says itself that it is in another, whose entry shows this, and whose members nobody is shown. */
async function protectorAbove(above: Values) {
  const entries = [entry('g0', 1, { ...TOLD, memberof: [Buffer.from(groupDn('dns'))] }), entry('dns', 2, above)];
  const session = {
    search: async ({ base, scope }: SearchRequest) => ({
      entries: scope === 'sub' ? [] : entries.filter((one) => one.dn === base),
      isCut: false,
      references: [],
    }),
  } as unknown as Session;
  const landscape = { flavour: ACTIVE_DIRECTORY, baseDn: dn('dc=example,dc=test'), groupNameAttribute: 'cn' };
  const place = { session, landscape, onHybrid: () => undefined } as unknown as Place;
  const group = { id: '01010101-0101-0101-0101-010101010101' as EntryId, dn: groupDn('g0') };
  const isProtected = ({ builtIn }: GroupAbove): boolean => builtIn !== null;
  return protectorOf(
    place,
    { asked: { group, isProtected, mustBeTold: [], onlyByNature: true }, clock: fakeClock(), limitMs: 1000 },
    new AbortController().signal,
  );
}

test('whether a group is in one that rules over its Active Directory is unknown where that one does not show its objectSid', async () => {
  assert.equal(await protectorAbove(TOLD), null);
  await assert.rejects(
    protectorAbove({}),
    (error) => error instanceof DirectoryError && error.fault === 'refused' && error.message.includes('objectSid'),
  );
});
