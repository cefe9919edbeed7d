import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ACTIVE_DIRECTORY } from '../../../src/directory/ldap/flavours/active-directory.ts';
import { OPENLDAP } from '../../../src/directory/ldap/flavours/openldap.ts';
import { memberStyle } from '../../../src/directory/ldap/member-style.ts';
import { schemaOf } from '../../../src/directory/ldap/schema.ts';

const SCHEMA = schemaOf([
  "( 2.5.6.9 NAME 'groupOfNames' DESC 'RFC2256: a group of names (DNs)' SUP top STRUCTURAL MUST ( member $ cn ) MAY ( businessCategory $ seeAlso ) )",
  "( 1.3.6.1.1.1.2.2 NAME 'posixGroup' SUP top AUXILIARY MUST gidNumber MAY ( userPassword $ memberUid $ description ) )",
  "( 1.1.1 NAME ( 'companyTeam' 'team' ) DESC 'it''s MAY ( member ) here' SUP groupOfNames STRUCTURAL MAY owner X-ORIGIN 'user defined' )",
  "( 1.1.2 NAME 'companyThing' SUP ( top $ companyLoop ) MAY description )",
  "( 1.1.3 NAME 'companyLoop' SUP companyThing AUXILIARY MAY uniqueMember )",
  "( 1.3.6.1.4.1.1466.101.120.111 NAME 'extensibleObject' SUP top AUXILIARY MAY ( member $ memberUid $ uniqueMember ) )",
  '( broken',
]);

const unread = () => assert.fail('the schema is not needed for classes that are known');
const style = (classes: readonly string[], schema = async () => SCHEMA) => memberStyle(OPENLDAP, classes, schema);

suite('where a group holds its members', () => {
  for (const { classes, used } of [
    { classes: ['top', 'groupOfNames'], used: 'member' },
    { classes: ['top', 'GROUPOFUNIQUENAMES'], used: 'uniqueMember' },
    { classes: ['posixGroup'], used: 'memberUid' },
    { classes: ['groupOfMembers'], used: 'member' },
  ] as const) {
    test(`follows from ${classes.join(' and ')}, without a look at the schema`, async () => {
      assert.deepEqual(await style(classes, unread), { used, allowed: [used] });
    });
  }

  test('is member wherever several are allowed', async () => {
    assert.deepEqual(await style(['top', 'posixGroup', 'groupOfNames'], unread), {
      used: 'member',
      allowed: ['member', 'memberUid'],
    });
    assert.deepEqual(await style(['groupOfUniqueNames', 'posixGroup'], unread), {
      used: 'uniqueMember',
      allowed: ['uniqueMember', 'memberUid'],
    });
  });

  test('follows from the schema for a class that is not known, with what it inherits, by any of its names', async () => {
    for (const name of ['companyTeam', 'TEAM', '1.1.1']) assert.equal((await style(['top', name])).used, 'member', name);
    assert.deepEqual(await style(['posixGroup', 'companyTeam']), { used: 'member', allowed: ['member', 'memberUid'] });
  });

  test('is found in classes that refer to one another', async () => {
    assert.equal((await style(['companyThing'])).used, 'uniqueMember');
  });

  test('is not told by extensibleObject, which allows everything to anything', async () => {
    assert.deepEqual(await style(['posixGroup', 'extensibleObject']), { used: 'memberUid', allowed: ['memberUid'] });
  });

  test('is unknown where neither the classes nor the schema say', async () => {
    assert.deepEqual(await style(['top', 'device']), { used: null, allowed: [] });
    assert.deepEqual(await style(['companyTeam'], async () => schemaOf([])), { used: null, allowed: [] });
  });

  test('is member on Active Directory', async () => {
    assert.deepEqual(await memberStyle(ACTIVE_DIRECTORY, ['top', 'group'], unread), { used: 'member', allowed: ['member'] });
  });
});
