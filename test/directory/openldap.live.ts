import assert from 'node:assert/strict';
import { test } from 'node:test';
import { and, equality, not } from '../../src/access/filter.ts';
import { openLdapDirectory } from '../../src/directory/ldap/open-ldap-directory.ts';
import { startOpenLdap } from '../../src/sandbox/openldap.ts';
import { startOpenLdapReplica } from '../../src/sandbox/openldap-replica.ts';
import { RFC_DIFFERENCES } from '../support/directory-contract/world.ts';
import { directoryContract } from '../support/directory-contract.ts';
import { directoryWorld } from '../support/directory-world.ts';
import { dn, ldapDirectoryOptions, untilState } from '../support/ldap-directory-under-test.ts';
import { openLdapAdmin, replicatedAdmin } from '../support/openldap-admin.ts';

for (const { transport, memberof } of [
  { transport: 'ldaps', memberof: false },
  { transport: 'StartTLS', memberof: true },
] as const) {
  directoryContract(`OpenLDAP over ${transport}${memberof ? ', with memberof and refint' : ''}`, {
    differences: { ...RFC_DIFFERENCES, hasReferentialIntegrity: memberof },
    open: async () => await directoryWorld(await startOpenLdap({ memberof }), { admin: openLdapAdmin, transport }),
  });
}

directoryContract('a read-only replica of OpenLDAP, by syncrepl', {
  differences: { ...RFC_DIFFERENCES, isReadOnly: true },
  async open() {
    const provider = await startOpenLdap({ replicated: true });
    const replica = await startOpenLdapReplica(provider);
    const world = await directoryWorld(replica, {
      admin: () =>
        replicatedAdmin({ provider: openLdapAdmin(provider), replica: openLdapAdmin(replica), caughtUp: replica.caughtUp }),
      transport: 'ldaps',
    });
    return {
      ...world,
      async close() {
        await world.close();
        await provider.stop();
      },
    };
  },
});

test('a configured filter narrows what a reference may name, and a recorded user that it leaves out is out of scope', async () => {
  await using server = await startOpenLdap();
  const userFilter = not(equality('title', 'Front Desk'));
  const groupFilter = and(not(equality('cn', 'domain-admins')));
  const directory = openLdapDirectory(await ldapDirectoryOptions(server, { userFilter, groupFilter }));
  const signal = new AbortController().signal;
  directory.start();
  await untilState(directory, 'up');
  try {
    const id = await openLdapAdmin(server).idOf(dn(`uid=rosa,${server.usersScope}`));
    const own = { id, dn: dn(`uid=rosa,${server.usersScope}`) };
    for (const ref of [
      { by: 'dn', dn: own.dn },
      { by: 'id', id },
      { by: 'username', username: 'rosa' },
    ] as const) {
      assert.deepEqual(await directory.findUser(ref, null, signal), { kind: 'not_found' });
      const found = await directory.findUser(ref, own, signal);
      assert.deepEqual(found.kind === 'found' && [found.entry.id, found.entry.inScope], [id, false]);
    }
    assert.equal((await directory.locateUser(id, signal))?.inScope, false);
    assert.equal((await directory.findGroup({ by: 'name', name: 'domain-admins' }, null, signal)).kind, 'not_found');
    assert.equal((await directory.groupsNamed('domain-admins', signal)).length, 1);
  } finally {
    await directory.close();
  }
});

test('a reference that very many users match is ambiguous, and not counted to the end', async () => {
  const entries = Array.from(
    { length: 30 },
    (_, index) =>
      `dn: uid=twin${index},ou=people,dc=example,dc=test\nobjectClass: inetOrgPerson\nuid: twin${index}\ncn: twin\nsn: twin\nmail: twins@example.test\n\n`,
  );
  await using server = await startOpenLdap({ ldif: entries.join('') });
  const directory = openLdapDirectory(await ldapDirectoryOptions(server));
  const signal = new AbortController().signal;
  directory.start();
  await untilState(directory, 'up');
  try {
    const found = await directory.findUser({ by: 'email', email: 'twins@example.test' }, null, signal);
    assert.deepEqual(found, { kind: 'ambiguous', count: 10 });
  } finally {
    await directory.close();
  }
});
