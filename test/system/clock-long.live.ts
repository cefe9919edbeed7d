import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { PROMPT_MS, timedGrant } from '../support/clock-moves.ts';
import { NO_FAKETIME, type SteppedClock, steppedClock } from '../support/faketime.ts';
import { FULL_SCALE } from '../support/scale.ts';
import { assertToldOnce, memberships, startReady } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

const DAY_S = 86_400;
/** `setTimeout` fires at once beyond 2^31-1 ms, which is 24.86 days. */
const LASTS_DAYS = [24.8, 24.9, 30];

const PASSES = [
  { how: 'as it passes, by both clocks', monotonic: true },
  { how: 'as a suspended machine sees it, by the wall clock alone', monotonic: false },
];

for (const { how, monotonic } of FULL_SCALE ? PASSES : PASSES.slice(0, 1)) {
  suite(`a long time, ${how}`, { concurrency: false, skip: NO_FAKETIME }, () => {
    let s: System;
    let clock: SteppedClock;
    let initial: Awaited<ReturnType<typeof memberships>>;

    before(async () => {
      const env: NodeJS.ProcessEnv = { LATCHKEY_MAX_GRANT: '60d' };
      s = await startSystem({ ldap: { requireTls: false }, env });
      clock = await steppedClock({ folder: s.folder, monotonic });
      Object.assign(env, { ...clock.env, LDAP_URL: s.ldap.ldapUrl });
      initial = await memberships(s);
      await s.startStub();
      await startReady(s);
    });
    after(() => s[Symbol.asyncDispose]());

    const isMember = async (uid: string) => (await s.ldap.members(s.group('on-call'))).includes(s.person(uid));

    /** When a grant of a second has ended, the connector has asked its ledger what is due. */
    async function aSecondEnds(): Promise<void> {
      const grant = await timedGrant(s, { clock, uid: 'sam', cn: 'vpn-users', seconds: 1 });
      const lateMs = (await grant.gone()) - grant.toldAtMs - 1000;
      assert.ok(lateMs < PROMPT_MS, `a grant of a second was ended ${lateMs} ms late`);
    }

    test('grants of a second and of 24.8, 24.9 and 30 days end when they are over, and not before', async (t) => {
      const uids = ['grace', 'farid', 'viktor'];
      const grants = await Promise.all(
        LASTS_DAYS.map(async (days, index) => {
          const uid = uids[index] ?? '';
          const grant = await timedGrant(s, { clock, uid, cn: 'on-call', seconds: Math.round(days * DAY_S) });
          return { days, uid, grant };
        }),
      );
      await aSecondEnds();
      for (const { uid } of grants) assert.ok(await isMember(uid), `${uid} before any time has passed`);
      for (const { days, uid, grant } of grants) {
        await clock.set(grant.durationMs - (performance.now() - grant.askedAtMs) - 20_000);
        await aSecondEnds();
        assert.ok(await isMember(uid), `${uid} shortly before ${days} days`);
        await clock.set(grant.durationMs);
        const movedAtMs = performance.now();
        const lateMs = (await grant.gone()) - movedAtMs;
        t.diagnostic(`${days} days: ended ${Math.round(lateMs)} ms after the clock had passed its end`);
        assert.ok(lateMs < PROMPT_MS, `ended ${lateMs} ms late`);
      }
      assert.deepEqual(await memberships(s), initial);
      await assertToldOnce(s);
    });
  });
}
