import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { assertToldOnce, memberships, startReady } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

const PEOPLE = 20;
const GROUPS = [
  'engineering',
  'on-call',
  'vpn-users',
  'release-approvers',
  'billing-readers',
  'payroll-readers',
  'audit-reviewers',
  'db-operators',
  'deploy',
];

suite('two hundred grants at the same time', { concurrency: false }, () => {
  let s: System;
  let initial: Awaited<ReturnType<typeof memberships>>;
  const extra = 'load-test';

  before(async () => {
    s = await startSystem({ ldap: { people: PEOPLE } });
    await s.ldap.modify(
      `dn: ${s.group(extra)}\nchangetype: add\nobjectClass: groupOfNames\ncn: ${extra}\nmember: ${s.person('amara')}\nmember: ${s.person('u0001')}\n`,
    );
    initial = await memberships(s);
    await s.startStub();
    await startReady(s);
  });
  after(() => s[Symbol.asyncDispose]());

  test('the directory is as before when half of them were revoked and half have expired', async () => {
    const wanted = [...GROUPS, extra].flatMap((cn) =>
      Array.from({ length: PEOPLE }, (_, index) => ({ cn, uid: `u${String(index + 1).padStart(4, '0')}` })),
    );
    assert.equal(wanted.length, 200);
    const asked = await Promise.all(
      wanted.map(async ({ cn, uid }, index) => {
        const expires = index % 2 === 1;
        const durationSeconds = expires ? 6 : 600;
        return { cn, uid, expires, ...(await s.grant({ user: { username: uid }, group: { name: cn }, durationSeconds })) };
      }),
    );
    for (const { cn, uid, jobId } of asked) {
      const result = await s.outcome(jobId);
      assert.ok(result.kind === 'job.succeeded', JSON.stringify(result));
      assert.equal(result.outcome, cn === extra && uid === 'u0001' ? 'already_standing' : 'granted');
    }
    const during = await memberships(s);
    for (const { cn, uid, expires } of asked) {
      if (expires) continue;
      const values = during[s.group(cn)] ?? [];
      assert.ok(values.includes(s.person(uid)) || values.includes(uid), `${uid} in ${cn}`);
    }
    const revokes = await Promise.all(asked.filter(({ expires }) => !expires).map(({ grantId }) => s.revoke(grantId)));
    for (const { jobId } of revokes) assert.equal((await s.outcome(jobId)).kind, 'job.succeeded');
    for (const { grantId, cn, uid, expires } of asked) {
      const ended = await s.endOf(grantId);
      assert.equal(ended.cause, expires ? 'expired' : 'revoked');
      assert.equal(ended.membership, cn === extra && uid === 'u0001' ? 'kept_standing' : 'removed');
    }
    assert.deepEqual(await memberships(s), initial);
    await assertToldOnce(s);
  });
});
