import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { formatEntry } from '../../src/sandbox/ldif.ts';
import { type System, startSystem } from '../support/system.ts';
import { answer, byHand, delayOf, grantOf, groupEntry, idOf, lastsSeconds, told } from '../support/told.ts';

const PEOPLE = 'ou=people,dc=example,dc=test';

const ldif = [
  ...['staff', 'alumni'].map((ou) =>
    formatEntry(`ou=${ou},${PEOPLE}`, [
      ['objectClass', 'organizationalUnit'],
      ['ou', ou],
    ]),
  ),
  ...['stella', 'steven', 'stuart'].map((uid) =>
    formatEntry(`uid=${uid},ou=staff,${PEOPLE}`, [
      ['objectClass', 'inetOrgPerson'],
      ['uid', uid],
      ['cn', uid],
      ['sn', uid],
      ['mail', `${uid}@example.test`],
    ]),
  ),
  groupEntry('later-protected'),
].join('');

suite('changing the end of an active grant', () => {
  let s: System;
  let vpn: string;
  const isMember = async (dn: string) => (await s.ldap.members(vpn)).includes(dn);
  const ask = (
    uid: string,
    durationSeconds: number,
    more: { grantId?: string; group?: string; user?: Readonly<Record<string, string>> } = {},
  ) =>
    s.grant({
      user: more.user ?? { username: uid },
      group: { name: more.group ?? 'vpn-users' },
      durationSeconds,
      ...(more.grantId === undefined ? {} : { grantId: more.grantId }),
    });
  const granted = async (uid: string, durationSeconds: number, group = 'vpn-users') => {
    const asked = await ask(uid, durationSeconds, { group });
    assert.equal(await answer(s, asked.jobId), 'granted');
    return { ...asked, view: await grantOf(s, asked.jobId) };
  };
  const errorOf = async (jobId: string) => {
    const result = await s.outcome(jobId);
    assert.ok(result.kind === 'job.failed', JSON.stringify(result));
    return result.error;
  };
  const move = (dn: string, uid: string, to: string) =>
    s.ldap.modify(`dn: ${dn}\nchangetype: modrdn\nnewrdn: uid=${uid}\ndeleteoldrdn: 0\nnewsuperior: ${to}\n`);

  before(async () => {
    s = await startSystem({ ldap: { people: 30, ldif }, env: { LATCHKEY_MAX_GRANT: '10m' } });
    vpn = s.group('vpn-users');
    await s.startStub();
    await s.startConnector();
  });
  after(() => s[Symbol.asyncDispose]());

  test('durationSeconds counts from the first activation, and an end from the clock; neither moves the activation', async () => {
    const { grantId, view } = await granted('u0001', 60);
    const longer = await ask('u0001', 120, { grantId });
    assert.equal(await answer(s, longer.jobId), 'updated');
    assert.equal((await grantOf(s, longer.jobId)).activatedAt, view.activatedAt);
    assert.equal(lastsSeconds(await grantOf(s, longer.jobId)), 120);
    const expiresAt = new Date(Date.now() + 300_000).toISOString();
    const until = await s.grant({ grantId, user: { username: 'u0001' }, group: { name: 'vpn-users' }, expiresAt });
    assert.equal(await answer(s, until.jobId), 'updated');
    assert.deepEqual(await grantOf(s, until.jobId), { ...view, expiresAt });
    assert.ok(await isMember(s.person('u0001')));
  });

  test('an extended grant outlives its first end, and ends at the new one', async () => {
    const { grantId, view } = await granted('u0002', 3);
    const longer = await ask('u0002', 4, { grantId });
    assert.equal(await answer(s, longer.jobId), 'updated');
    const ended = await s.endOf(grantId);
    assert.equal(lastsSeconds(ended.grant), 4);
    assert.ok(Date.parse(ended.grant.endedAt ?? '') >= Date.parse(view.activatedAt ?? '') + 4000);
    assert.equal(await isMember(s.person('u0002')), false);
    assert.deepEqual(await told(s, grantId), ['succeeded granted', 'succeeded updated', 'ended expired removed']);
  });

  test('a grant shortened to an end that has passed ends at once', async () => {
    const { grantId } = await granted('u0003', 600);
    const { grantId: pacing } = await granted('u0004', 1);
    await s.endOf(pacing);
    const shorter = await ask('u0003', 1, { grantId });
    assert.equal(await answer(s, shorter.jobId), 'updated');
    const ended = await s.endOf(grantId);
    assert.equal(ended.cause, 'expired');
    assert.equal(ended.membership, 'removed');
    assert.equal(lastsSeconds(ended.grant), 1);
    assert.equal(await isMember(s.person('u0003')), false);
  });

  test('LATCHKEY_MAX_GRANT bounds a new grant, and the refusal names the latest end possible', async () => {
    const { jobId } = await ask('u0005', 601);
    const error = await errorOf(jobId);
    assert.equal(error.code, 'policy_denied');
    const named = [...error.message.matchAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g)].map(([text]) => Date.parse(text));
    assert.equal(named.length, 3, error.message);
    const [asked = 0, latest = 0, since = 0] = named;
    assert.equal(asked - latest, 1000);
    assert.equal(latest - since, 600_000);
    assert.equal(await isMember(s.person('u0005')), false);
    const exact = await ask('u0005', 600);
    assert.equal(await answer(s, exact.jobId), 'granted');
  });

  test('LATCHKEY_MAX_GRANT bounds the whole membership, over extensions and over grants; shortening is not asked', async () => {
    const { grantId, view } = await granted('u0006', 600);
    const latest = new Date(Date.parse(view.activatedAt ?? '') + 600_000).toISOString();
    const longer = await ask('u0006', 601, { grantId });
    const refused = await errorOf(longer.jobId);
    assert.equal(refused.code, 'policy_denied');
    assert.ok(refused.message.includes(latest), refused.message);
    assert.deepEqual(await grantOf(s, longer.jobId), view);
    const { grantId: pacing } = await granted('u0007', 1);
    await s.endOf(pacing);
    const second = await ask('u0006', 600);
    const chained = await errorOf(second.jobId);
    assert.equal(chained.code, 'policy_denied');
    assert.ok(chained.message.includes(latest), chained.message);
    const shorter = await ask('u0006', 500, { grantId });
    assert.equal(await answer(s, shorter.jobId), 'updated');
    assert.ok(await isMember(s.person('u0006')));
  });

  test('a lower LATCHKEY_MAX_GRANT ends nothing and refuses no shortening, even to an end beyond it', async () => {
    const { grantId, view } = await granted('u0008', 600);
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector({ env: { LATCHKEY_MAX_GRANT: '2m' } });
    const shorter = await ask('u0008', 300, { grantId });
    assert.equal(await answer(s, shorter.jobId), 'updated');
    const longer = await ask('u0008', 301, { grantId });
    assert.equal((await errorOf(longer.jobId)).code, 'policy_denied');
    assert.deepEqual(await grantOf(s, longer.jobId), { ...view, expiresAt: (await grantOf(s, shorter.jobId)).expiresAt });
    assert.ok(await isMember(s.person('u0008')));
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector();
  });

  test('a user who left the scope: an extension is refused and the grant stands, shortening and the end go on', async () => {
    const dn = `uid=stella,ou=staff,${PEOPLE}`;
    const moved = `uid=stella,ou=alumni,${PEOPLE}`;
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector({ env: { LDAP_USERS_SCOPE: `ou=staff,${PEOPLE}` } });
    const { grantId, view } = await granted('stella', 300);
    await move(dn, 'stella', `ou=alumni,${PEOPLE}`);
    const references = [{ id: view.user?.id ?? '' }, { dn }, { username: 'stella' }, { email: 'stella@example.test' }];
    for (const user of references) {
      const longer = await ask('stella', 400, { grantId, user });
      assert.equal((await errorOf(longer.jobId)).code, 'user_not_found', JSON.stringify(user));
      assert.deepEqual({ ...(await grantOf(s, longer.jobId)), user: view.user }, view);
    }
    for (const [i, user] of [...references, { dn: moved }].entries()) {
      const shorter = await ask('stella', 299 - i, { grantId, user });
      assert.equal(await answer(s, shorter.jobId), 'updated', JSON.stringify(user));
      assert.equal(lastsSeconds(await grantOf(s, shorter.jobId)), 299 - i);
    }
    assert.equal(await answer(s, (await ask('stella', 300, { user: { dn: moved } })).jobId), 'out_of_scope');
    assert.equal(await answer(s, (await s.revoke(grantId)).jobId), 'revoked');
    assert.deepEqual(
      (await s.ldap.members(vpn)).filter((member) => member.includes('stella')),
      [],
    );
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector();
  });

  test('a group that the configuration protects at the next start: its grants end for that, and another is refused', async () => {
    const { grantId } = await granted('u0009', 300, 'later-protected');
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector({ env: { LATCHKEY_PROTECTED_GROUPS: 'later-protected' } });
    const { cause, membership } = await s.endOf(grantId);
    assert.deepEqual([cause, membership], ['policy', 'removed']);
    assert.ok(!(await s.ldap.members(s.group('later-protected'))).includes(s.person('u0009')));
    const again = await ask('u0009', 400, { group: 'later-protected' });
    assert.equal((await errorOf(again.jobId)).code, 'group_protected');
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector();
  });

  test('an extension restores a membership that vanished, and tells so', async () => {
    const { grantId, view } = await granted('u0010', 300);
    await byHand(s, { group: vpn, delete: s.person('u0010') });
    const longer = await ask('u0010', 400, { grantId });
    assert.equal(await answer(s, longer.jobId), 'updated');
    assert.ok(await isMember(s.person('u0010')));
    assert.equal((await grantOf(s, longer.jobId)).activatedAt, view.activatedAt);
    const { event } = await s.event((one) => one.kind === 'grant.drifted' && one.grant.grantId === grantId);
    assert.ok(event.kind === 'grant.drifted');
    assert.equal(event.observed, 'absent');
    assert.equal(event.action, 'restored');
    assert.equal(await answer(s, (await s.revoke(grantId)).jobId), 'revoked');
    assert.equal(await isMember(s.person('u0010')), false);
  });

  test('an extension of a standing grant whose membership vanished writes it, and it is ours from then on', async () => {
    await byHand(s, { group: vpn, add: s.person('u0011') });
    const first = await ask('u0011', 300);
    assert.equal(await answer(s, first.jobId), 'already_standing');
    await byHand(s, { group: vpn, delete: s.person('u0011') });
    const longer = await ask('u0011', 400, { grantId: first.grantId });
    assert.equal(await answer(s, longer.jobId), 'updated');
    assert.equal((await grantOf(s, longer.jobId)).standing, false);
    assert.equal(await answer(s, (await s.revoke(first.grantId)).jobId), 'revoked');
    assert.equal(await isMember(s.person('u0011')), false);
  });

  test('shortening restores nothing', async () => {
    const { grantId } = await granted('u0012', 300);
    await byHand(s, { group: vpn, delete: s.person('u0012') });
    const shorter = await ask('u0012', 200, { grantId });
    assert.equal(await answer(s, shorter.jobId), 'updated');
    assert.equal(await isMember(s.person('u0012')), false);
    assert.deepEqual(await told(s, grantId), ['succeeded granted', 'succeeded updated']);
  });

  test('a grant named by ids is shortened while the directory is away; any other change waits for it', async () => {
    const { grantId, view } = await granted('u0013', 300);
    const user = { id: await idOf(s, s.person('u0013')) };
    const group = { id: await idOf(s, vpn) };
    await s.ldap.kill('SIGINT');
    const shorter = await s.grant({ grantId, user, group, durationSeconds: 200 });
    assert.equal(await answer(s, shorter.jobId), 'updated');
    assert.equal(lastsSeconds(await grantOf(s, shorter.jobId)), 200);
    const longer = await ask('u0013', 400, { grantId });
    const delayed = await delayOf(s, longer.jobId);
    assert.equal(delayed.error.code, 'directory_unavailable');
    assert.equal(delayed.grant?.state, 'active');
    await s.ldap.start();
    assert.equal(await answer(s, longer.jobId), 'updated');
    assert.deepEqual(await grantOf(s, longer.jobId), {
      ...view,
      expiresAt: new Date(Date.parse(view.activatedAt ?? '') + 400_000).toISOString(),
    });
  });

  test('no rule of the protocol was broken on the way', async () => {
    assert.deepEqual(await s.violations(), []);
  });
});
