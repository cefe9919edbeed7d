import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { FailPoint } from '../../src/access/fail-point.ts';
import { FULL_SCALE } from './scale.ts';
import { assertToldOnce, granted, killed, memberships, past, startReady, succeeded } from './survival.ts';
import { type System, startSystem } from './system.ts';

/** A fail point and which passing of it kills; what a start tells by itself (`directory.changed`) passes the last two first. */
type Kill = { readonly at: FailPoint; readonly passing?: number };

const INTAKE: readonly Kill[] = [{ at: 'job.received' }, { at: 'job.stored' }, { at: 'job.received.sent' }];
const TELLING: readonly Kill[] = [
  { at: 'event.sent', passing: 2 },
  { at: 'event.acknowledged', passing: 2 },
];
const ENDING: readonly Kill[] = [
  { at: 'end.stored' },
  { at: 'end.probed-before' },
  { at: 'end.intent-stored' },
  { at: 'end.modify-answered' },
  { at: 'end.probed-after' },
  { at: 'end.claimed' },
  ...TELLING,
];
const GRANT: readonly Kill[] = [
  ...INTAKE,
  { at: 'grant.resolved' },
  { at: 'grant.probed-before' },
  { at: 'grant.intent-stored' },
  { at: 'grant.modify-answered' },
  { at: 'grant.probed-after' },
  { at: 'grant.claimed' },
  ...TELLING,
];
const REVOKE: readonly Kill[] = [...INTAKE, ...ENDING];

/** Where a kill leaves the most in doubt: from the intent to the claim. The sample of `kill-points` passes every other place too. */
const AROUND_THE_MODIFY = /\.(?:intent-stored|modify-answered|probed-after|claimed)$/;

/** SIGKILL at the fail points of a grant, a revoke and an expiry, in one group; the title names its member attribute. */
export function crashTable({
  attribute,
  cn,
  value,
}: {
  attribute: string;
  cn: string;
  value: (s: System, uid: string) => string;
}): void {
  const wanted = (kills: readonly Kill[]): readonly Kill[] => kills.filter(({ at }) => FULL_SCALE || AROUND_THE_MODIFY.test(at));
  suite(`a process killed at any instant, writing ${attribute}`, { concurrency: false }, () => {
    let s: System;
    let people = 0;

    before(async () => {
      s = await startSystem({ ldap: { people: GRANT.length + REVOKE.length + ENDING.length } });
      await s.startStub();
      await startReady(s);
    });
    after(() => s[Symbol.asyncDispose]());

    /** Somebody who was in no group yet, so that no case depends on the one before. */
    async function nextPerson() {
      people += 1;
      const uid = `u${String(people).padStart(4, '0')}`;
      const initial = await memberships(s);
      return {
        request: (durationSeconds: number) => ({ user: { username: uid }, group: { name: cn }, durationSeconds }),
        count: async () => (await s.ldap.members(s.group(cn))).filter((one) => one === value(s, uid)).length,
        async allIsAsBefore(): Promise<void> {
          assert.deepEqual(await memberships(s), initial);
          await assertToldOnce(s);
        },
      };
    }

    async function restartKilling({ at, passing = 1 }: Kill): Promise<void> {
      assert.equal(await s.stopConnector(), 0);
      await startReady(s, { killAt: `${at}:${passing}` });
    }

    for (const kill of wanted(GRANT)) {
      test(`a grant killed at ${kill.at} is granted once, and revoked as any other`, async () => {
        const { request, count, allIsAsBefore } = await nextPerson();
        await restartKilling(kill);
        const { grantId, jobId } = await s.grant(request(300));
        await killed(s);
        await s.startConnector();
        const result = await s.outcome(jobId);
        assert.equal(result.kind === 'job.succeeded' ? result.outcome : JSON.stringify(result.error), 'granted');
        assert.equal(result.grant?.standing, false);
        const activatedAt = Date.parse(result.grant?.activatedAt ?? '');
        assert.equal(Date.parse(result.grant?.expiresAt ?? ''), activatedAt + 300_000);
        assert.equal(await count(), 1);
        const revoke = await s.revoke(grantId);
        assert.equal(await succeeded(s, revoke.jobId), 'revoked');
        assert.equal((await s.endOf(grantId)).membership, 'removed');
        await allIsAsBefore();
      });
    }

    for (const kill of wanted(REVOKE)) {
      test(`a revoke killed at ${kill.at} is told as revoked once, and the user is out`, async () => {
        const { request, count, allIsAsBefore } = await nextPerson();
        const { grantId } = await granted(s, request(300));
        await restartKilling(kill);
        assert.equal(await count(), 1);
        const { jobId } = await s.revoke(grantId);
        await killed(s);
        await s.startConnector();
        assert.equal(await succeeded(s, jobId), 'revoked');
        const ended = await s.endOf(grantId);
        assert.deepEqual([ended.cause, ended.membership], ['revoked', 'removed']);
        await allIsAsBefore();
      });
    }

    for (const kill of wanted(ENDING)) {
      test(`an expiry killed at ${kill.at} is told once, and the user is out`, async () => {
        const { request, count, allIsAsBefore } = await nextPerson();
        const { grantId, expiresAt } = await granted(s, request(2));
        assert.equal(await s.stopConnector(), 0);
        assert.equal(await count(), 1);
        // The end may come before anything was told.
        await s.startConnector({ killAt: `${kill.at}:${kill.passing ?? 1}`, welcome: false });
        await killed(s);
        await past(expiresAt);
        await s.startConnector();
        const ended = await s.endOf(grantId);
        assert.deepEqual([ended.cause, ended.membership], ['expired', 'removed']);
        await allIsAsBefore();
      });
    }
  });
}
