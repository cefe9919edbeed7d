import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type System, startSystem } from '../support/system.ts';
import { answer, byHand, groupEntry, idOf } from '../support/told.ts';

const BEFORE_START = ['by-name', 'by-dn', 'by-id', 'renamed', 'open'];

suite('protected groups', () => {
  let s: System;
  let healthUrl: string;
  const answered = async (uid: string, group: Readonly<Record<string, string>>) =>
    answer(s, (await s.grant({ user: { username: uid }, group, durationSeconds: 3600 })).jobId);
  const hasNobodyNew = async (cn: string) => assert.deepEqual(await s.ldap.members(s.group(cn)), [s.person('rosa')]);
  const rename = (cn: string, to: string) =>
    s.ldap.modify(`dn: ${s.group(cn)}\nchangetype: modrdn\nnewrdn: cn=${to}\ndeleteoldrdn: 1\n`);
  const create = (cn: string) => s.ldap.modify(groupEntry(cn).replace('\n', '\nchangetype: add\n'));
  const readiness = async () => {
    const response = await fetch(`${healthUrl}/readyz`);
    const { policy } = (await response.json()) as { policy: { ready: boolean; protectedGroupsMissing: string[] } };
    return { status: response.status, policy };
  };
  const start = async (protectedGroups: string) => {
    const connector = await s.startConnector({ env: { LATCHKEY_PROTECTED_GROUPS: protectedGroups } });
    const line = await connector.line((text) => text.includes('"connector.started"'));
    ({ healthUrl } = JSON.parse(line) as { healthUrl: string });
    return connector;
  };

  before(async () => {
    s = await startSystem({ ldap: { people: 20, ldif: BEFORE_START.map((cn) => groupEntry(cn)).join('') } });
    await s.startStub();
    const id = await idOf(s, s.group('by-id'));
    await start(['by-name', s.group('by-dn').toUpperCase(), id, 'renamed'].join(';'));
  });
  after(() => s[Symbol.asyncDispose]());

  test('a group protected by name, dn or id is refused however it is asked for; another is not', async () => {
    for (const cn of ['by-name', 'by-dn', 'by-id']) {
      for (const group of [{ name: cn }, { name: cn.toUpperCase() }, { dn: s.group(cn) }, { id: await idOf(s, s.group(cn)) }])
        assert.equal(await answered('u0001', group), 'group_protected', JSON.stringify(group));
      await hasNobodyNew(cn);
    }
    assert.equal(await answered('u0001', { name: 'open' }), 'granted');
  });

  test('a member of a protected group gets no grant for what is standing there', async () => {
    assert.equal(await answered('rosa', { name: 'by-name' }), 'group_protected');
  });

  test('a protected group that is renamed stays protected, and so does its name for whoever takes it', async () => {
    await rename('renamed', 'harmless');
    assert.equal(await answered('u0002', { name: 'harmless' }), 'group_protected');
    assert.equal(await answered('u0002', { id: await idOf(s, s.group('harmless')) }), 'group_protected');
    await hasNobodyNew('harmless');
    await create('renamed');
    assert.equal(await answered('u0002', { name: 'renamed' }), 'group_protected');
    await hasNobodyNew('renamed');
  });

  test('a group protected by dn or by id that is renamed stays protected', async () => {
    for (const cn of ['by-dn', 'by-id']) {
      await rename(cn, `${cn}-renamed`);
      assert.equal(await answered('u0003', { name: `${cn}-renamed` }), 'group_protected');
      await hasNobodyNew(`${cn}-renamed`);
    }
  });

  test('a group outside the groups scope can be protected too, and everything that is found is ready', async () => {
    assert.deepEqual((await readiness()).policy, { ready: true, protectedGroupsMissing: [], pausedSince: null });
    assert.equal(await s.stopConnector(), 0);
    await start(`by-name;cn=facilities,ou=other-groups,${s.ldap.baseDn}`);
    assert.equal(await answered('u0004', { name: 'by-name' }), 'group_protected');
    assert.deepEqual(await readiness(), { status: 200, policy: { ready: true, protectedGroupsMissing: [], pausedSince: null } });
  });

  test('one that means no group is an error in the log and in readiness, and its name is refused to whoever takes it', async () => {
    assert.equal(await s.stopConnector(), 0);
    const connector = await start('by-name;no-such-group');
    const line = await connector.line((text) => text.includes('"policy.protected-group-missing"'));
    const logged = JSON.parse(line) as { level: string; msg: string };
    assert.equal(logged.level, 'error');
    assert.ok(logged.msg.includes('no-such-group'));
    assert.equal(await answered('u0005', { name: 'open' }), 'granted');
    assert.deepEqual(await readiness(), {
      status: 503,
      policy: { ready: false, protectedGroupsMissing: ['no-such-group'], pausedSince: null },
    });
    assert.equal(await answered('u0005', { name: 'no-such-group' }), 'group_not_found');
    await create('no-such-group');
    assert.equal(await answered('u0005', { name: 'no-such-group' }), 'group_protected');
    await hasNobodyNew('no-such-group');
    assert.deepEqual((await readiness()).policy, { ready: true, protectedGroupsMissing: [], pausedSince: null });
    assert.equal(await answered('u0006', { name: 'by-name' }), 'group_protected');
  });

  test('a group nested in a protected one is refused, and grants of one that becomes so end at the next sync, told once', async () => {
    assert.equal(await s.stopConnector(), 0);
    for (const cn of ['inner', 'outer']) await create(cn);
    await start('by-name');
    await byHand(s, { group: s.group('outer'), add: s.group('inner') });
    const { grantId } = await s.grant({ user: { username: 'u0007' }, group: { name: 'inner' }, durationSeconds: 3600 });
    await s.event((one) => one.kind === 'job.succeeded' && one.grant?.grantId === grantId);
    await byHand(s, { group: s.group('by-name'), add: s.group('outer') });
    assert.equal(await answered('u0008', { name: 'inner' }), 'group_protected');
    for (const mode of ['delta', 'full']) await s.outcome((await s.job({ kind: 'sync', mode })).jobId);
    const shown = await s.api<{ name: string; protected: boolean }[]>('/groups');
    for (const cn of ['inner', 'outer', 'by-name']) assert.equal(shown.find(({ name }) => name === cn)?.protected, true, cn);
    const { cause, membership } = await s.endOf(grantId);
    assert.deepEqual([cause, membership], ['policy', 'removed']);
    await hasNobodyNew('inner');
    const trips = (await s.events()).flatMap(({ event }) => (event.kind === 'policy.tripped' ? [event] : []));
    assert.equal(trips.length, 1);
    assert.equal(trips[0]?.rule, 'protected_group');
    const way = `"${s.group('inner')}" in "${s.group('outer')}" in "${s.group('by-name')}"`;
    assert.ok(trips[0].detail.includes(way), trips[0].detail);
  });

  test('no rule of the protocol was broken on the way', async () => {
    assert.deepEqual(await s.violations(), []);
  });
});
