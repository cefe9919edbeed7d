import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Dn } from '../../../../src/access/dn.ts';
import type { LdapEntry } from '../../../../src/directory/ldap/entry.ts';
import { DIRECTORY_SERVER_389 } from '../../../../src/directory/ldap/flavours/389ds.ts';
import { ACTIVE_DIRECTORY } from '../../../../src/directory/ldap/flavours/active-directory.ts';
import type { RootDse } from '../../../../src/directory/ldap/flavours/flavour.ts';
import { flavourOf } from '../../../../src/directory/ldap/flavours/flavour-of.ts';
import { FLAVOUR_NAMES } from '../../../../src/directory/ldap/flavours/names.ts';
import { OPENLDAP } from '../../../../src/directory/ldap/flavours/openldap.ts';

const SILENT: RootDse = {
  objectClasses: ['top'],
  vendorName: undefined,
  vendorVersion: undefined,
  namingContexts: [],
  defaultNamingContext: undefined,
  supportedCapabilities: [],
  serviceName: undefined,
  subschemaSubentry: undefined,
};

/** An entry as a server gives it. */
function entry(attributes: Readonly<Record<string, readonly (string | Uint8Array)[]>>): LdapEntry {
  return {
    dn: 'cn=it,dc=example,dc=test' as Dn,
    attributes: new Map(
      Object.entries(attributes).map(([name, values]) => [name.toLowerCase(), values.map((value) => Buffer.from(value))]),
    ),
  };
}

/** A SID in its binary form: `S-1-5-…`. */
function sid(...parts: readonly number[]): Buffer {
  const words = Buffer.alloc(4 * parts.length);
  for (const [i, part] of parts.entries()) words.writeUInt32LE(part, 4 * i);
  return Buffer.concat([Buffer.from([1, parts.length, 0, 0, 0, 0, 0, 5]), words]);
}

const DOMAIN = [21, 1549987153, 583904192, 3278710050];

suite('the flavour of a server', () => {
  for (const { says, name } of [
    { says: { objectClasses: ['top', 'OpenLDAProotDSE'] }, name: 'openldap' },
    { says: { vendorName: '389 Project' }, name: '389ds' },
    { says: { vendorName: 'Red Hat, Inc.' }, name: '389ds' },
    { says: { supportedCapabilities: ['1.2.840.113556.1.4.800'] }, name: 'active-directory' },
    {
      says: { vendorName: 'Samba Team (https://www.samba.org)', supportedCapabilities: ['1.2.840.113556.1.4.800'] },
      name: 'active-directory',
    },
    { says: { vendorName: 'ForgeRock AS.' }, name: 'generic' },
    { says: {}, name: 'generic' },
  ]) {
    test(`is ${name} where its root DSE says ${JSON.stringify(says)}`, () => {
      assert.equal(flavourOf({ ...SILENT, ...says }, null).name, name);
    });
  }

  test('is the configured one whatever the root DSE says', () => {
    for (const name of FLAVOUR_NAMES) assert.equal(flavourOf({ ...SILENT, vendorName: '389 Project' }, name).name, name);
  });
});

suite('a user is granted nothing', () => {
  const control = (value: number) => ({
    userAccountControl: [String(value)],
    objectSid: [sid(...DOMAIN, 1105)],
    primaryGroupID: ['513'],
  });

  test('while disabled: userAccountControl, nsAccountLock, and the lock of an administrator in ppolicy', () => {
    assert.match(ACTIVE_DIRECTORY.user.facts(entry(control(0x202))).refusal ?? '', /disabled/);
    assert.match(DIRECTORY_SERVER_389.user.facts(entry({ nsAccountLock: ['TRUE'] })).refusal ?? '', /disabled/);
    assert.match(OPENLDAP.user.facts(entry({ pwdAccountLockedTime: ['000001010000Z'] })).refusal ?? '', /disabled/);
  });

  test('but not for a lock that passes by itself, nor for none', () => {
    assert.equal(ACTIVE_DIRECTORY.user.facts(entry(control(0x200))).refusal, null);
    assert.equal(DIRECTORY_SERVER_389.user.facts(entry({ nsAccountLock: ['false'] })).refusal, null);
    assert.equal(OPENLDAP.user.facts(entry({ pwdAccountLockedTime: ['20260101120000Z'] })).refusal, null);
    assert.equal(OPENLDAP.user.facts(entry({})).refusal, null);
  });

  test('if it only stands for somebody of another domain', () => {
    const facts = ACTIVE_DIRECTORY.user.facts(entry({ objectClass: ['top', 'foreignSecurityPrincipal'] }));
    assert.match(facts.refusal ?? '', /another domain/);
  });
});

suite('a group of Active Directory', () => {
  const group = (rid: number, more: Readonly<Record<string, readonly string[]>> = {}) =>
    ACTIVE_DIRECTORY.group.facts(entry({ objectSid: [sid(...DOMAIN, rid)], groupType: ['-2147483646'], ...more }));

  test('is granted in every scope and of both types', () => {
    for (const groupType of ['2', '4', '8', '-2147483646', '-2147483644', '-2147483640'])
      assert.deepEqual([group(1200, { groupType: [groupType] }).refusal, group(1200).builtIn], [null, null], groupType);
  });

  test('is never granted where its members follow from rules', () => {
    for (const groupType of [0x10, 0x20, 0x80000000 + 0x12 - 0x100000000])
      assert.match(group(1200, { groupType: [String(groupType)] }).refusal ?? '', /basic or query group/);
  });

  test('that rules over the domain is known by the number of its SID, whatever it is called', () => {
    for (const [rid, name] of [
      [512, 'Domain Admins'],
      [516, 'Domain Controllers'],
      [518, 'Schema Admins'],
      [519, 'Enterprise Admins'],
      [520, 'Group Policy Creator Owners'],
      [526, 'Key Admins'],
      [527, 'Enterprise Key Admins'],
    ] as const)
      assert.equal(group(rid, { sAMAccountName: ['renamed'] }).builtIn, name);
    assert.equal(group(1105, { sAMAccountName: ['DnsAdmins'] }).builtIn, 'DnsAdmins');
    for (const rid of [513, 514, 515, 1000, 5120]) assert.equal(group(rid).builtIn, null, String(rid));
  });

  test('of the built-in domain is known by its number there', () => {
    for (const [rid, name] of [
      [544, 'Administrators'],
      [548, 'Account Operators'],
      [549, 'Server Operators'],
      [550, 'Print Operators'],
      [551, 'Backup Operators'],
    ] as const)
      assert.equal(ACTIVE_DIRECTORY.group.facts(entry({ objectSid: [sid(32, rid)], groupType: ['-2147483643'] })).builtIn, name);
    assert.equal(ACTIVE_DIRECTORY.group.facts(entry({ objectSid: [sid(32, 545)], groupType: ['-2147483643'] })).builtIn, null);
    assert.equal(group(544).builtIn, null);
  });

  test('whose SID or type cannot be read is refused: it may be any of these', () => {
    assert.match(ACTIVE_DIRECTORY.group.facts(entry({ groupType: ['2'] })).refusal ?? '', /cannot be read/);
    assert.match(ACTIVE_DIRECTORY.group.facts(entry({ objectSid: [sid(...DOMAIN, 1200)] })).refusal ?? '', /cannot be read/);
  });

  test('is the primary group of a user of its own domain by number', () => {
    const user = (domain: readonly number[]) =>
      ACTIVE_DIRECTORY.user.facts(entry({ objectSid: [sid(...domain, 1105)], primaryGroupID: ['513'] })).primaryGroup;
    assert.equal(user(DOMAIN), group(513).primaryName);
    assert.notEqual(user([21, 1, 2, 3]), group(513).primaryName);
    assert.notEqual(user(DOMAIN), group(514).primaryName);
    assert.equal(ACTIVE_DIRECTORY.user.facts(entry({ primaryGroupID: ['513'] })).primaryGroup, null);
  });
});

test('a group whose members follow from a search is refused by the RFCs’ servers too', () => {
  for (const objectClass of ['groupOfURLs', 'nsFilteredRoleDefinition'])
    for (const { group } of [OPENLDAP, DIRECTORY_SERVER_389])
      assert.match(group.facts(entry({ objectClass: ['top', objectClass, 'groupOfNames'] })).refusal ?? '', /dynamic group/);
  assert.equal(OPENLDAP.group.facts(entry({ objectClass: ['top', 'groupOfNames'] })).refusal, null);
});
