import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { formatEntry } from '../../src/sandbox/ldif.ts';
import { type System, startSystem } from '../support/system.ts';
import { answer, byHand, grantOf, groupEntry, told } from '../support/told.ts';

const PEOPLE = 'ou=people,dc=example,dc=test';
const ROSA = `uid=rosa,${PEOPLE}`;
const NOBODY = 'cn=nobody,dc=example,dc=test';

/** Group classes that must have one member (RFC 4519 §3.5, §3.6). */
const DEMANDING = [
  { objectClass: 'groupOfNames', attribute: 'member' },
  { objectClass: 'groupOfUniqueNames', attribute: 'uniqueMember' },
] as const;

const ldif = [
  ...DEMANDING.flatMap(({ objectClass }) =>
    ['life', 'last', 'other', 'named', 'restart'].map((name) => groupEntry(`${objectClass}-${name}`, { objectClass })),
  ),
  groupEntry('posix-life', { objectClass: 'posixGroup', members: [] }),
  groupEntry('posix-last', { objectClass: 'posixGroup', members: [] }),
  formatEntry(`uid=several,${PEOPLE}`, [
    ['objectClass', 'inetOrgPerson'],
    ['uid', 'several'],
    ['uid', 'another-name'],
    ['cn', 'Several Names'],
    ['sn', 'Names'],
  ]),
  formatEntry(`cn=No Uid In Name,${PEOPLE}`, [
    ['objectClass', 'inetOrgPerson'],
    ['uid', 'name-one'],
    ['uid', 'name-two'],
    ['cn', 'No Uid In Name'],
    ['sn', 'Names'],
  ]),
  formatEntry(`cn=Without Uid,${PEOPLE}`, [
    ['objectClass', 'inetOrgPerson'],
    ['cn', 'Without Uid'],
    ['sn', 'Uid'],
    ['mail', 'without@example.test'],
  ]),
  formatEntry(`cn=Unal,${PEOPLE}`, [
    ['objectClass', 'inetOrgPerson'],
    ['cn', 'Unal'],
    ['sn', 'Unal'],
    ['uid', 'Ünal'],
    ['mail', 'unal@example.test'],
  ]),
].join('');

suite('member attributes', () => {
  let s: System;
  const ask = (user: Readonly<Record<string, string>>, group: string, durationSeconds = 3600) =>
    s.grant({ user, group: { name: group }, durationSeconds });
  const granted = async (uid: string, group: string, durationSeconds?: number) => {
    const asked = await ask({ username: uid }, group, durationSeconds);
    assert.equal(await answer(s, asked.jobId), 'granted');
    return asked.grantId;
  };
  const revoked = async (grantId: string) => answer(s, (await s.revoke(grantId)).jobId);
  const members = async (group: string) => (await s.ldap.members(s.group(group))).toSorted();

  before(async () => {
    s = await startSystem({ ldap: { people: 30, ldif } });
    await s.startStub();
    await s.startConnector();
  });
  after(() => s[Symbol.asyncDispose]());

  for (const [group, value] of [
    ['groupOfNames-life', (uid: string) => s.person(uid)],
    ['groupOfUniqueNames-life', (uid: string) => s.person(uid)],
    ['posix-life', (uid: string) => uid],
  ] as const)
    test(`${group}: a grant puts exactly one value in, and expiry and revoke take exactly that one out`, async () => {
      const earlier = await members(group);
      const one = await granted('u0001', group, 2);
      const two = await granted('u0002', group);
      assert.deepEqual(await members(group), [...earlier, value('u0001'), value('u0002')].toSorted());
      const ended = await s.endOf(one);
      assert.deepEqual([ended.cause, ended.membership], ['expired', 'removed']);
      assert.deepEqual(await members(group), [...earlier, value('u0002')].toSorted());
      assert.equal(await revoked(two), 'revoked');
      assert.deepEqual(await members(group), earlier);
    });

  for (const { objectClass, attribute } of DEMANDING) {
    test(`${objectClass}: the last member leaves for a placeholder, which leaves when a member comes`, async () => {
      const name = `${objectClass}-last`;
      const group = s.group(name);
      const only = await granted('u0003', name);
      await byHand(s, { group, attribute, delete: ROSA });
      assert.deepEqual(await members(name), [s.person('u0003')]);
      assert.equal(await revoked(only), 'revoked');
      assert.deepEqual(await members(name), ['']);
      assert.deepEqual(await told(s, only), ['succeeded granted', 'ended revoked removed', 'succeeded revoked']);
      const next = await granted('u0004', name, 2);
      assert.deepEqual(await members(name), [s.person('u0004')]);
      const second = await granted('u0005', name, 2);
      assert.deepEqual(await members(name), [s.person('u0004'), s.person('u0005')]);
      await s.endOf(next);
      await s.endOf(second);
      assert.deepEqual(await members(name), ['']);
    });

    test(`${objectClass}: a placeholder that somebody else put there stays`, async () => {
      const name = `${objectClass}-other`;
      await byHand(s, { group: s.group(name), attribute, add: '' });
      await byHand(s, { group: s.group(name), attribute, delete: ROSA });
      const grantId = await granted('u0006', name);
      assert.deepEqual(await members(name), ['', s.person('u0006')]);
      assert.equal(await revoked(grantId), 'revoked');
      assert.deepEqual(await members(name), ['']);
    });

    test(`${objectClass}: a placeholder that somebody took away is forgotten, and one of theirs later stays`, async () => {
      const name = `${objectClass}-restart`;
      const group = s.group(name);
      const first = await granted('u0007', name);
      await byHand(s, { group, attribute, delete: ROSA });
      assert.equal(await revoked(first), 'revoked');
      await byHand(s, { group, attribute, add: ROSA });
      await byHand(s, { group, attribute, delete: '' });
      const second = await granted('u0008', name);
      assert.deepEqual(await members(name), [ROSA, s.person('u0008')].toSorted());
      await byHand(s, { group, attribute, add: '' });
      const third = await granted('u0009', name);
      assert.ok((await members(name)).includes(''));
      assert.equal(await revoked(second), 'revoked');
      assert.equal(await revoked(third), 'revoked');
      assert.deepEqual(await members(name), ['', ROSA]);
    });
  }

  test('a posixGroup needs no member, and gets no placeholder', async () => {
    const grantId = await granted('u0010', 'posix-last');
    assert.deepEqual(await members('posix-last'), ['u0010']);
    assert.equal(await revoked(grantId), 'revoked');
    assert.deepEqual(await members('posix-last'), []);
  });

  test('standing access by memberUid is found and kept', async () => {
    await byHand(s, { group: s.group('posix-last'), attribute: 'memberUid', add: 'u0011' });
    const asked = await ask({ username: 'u0011' }, 'posix-last');
    assert.equal(await answer(s, asked.jobId), 'already_standing');
    assert.equal(await revoked(asked.grantId), 'kept_standing');
    assert.deepEqual(await members('posix-last'), ['u0011']);
  });

  test('memberUid: a user with several uids is known by the one in the name, else ambiguous; a dn does without', async () => {
    const named = await ask({ username: 'another-name' }, 'posix-life');
    assert.equal(await answer(s, named.jobId), 'granted');
    assert.ok((await members('posix-life')).includes('several'));
    assert.ok(!(await members('posix-life')).includes('another-name'));
    assert.equal(await revoked(named.grantId), 'revoked');
    const ambiguous = await s.outcome((await ask({ username: 'name-one' }, 'posix-life')).jobId);
    assert.ok(ambiguous.kind === 'job.failed');
    assert.equal(ambiguous.error.code, 'user_ambiguous');
    assert.match(ambiguous.error.message, /\b2\b/);
    const byName = await ask({ username: 'name-one' }, 'groupOfNames-life');
    assert.equal(await answer(s, byName.jobId), 'granted');
    assert.deepEqual(await members('posix-life'), []);
  });

  test('memberUid: a user without a uid, or with one that memberUid cannot hold, is refused', async () => {
    for (const email of ['without@example.test', 'unal@example.test']) {
      const { jobId } = await ask({ email }, 'posix-life');
      assert.equal(await answer(s, jobId), 'policy_denied', email);
    }
    assert.deepEqual(await members('posix-life'), []);
  });

  test('memberUid: the value that was written is taken out, also when the user is renamed to one that memberUid cannot hold', async () => {
    for (const [uid, to] of [
      ['u0014', 'renamed'],
      ['u0015', 'Ünal'],
    ] as const) {
      const grantId = await granted(uid, 'posix-life');
      assert.deepEqual(await members('posix-life'), [uid]);
      await s.ldap.modify(`dn: ${s.person(uid)}\nchangetype: modrdn\nnewrdn: uid=${to}\ndeleteoldrdn: 1\n`);
      assert.equal(await revoked(grantId), 'revoked', to);
      assert.deepEqual(await members('posix-life'), []);
    }
  });

  test('LDAP_PLACEHOLDER_MEMBER stands in, and leaves when a member comes, also after it was configured away', async () => {
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector({ env: { LDAP_PLACEHOLDER_MEMBER: NOBODY } });
    for (const { objectClass, attribute } of DEMANDING) {
      const name = `${objectClass}-named`;
      const grantId = await granted('u0012', name);
      await byHand(s, { group: s.group(name), attribute, delete: ROSA });
      assert.equal(await revoked(grantId), 'revoked');
      assert.deepEqual(await members(name), [NOBODY]);
    }
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector();
    for (const { objectClass } of DEMANDING) {
      const name = `${objectClass}-named`;
      const asked = await ask({ username: 'u0013' }, name);
      assert.equal(await answer(s, asked.jobId), 'granted');
      assert.equal((await grantOf(s, asked.jobId)).standing, false);
      assert.deepEqual(await members(name), [s.person('u0013')]);
      assert.equal(await revoked(asked.grantId), 'revoked');
      assert.deepEqual(await members(name), ['']);
    }
  });

  test('no rule of the protocol was broken on the way', async () => {
    assert.deepEqual(await s.violations(), []);
  });
});
