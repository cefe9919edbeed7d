import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import { type Directory, isPrimaryGroup } from '../../src/directory/directory.ts';
import { openLdapDirectory } from '../../src/directory/ldap/open-ldap-directory.ts';
import { formatEntry } from '../../src/sandbox/ldif.ts';
import { type SambaAd, startSambaAd } from '../../src/sandbox/samba-ad.ts';
import { dn, ldapDirectoryOptions, untilState } from '../support/ldap-directory-under-test.ts';
import { record } from '../support/ldif-admin.ts';
import { ldapReader, readAll } from '../support/read-directory.ts';
import { sambaAdAdmin } from '../support/samba-ad-admin.ts';

const signal = new AbortController().signal;

suite('entries of Active Directory that other directories do not have', () => {
  let server: SambaAd;
  let directory: Directory;
  before(async () => {
    server = await startSambaAd();
    const scopes = [dn(server.baseDn)];
    directory = openLdapDirectory(await ldapDirectoryOptions(server, { usersScope: scopes, groupsScope: scopes }));
    directory.start();
    await untilState(directory, 'up');
  });
  after(async () => {
    await directory.close();
    await server.stop();
  });

  const add = (name: string, lines: readonly (readonly [string, string])[]) =>
    server.modify(formatEntry(name, [['changetype', 'add'], ...lines]));
  const user = async (name: string) => {
    const found = await directory.findUser({ by: 'dn', dn: dn(name) }, null, signal);
    assert.ok(found.kind === 'found', found.kind);
    return found.entry;
  };
  const group = async (name: string) => {
    const found = await directory.findGroup({ by: 'dn', dn: dn(name) }, null, signal);
    assert.ok(found.kind === 'found', found.kind);
    return found.entry;
  };
  const change = (of: Dn, { add: added = [], remove = [] }: { add?: readonly string[]; remove?: readonly string[] }) =>
    directory.change({ group: of, attribute: 'member', add: added, remove }, [...added, ...remove]);

  test('a sync is told which groups rule over the directory', async () => {
    const { picture } = await readAll(await ldapReader(server, { groupsScope: [dn(server.baseDn)] }));
    const ruling = [...picture.groups.values()].filter(({ builtIn }) => builtIn !== null).map(({ name }) => name);
    for (const name of ['Domain Admins', 'Administrators', 'Account Operators']) assert.ok(ruling.includes(name), name);
    for (const name of ['engineering', 'DnsUpdateProxy']) assert.ok(!ruling.includes(name), name);
  });

  test('the server is known by its root DSE, with its vendor', () => {
    const status = directory.status();
    assert.ok(status.state === 'up');
    assert.equal(status.view.flavour, 'active-directory');
    assert.match(status.view.vendor, /Samba/);
  });

  for (const [groupType, what] of [
    ['2', 'global distribution'],
    ['4', 'domain local distribution'],
    ['8', 'universal distribution'],
    ['-2147483646', 'global security'],
    ['-2147483644', 'domain local security'],
    ['-2147483640', 'universal security'],
  ] as const) {
    test(`a ${what} group takes a member and gives it back`, async () => {
      const name = `CN=type ${groupType},${server.groupsScope}`;
      await add(name, [
        ['objectClass', 'group'],
        ['sAMAccountName', `type${groupType}`],
        ['groupType', groupType],
      ]);
      const { dn: of, refusal, builtIn, memberAttribute, linksMembers } = await group(name);
      assert.deepEqual([refusal, builtIn, memberAttribute, linksMembers], [null, null, 'member', true]);
      const member = server.personDn('chen');
      assert.deepEqual((await change(of, { add: [member] })).presences, ['member']);
      assert.deepEqual((await change(of, { remove: [member] })).presences, ['absent']);
    });
  }

  test('the groups that rule over the domain are told by what they are', async () => {
    for (const [name, builtIn] of [
      [`CN=Domain Admins,CN=Users,${server.baseDn}`, 'Domain Admins'],
      [`CN=Enterprise Admins,CN=Users,${server.baseDn}`, 'Enterprise Admins'],
      [`CN=Schema Admins,CN=Users,${server.baseDn}`, 'Schema Admins'],
      [`CN=Group Policy Creator Owners,CN=Users,${server.baseDn}`, 'Group Policy Creator Owners'],
      [`CN=Administrators,CN=Builtin,${server.baseDn}`, 'Administrators'],
      [`CN=Account Operators,CN=Builtin,${server.baseDn}`, 'Account Operators'],
      [`CN=Backup Operators,CN=Builtin,${server.baseDn}`, 'Backup Operators'],
      [`CN=Domain Users,CN=Users,${server.baseDn}`, 'part of the system (isCriticalSystemObject is TRUE)'],
      [server.groupDn('on-call'), null],
    ] as const)
      assert.equal((await group(name)).builtIn, builtIn, name);
  });

  test('a group that was marked as privileged rules over the domain, until the mark is taken away', async () => {
    const name = `CN=marked,${server.groupsScope}`;
    await add(name, [
      ['objectClass', 'group'],
      ['sAMAccountName', 'marked'],
      ['adminCount', '1'],
    ]);
    assert.equal((await group(name)).builtIn, 'marked as privileged (adminCount is 1)');
    await server.modify(
      record(name, 'modify', [
        ['replace', 'adminCount'],
        ['adminCount', '0'],
      ]),
    );
    assert.equal((await group(name)).builtIn, null);
  });

  test('a group that is nested in one which rules over the domain is found to be, by the rule and across containers', async () => {
    const [inner, outer] = [`CN=inner,${server.groupsScope}`, `CN=outer,${server.groupsScope}`];
    const admins = `CN=Domain Admins,CN=Users,${server.baseDn}`;
    for (const [name, members] of [
      [inner, []],
      [outer, [inner]],
    ] as const)
      await add(name, [
        ['objectClass', 'group'],
        ['sAMAccountName', name.slice(3, 8)],
        ...members.map((member) => ['member', member] as const),
      ]);
    const above = async () =>
      await directory.protectorOf(
        { group: await group(inner), isProtected: ({ builtIn }) => builtIn === 'Domain Admins', mustBeTold: [] },
        signal,
      );
    assert.equal(await above(), null);
    await server.modify(
      record(admins, 'modify', [
        ['add', 'member'],
        ['member', outer],
      ]),
    );
    assert.deepEqual((await above())?.chain, [inner, outer, admins]);
    await server.modify(
      record(admins, 'modify', [
        ['delete', 'member'],
        ['member', outer],
      ]),
    );
    assert.equal(await above(), null);
  });

  test('a user is in its primary group by an attribute of its own, and no value says so', async () => {
    const chen = await user(server.personDn('chen'));
    const everybody = await group(`CN=Domain Users,CN=Users,${server.baseDn}`);
    assert.ok(isPrimaryGroup(chen, everybody));
    assert.ok(!isPrimaryGroup(chen, await group(server.groupDn('on-call'))));
    const asked = { group: everybody.dn, attribute: 'member', values: [chen.dn] } as const;
    assert.deepEqual(await directory.probe(asked, signal), ['absent']);
  });

  test('a disabled user is refused, and is none the less found to be taken out', async () => {
    const name = `CN=Left,${server.usersScope}`;
    await add(name, [
      ['objectClass', 'user'],
      ['sAMAccountName', 'left'],
      ['userAccountControl', String(0x200 + 0x20 + 0x2)],
    ]);
    const left = await user(name);
    assert.match(left.refusal ?? '', /disabled/);
    assert.equal((await directory.locateUser(left.id, signal))?.dn, left.dn);
  });

  test('neither a computer, nor a contact, nor a managed service account is a user', async () => {
    await add(`CN=box,${server.usersScope}`, [
      ['objectClass', 'computer'],
      ['sAMAccountName', 'box$'],
      ['userAccountControl', String(0x1000)],
    ]);
    await add(`CN=partner,${server.usersScope}`, [['objectClass', 'contact']]);
    for (const name of [`CN=box,${server.usersScope}`, `CN=partner,${server.usersScope}`])
      assert.deepEqual(await directory.findUser({ by: 'dn', dn: dn(name) }, null, signal), { kind: 'not_found' }, name);
    assert.deepEqual(await directory.findUser({ by: 'username', username: 'box$' }, null, signal), { kind: 'not_found' });
  });

  test('somebody of another domain is found, and refused', async () => {
    // Each new domain has these few, such as Authenticated Users.
    const name = `CN=S-1-5-11,CN=ForeignSecurityPrincipals,${server.baseDn}`;
    assert.match((await user(name)).refusal ?? '', /another domain/);
  });

  test('the same user in two spellings of one change is one member, and can be taken out', async () => {
    const of = dn(server.groupDn('deploy'));
    const member = server.personDn('jsmith');
    const spellings = [
      member,
      member.toUpperCase(),
      member.replace('\\,', '\\2C').replace('\\+', '\\2b'),
      member.replaceAll(',OU', ', OU'),
    ];
    const [added] = (await change(of, { add: spellings })).presences;
    assert.equal(added, 'member');
    assert.equal((await server.members(of)).filter((value) => value.startsWith('CN=Smith')).length, 1);
    const { result, presences } = await change(of, { remove: [member] });
    assert.deepEqual([result, ...presences], ['ok', 'absent']);
  });

  test('a moved user stays a member by its new name only, and 53 by the old one is not believed', async () => {
    const admin = sambaAdAdmin(server);
    const of = dn(server.groupDn('on-call'));
    const recorded = await user(server.personDn('dana'));
    const moved = dn(`CN=Dana Levi,OU=contractors,${server.baseDn}`);
    await admin.rename(recorded.dn, moved);
    const byOld = await change(of, { remove: [recorded.dn] });
    assert.deepEqual([byOld.result, byOld.ldap?.resultCode], ['refused', 53]);
    const now = await directory.locateUser(recorded.id, signal);
    assert.equal(now?.dn, moved);
    assert.deepEqual(await directory.probe({ group: of, attribute: 'member', values: [moved] }, signal), ['member']);
    assert.deepEqual((await change(of, { remove: [moved] })).presences, ['absent']);
  });

  test('a deleted user leaves its groups, and nobody goes by its name', async () => {
    const of = dn(server.groupDn('engineering'));
    const farid = await user(server.personDn('farid'));
    await server.modify(record(farid.dn, 'delete', []));
    assert.ok(!(await server.members(of)).includes(farid.dn));
    assert.equal(await directory.occupant('member', farid.dn, signal), null);
    assert.equal(await directory.sightGone({ entry: { id: farid.id, dn: farid.dn }, witness: null }, signal), 'gone');
  });

  test('a user is found by its logon name, or by what LDAP_USERNAME_ATTRIBUTE names', async () => {
    const byAccount = await directory.findUser({ by: 'username', username: 'CHEN' }, null, signal);
    assert.ok(byAccount.kind === 'found');
    const other = openLdapDirectory(await ldapDirectoryOptions(server, { usernameAttribute: 'userPrincipalName' }));
    other.start();
    try {
      await untilState(other, 'up');
      const found = await other.findUser({ by: 'username', username: 'chen@example.test' }, null, signal);
      assert.ok(found.kind === 'found');
      assert.equal(found.entry.id, byAccount.entry.id);
    } finally {
      await other.close();
    }
  });

  test('a group whose members are hidden shows nobody as absent', async () => {
    const admin = sambaAdAdmin(server);
    const of = dn(server.groupDn('audit-reviewers'));
    const values = [server.personDn('priya'), server.personDn('sam')];
    try {
      await admin.hideMembers(of);
      assert.deepEqual(await directory.probe({ group: of, attribute: 'member', values }, signal), ['unknown', 'unknown']);
    } finally {
      await admin.showAll();
    }
    assert.deepEqual(await directory.probe({ group: of, attribute: 'member', values }, signal), ['member', 'absent']);
  });

  test('of an empty group everybody is absent, and of one whose members are hidden nobody is', async () => {
    const admin = sambaAdAdmin(server);
    const name = dn(`CN=nobody yet,${server.groupsScope}`);
    await add(name, [
      ['objectClass', 'group'],
      ['sAMAccountName', 'nobodyyet'],
    ]);
    const asked = { group: name, attribute: 'member', values: [server.personDn('sam')] } as const;
    assert.deepEqual(await directory.probe(asked, signal), ['absent']);
    try {
      await admin.hideMembers(name);
      assert.deepEqual(await directory.probe(asked, signal), ['unknown']);
    } finally {
      await admin.showAll();
    }
  });
});
