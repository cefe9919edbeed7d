import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { startDs389 } from '../../src/sandbox/ds389.ts';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';
import { dn, simpleBind } from '../support/ldap-directory-under-test.ts';
import { record } from '../support/ldif-admin.ts';
import { ldapReader, readAll, readChanges, shownPicture } from '../support/read-directory.ts';

const SUFFIX = 'dc=second,dc=test';

suite('389 Directory Server with its entries in a database of another name, beside userroot', () => {
  let server: ThrowAwayDirectory;
  before(async () => {
    server = await startDs389({ usn: true });
    await server.modify(
      record('cn=second,cn=ldbm database,cn=plugins,cn=config', 'add', [
        ['objectClass', 'top'],
        ['objectClass', 'extensibleObject'],
        ['objectClass', 'nsBackendInstance'],
        ['cn', 'second'],
        ['nsslapd-suffix', SUFFIX],
      ]),
    );
    await server.modify(
      record(`cn="${SUFFIX}",cn=mapping tree,cn=config`, 'add', [
        ['objectClass', 'top'],
        ['objectClass', 'extensibleObject'],
        ['objectClass', 'nsMappingTree'],
        ['cn', SUFFIX],
        ['nsslapd-state', 'backend'],
        ['nsslapd-backend', 'second'],
      ]),
    );
    await server.modify(
      record(SUFFIX, 'add', [
        ['objectClass', 'domain'],
        ['dc', 'second'],
      ]),
    );
    await server.modify(
      record(`uid=ada,${SUFFIX}`, 'add', [
        ['objectClass', 'inetOrgPerson'],
        ['uid', 'ada'],
        ['cn', 'Ada'],
        ['sn', 'Ada'],
        ['mail', 'ada@example.test'],
      ]),
    );
  });
  before(async () => {
    // The first entry of a new database has a number beyond all others, until it is changed.
    await server.modify(
      record(SUFFIX, 'modify', [
        ['replace', 'description'],
        ['description', 'the second'],
      ]),
    );
    // So that the counts of the two differ.
    for (let number = 0; number < 20; number += 1)
      await server.modify(
        record(server.usersScope, 'modify', [
          ['replace', 'description'],
          ['description', `change ${number}`],
        ]),
      );
  });
  after(() => server.stop());

  test('there is no delta by the count of one database, and one by a count of all', async () => {
    const base = dn(SUFFIX);
    const reader = await ldapReader(server, {
      bind: simpleBind(server.adminDn, server.adminPassword),
      baseDn: base,
      usersScope: [base],
      groupsScope: [base],
    });
    const means = await reader.means(new AbortController().signal);
    assert.equal(means.name, null);
    assert.match(means.reason, /nsslapd-entryusn-global/);
    await server.modify(
      record('cn=config', 'modify', [
        ['replace', 'nsslapd-entryusn-global'],
        ['nsslapd-entryusn-global', 'on'],
      ]),
    );
    await server.kill('SIGTERM');
    await server.start();
    const first = await readAll(reader);
    await server.modify(
      record(`uid=ada,${SUFFIX}`, 'modify', [
        ['replace', 'mail'],
        ['mail', 'new@example.test'],
      ]),
    );
    const delta = await readChanges(reader, first);
    assert.ok('picture' in delta, JSON.stringify(delta));
    assert.deepEqual(shownPicture(delta.picture), shownPicture((await readAll(reader)).picture));
  });
});
