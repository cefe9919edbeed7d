import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { instant } from '../../src/access/instant.ts';
import type { Directory } from '../../src/directory/directory.ts';
import { openLdapDirectory } from '../../src/directory/ldap/open-ldap-directory.ts';
import { startDs389 } from '../../src/sandbox/ds389.ts';
import { formatEntry } from '../../src/sandbox/ldif.ts';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';
import { dn, ldapDirectoryOptions, memoryLogger, untilState } from '../support/ldap-directory-under-test.ts';
import { record } from '../support/ldif-admin.ts';

const signal = new AbortController().signal;

suite('entries of 389 Directory Server that other directories do not have', () => {
  let server: ThrowAwayDirectory;
  let directory: Directory;
  const { logger, lines } = memoryLogger();
  const used: string[] = [];
  before(async () => {
    server = await startDs389();
    directory = openLdapDirectory(
      await ldapDirectoryOptions(server, {
        logger,
        keepServer: async (one) => {
          used.push(one);
          return instant(0);
        },
      }),
    );
    directory.start();
    await untilState(directory, 'up');
  });
  after(async () => {
    await directory.close();
    await server.stop();
  });

  const add = (name: string, entryLines: readonly (readonly [string, string])[]) =>
    server.modify(formatEntry(name, [['changetype', 'add'], ...entryLines]));
  const group = async (name: string, by = directory) => {
    const found = await by.findGroup({ by: 'dn', dn: dn(name) }, null, signal);
    assert.ok(found.kind === 'found', found.kind);
    return found.entry;
  };

  test('the server is known by its root DSE', () => {
    const status = directory.status();
    assert.ok(status.state === 'up');
    assert.deepEqual([status.view.flavour, status.view.vendor], ['389ds', '389 Project']);
  });

  test('it is told from others of its name by the name that it gives itself', () => {
    assert.equal(used.length, 1);
    assert.match(used[0] ?? '', /^127\.0\.0\.1:\d+ cn=ldap:\/\/dc=localhost:\d+$/);
  });

  test('a user that was imported offline, and has no entryUUID, is known by its nsUniqueId', async () => {
    const name = server.personDn('chen');
    const search = { base: name, scope: 'base', filter: '(objectClass=*)', attributes: ['nsUniqueId', 'entryUUID'] } as const;
    const [entry] = await server.search(search);
    assert.equal(entry?.attributes.get('entryuuid'), undefined);
    const found = await directory.findUser({ by: 'dn', dn: dn(name) }, null, signal);
    assert.ok(found.kind === 'found');
    assert.equal(found.entry.id.replaceAll('-', ''), entry?.attributes.get('nsuniqueid')?.[0]?.replaceAll('-', ''));
    assert.equal((await directory.locateUser(found.entry.id, signal))?.dn, found.entry.dn);
  });

  test('a locked user is refused until it is unlocked', async () => {
    const name = dn(server.personDn('sam'));
    const refusal = async () => {
      const found = await directory.findUser({ by: 'dn', dn: name }, null, signal);
      return found.kind === 'found' ? found.entry.refusal : found.kind;
    };
    assert.equal(await refusal(), null);
    await server.modify(
      record(name, 'modify', [
        ['add', 'nsAccountLock'],
        ['nsAccountLock', 'true'],
      ]),
    );
    assert.match((await refusal()) ?? '', /disabled/);
    await server.modify(record(name, 'modify', [['delete', 'nsAccountLock']]));
    assert.equal(await refusal(), null);
  });

  test('of a group that could hold names and user names, names win, and one line says so; it can be forced', async () => {
    const name = `cn=hybrid,${server.groupsScope}`;
    await add(name, [
      ['objectClass', 'groupOfNames'],
      ['objectClass', 'posixGroup'],
      ['cn', 'hybrid'],
      ['gidNumber', '30900'],
    ]);
    const told = () => lines.filter(({ fields }) => fields['event'] === 'directory.hybrid-group').length;
    const toldBefore = told();
    assert.equal((await group(name)).memberAttribute, 'member');
    assert.equal((await group(name)).memberAttribute, 'member');
    assert.equal(told(), toldBefore + 1);
    const forced = openLdapDirectory(await ldapDirectoryOptions(server, { memberAttribute: 'memberUid' }));
    forced.start();
    try {
      await untilState(forced, 'up');
      assert.equal((await group(name, forced)).memberAttribute, 'memberUid');
    } finally {
      await forced.close();
    }
  });

  test('a dynamic group and a role are found, and refused', async () => {
    const dynamic = `cn=dynamic,${server.groupsScope}`;
    await add(dynamic, [
      ['objectClass', 'groupOfURLs'],
      ['cn', 'dynamic'],
      ['memberURL', `ldap:///${server.usersScope}??sub?(title=*)`],
    ]);
    const role = `cn=role,${server.groupsScope}`;
    await add(role, [
      ['objectClass', 'LDAPsubentry'],
      ['objectClass', 'nsRoleDefinition'],
      ['objectClass', 'nsComplexRoleDefinition'],
      ['objectClass', 'nsFilteredRoleDefinition'],
      ['cn', 'role'],
      ['nsRoleFilter', '(title=*)'],
    ]);
    for (const name of [dynamic, role]) assert.match((await group(name)).refusal ?? '', /dynamic group/, name);
  });
});
