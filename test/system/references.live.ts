import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { formatEntry } from '../../src/sandbox/ldif.ts';
import { type System, startSystem } from '../support/system.ts';
import { answer, grantOf, groupEntry, idOf, told } from '../support/told.ts';

const PEOPLE = 'ou=people,dc=example,dc=test';
const GROUPS = 'ou=groups,dc=example,dc=test';

/** People whose names need every kind of escape, by the RDN that slapd is given (RFC 4514 §2.4). */
const AWKWARD = [
  { rdn: String.raw`cn=Comma\, Plus \+ Co`, cn: 'Comma, Plus + Co', uid: 'awk1' },
  { rdn: String.raw`cn=\ leading blank`, cn: ' leading blank', uid: 'awk2' },
  { rdn: String.raw`cn=trailing blank\ `, cn: 'trailing blank ', uid: 'awk3' },
  { rdn: String.raw`cn=\#hash`, cn: '#hash', uid: 'awk4' },
  { rdn: String.raw`cn=\"quoted\" \<angle\>\; back\\slash`, cn: '"quoted" <angle>; back\\slash', uid: 'awk5' },
  { rdn: String.raw`cn=paren(theses)*star`, cn: 'paren(theses)*star', uid: 'awk6' },
  { rdn: 'cn=Zażółć 田中 👩‍🚒 é', cn: 'Zażółć 田中 👩‍🚒 é', uid: 'awk7' },
  { rdn: 'cn=Two+uid=awk8', cn: 'Two', uid: 'awk8' },
  { rdn: String.raw`uid=a\,w(k)*9\\`, cn: 'Nine', uid: String.raw`a,w(k)*9\ `.trim() },
  { rdn: 'cn=equals=sign', cn: 'equals=sign', uid: 'awk10' },
] as const;

const ldif = [
  ...AWKWARD.map(({ rdn, cn, uid }) =>
    formatEntry(`${rdn},${PEOPLE}`, [
      ['objectClass', 'inetOrgPerson'],
      ['cn', cn],
      ['sn', 'Awkward'],
      ['uid', uid],
      ['mail', `${uid.replaceAll(/[^a-z0-9]/g, '')}@example.test`],
    ]),
  ),
  formatEntry(`ou=staff,${PEOPLE}`, [
    ['objectClass', 'organizationalUnit'],
    ['ou', 'staff'],
  ]),
  formatEntry(`uid=deep,ou=staff,${PEOPLE}`, [
    ['objectClass', 'inetOrgPerson'],
    ['uid', 'deep'],
    ['cn', 'Deep'],
    ['sn', 'Deep'],
    ['mail', 'deep@example.test'],
    ['description', 'second-address@example.test'],
  ]),
  formatEntry(`ou=more,${GROUPS}`, [
    ['objectClass', 'organizationalUnit'],
    ['ou', 'more'],
  ]),
  groupEntry('twin'),
  groupEntry('twin', { beneath: `ou=more,${GROUPS}` }),
  groupEntry('Zespół \u{1F468}'),
  groupEntry('names', {}),
  groupEntry('unique', { objectClass: 'groupOfUniqueNames' }),
  groupEntry('posix', { objectClass: 'posixGroup', members: [] }),
].join('');

suite('references', () => {
  let s: System;
  const VPN = { name: 'vpn-users' };
  const ask = async (user: Readonly<Record<string, string>>, group: Readonly<Record<string, string>> = VPN) =>
    s.grant({ user, group, durationSeconds: 3600 });
  const answered = async (user: Readonly<Record<string, string>>, group: Readonly<Record<string, string>> = VPN) =>
    answer(s, (await ask(user, group)).jobId);
  const errorOf = async (user: Readonly<Record<string, string>>, group: Readonly<Record<string, string>> = VPN) => {
    const result = await s.outcome((await ask(user, group)).jobId);
    assert.ok(result.kind === 'job.failed', JSON.stringify(result));
    return result.error;
  };

  before(async () => {
    s = await startSystem({ ldap: { people: 30, ldif } });
    await s.startStub();
    await s.startConnector();
  });
  after(() => s[Symbol.asyncDispose]());

  test('a user is found by dn, id, any of the e-mail addresses and username, and a group by dn, id and name', async () => {
    const dana = { id: await idOf(s, s.person('dana')), dn: s.person('dana') };
    const engineering = { id: await idOf(s, s.group('engineering')), dn: s.group('engineering') };
    const users = [
      { dn: dana.dn },
      { dn: 'UID=Dana , OU=People,DC=example,dc=TEST' },
      { id: dana.id },
      { email: 'dana@example.test' },
      { email: 'Dana.Levi@Example.Test' },
      { username: 'dana' },
      { username: 'DANA' },
    ];
    const groups = [{ dn: engineering.dn }, { dn: `CN=Engineering, ${GROUPS}` }, { id: engineering.id }, { name: 'engineering' }];
    for (const [user, group] of [
      ...users.map((one) => [one, { name: 'engineering' }] as const),
      ...groups.map((one) => [{ username: 'dana' }, one] as const),
    ]) {
      const { grantId, jobId } = await ask(user, group);
      const view = await grantOf(s, jobId);
      assert.deepEqual({ user: view.user, group: view.group }, { user: dana, group: engineering }, JSON.stringify([user, group]));
      assert.ok((await s.ldap.members(engineering.dn)).includes(dana.dn));
      assert.equal(await answer(s, (await s.revoke(grantId)).jobId), 'revoked');
      assert.ok(!(await s.ldap.members(engineering.dn)).includes(dana.dn));
    }
  });

  test('what names several entries is ambiguous, with how many; each of them can be named by id', async () => {
    const shared = await errorOf({ email: 'shared@example.test' });
    assert.equal(shared.code, 'user_ambiguous');
    assert.match(shared.message, /\b2\b/);
    const twin = await errorOf({ username: 'u0001' }, { name: 'twin' });
    assert.equal(twin.code, 'group_ambiguous');
    assert.match(twin.message, /\b2\b/);
    const sam = await idOf(s, s.person('sam'));
    assert.equal(await answered({ id: sam }, { dn: `cn=twin,ou=more,${GROUPS}` }), 'granted');
    assert.ok((await s.ldap.members(`cn=twin,ou=more,${GROUPS}`)).includes(s.person('sam')));
    assert.deepEqual(await s.ldap.members(`cn=twin,${GROUPS}`), [s.person('rosa')]);
  });

  test('a dn beyond the scope is out_of_scope, whether there is such an entry or not', async () => {
    for (const user of [
      'uid=xavier,ou=contractors,dc=example,dc=test',
      'uid=nobody,ou=contractors,dc=example,dc=test',
      s.group('engineering'),
      `uid=u0001,ou=people,dc=example,dc=test,dc=com`,
      'uid=u0001,xou=people,dc=example,dc=test',
    ])
      assert.equal(await answered({ dn: user }), 'out_of_scope', user);
    for (const group of [
      'cn=facilities,ou=other-groups,dc=example,dc=test',
      'cn=nothing,ou=other-groups,dc=example,dc=test',
      s.person('u0001'),
    ])
      assert.equal(await answered({ username: 'u0001' }, { dn: group }), 'out_of_scope', group);
  });

  test('an id, an e-mail address, a username or a name beyond the scope is not found, as if nothing were there', async () => {
    const xavier = await idOf(s, 'uid=xavier,ou=contractors,dc=example,dc=test');
    const facilities = await idOf(s, 'cn=facilities,ou=other-groups,dc=example,dc=test');
    const beyond = [{ id: xavier }, { email: 'xavier@example.test' }, { username: 'xavier' }];
    const nothing = [{ id: randomUUID() }, { email: 'yavier@example.test' }, { username: 'yavier' }];
    for (const [i, user] of beyond.entries()) {
      const there = await errorOf(user);
      const absent = await errorOf(nothing[i] ?? {});
      assert.equal(there.code, 'user_not_found');
      const said = Object.values(user)[0] ?? '';
      assert.equal(there.message.replace(said, ''), absent.message.replace(Object.values(nothing[i] ?? {})[0] ?? '', ''));
    }
    for (const group of [{ id: facilities }, { name: 'facilities' }, { id: randomUUID() }])
      assert.equal(await answered({ username: 'u0001' }, group), 'group_not_found');
  });

  test('a dn within the scope that is no user, or no group, or nothing, is not found', async () => {
    for (const dn of [`ou=staff,${PEOPLE}`, `uid=nobody,${PEOPLE}`, `uid=nobody,ou=nowhere,${PEOPLE}`])
      assert.equal(await answered({ dn }), 'user_not_found', dn);
    for (const dn of [`ou=more,${GROUPS}`, `cn=nothing,${GROUPS}`])
      assert.equal(await answered({ username: 'u0001' }, { dn }), 'group_not_found', dn);
  });

  test('what looks like a filter is a value, and matches nobody', async () => {
    const earlier = await s.ldap.members(s.group('vpn-users'));
    for (const text of [
      '*',
      'u00*',
      'u0001)(uid=*',
      '*)(objectClass=*',
      String.raw`\2a`,
      String.raw`u0001\00`,
      'u0001\u0000',
      '(|(uid=*))',
      '&',
    ])
      assert.equal(await answered({ username: text }), 'user_not_found', text);
    for (const text of ['*@example.test', 'u0001@example.test)(mail=*', '*)(uid=u0001'])
      assert.equal(await answered({ email: text }), 'user_not_found', text);
    for (const text of ['*', 'vpn*', 'vpn-users)(cn=*', String.raw`vpn\2dusers`])
      assert.equal(await answered({ username: 'u0001' }, { name: text }), 'group_not_found', text);
    assert.deepEqual(await s.ldap.members(s.group('vpn-users')), earlier);
  });

  for (const cn of ['names', 'unique', 'posix'])
    test(`people with awkward names are put into and taken out of ${cn}, and nobody else is touched`, async () => {
      const group = s.group(cn);
      const earlier = await s.ldap.members(group);
      for (const { rdn, uid } of AWKWARD) {
        const [person] = await s.ldap.search({
          base: `${rdn},${PEOPLE}`,
          scope: 'base',
          filter: '(objectClass=*)',
          attributes: ['1.1'],
        });
        const value = cn === 'posix' ? uid : (person?.dn ?? 'nobody');
        for (const user of [{ dn: `${rdn},${PEOPLE}` }, { username: uid }]) {
          const { grantId, jobId } = await ask(user, { name: cn });
          assert.equal(await answer(s, jobId), 'granted', rdn);
          assert.deepEqual((await s.ldap.members(group)).toSorted(), [...earlier, value].toSorted(), rdn);
          assert.equal(await answer(s, (await s.revoke(grantId)).jobId), 'revoked', rdn);
          assert.deepEqual(await s.ldap.members(group), earlier, rdn);
        }
      }
    });

  test('a group whose name is not ASCII is found by name and by dn', async () => {
    const cn = 'Zespół \u{1F468}';
    const one = await ask({ username: 'u0002' }, { name: cn });
    assert.equal(await answer(s, one.jobId), 'granted');
    assert.equal(await answered({ username: 'u0003' }, { dn: s.group(cn) }), 'granted');
    const members = await s.ldap.members(s.group(cn));
    assert.ok(members.includes(s.person('u0002')) && members.includes(s.person('u0003')));
    assert.deepEqual(await told(s, one.grantId), ['succeeded granted']);
  });

  test('LDAP_USER_FILTER, LDAP_GROUP_FILTER and LDAP_USER_EMAIL_ATTRIBUTE decide who and what is found', async () => {
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector({
      env: {
        LDAP_USER_FILTER: '(!(title=Front Desk))',
        LDAP_GROUP_FILTER: '(!(cn=deploy))',
        LDAP_USER_EMAIL_ATTRIBUTE: 'description',
      },
    });
    assert.equal(await answered({ username: 'rosa' }), 'user_not_found');
    assert.equal(await answered({ dn: s.person('rosa') }), 'user_not_found');
    assert.equal(await answered({ id: await idOf(s, s.person('rosa')) }), 'user_not_found');
    assert.equal(await answered({ username: 'u0004' }, { name: 'deploy' }), 'group_not_found');
    assert.equal(await answered({ username: 'u0004' }, { dn: s.group('deploy') }), 'group_not_found');
    assert.equal(await answered({ email: 'deep@example.test' }), 'user_not_found');
    const { jobId } = await ask({ email: 'second-address@example.test' });
    assert.equal((await grantOf(s, jobId)).user?.dn, `uid=deep,ou=staff,${PEOPLE}`);
    assert.equal(await answered({ username: 'u0005' }, { name: 'on-call' }), 'granted');
  });

  test('several scopes are one: what is beneath any of them is granted, and nothing else', async () => {
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector({
      env: {
        LDAP_USERS_SCOPE: `ou=staff,${PEOPLE};ou=contractors,dc=example,dc=test`,
        LDAP_GROUPS_SCOPE: `ou=more,${GROUPS}`,
      },
    });
    const twin = { name: 'twin' };
    assert.equal(await answered({ username: 'deep' }, twin), 'granted');
    assert.ok((await s.ldap.members(`cn=twin,ou=more,${GROUPS}`)).includes(`uid=deep,ou=staff,${PEOPLE}`));
    assert.equal(await answered({ username: 'u0006' }, twin), 'user_not_found');
    assert.equal(await answered({ dn: s.person('u0006') }, twin), 'out_of_scope');
    assert.equal(await answered({ username: 'deep' }, { dn: s.group('twin') }), 'out_of_scope');
    assert.equal(await answered({ username: 'deep' }, VPN), 'group_not_found');
  });

  test('no rule of the protocol was broken on the way', async () => {
    assert.deepEqual(await s.violations(), []);
  });
});
