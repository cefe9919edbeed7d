import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import type { DirectoryAdmin } from '../support/directory-contract/world.ts';
import { PLAIN_389, PLAIN_OPENLDAP, REFINT_389, REFINT_OPENLDAP, SAMBA_AD } from '../support/known-directories.ts';
import { FULL_SCALE } from '../support/scale.ts';
import { assertToldOnce, granted, startReady, succeeded } from '../support/survival.ts';
import { type AnySystem, startSystemOn } from '../support/system.ts';

const DIRECTORIES = [PLAIN_OPENLDAP, REFINT_OPENLDAP, ...(FULL_SCALE ? [PLAIN_389, REFINT_389, SAMBA_AD] : [])];

for (const { name, start, admin: adminOf, keepsReferences } of DIRECTORIES)
  suite(`drift that a sync finds, on ${name}`, { concurrency: false }, () => {
    let s: AnySystem;
    let admin: DirectoryAdmin;
    let cases = 0;

    before(async () => {
      s = await startSystemOn(await start(0));
      admin = adminOf(s.ldap);
      await s.startStub();
      await startReady(s);
    });
    after(() => s[Symbol.asyncDispose]());

    /** A new person with a grant in a new group that somebody else is in already. */
    async function scene() {
      cases += 1;
      const uid = `drift${cases}`;
      const person = s.person(uid) as Dn;
      const group = s.group(`drift-${cases}`) as Dn;
      await admin.addUser({ dn: person, uids: [uid], mails: [] });
      const values = [s.person('amara')];
      await admin.addGroup({ dn: group, name: `drift-${cases}`, attribute: 'member', values });
      const { grantId } = await granted(s, { user: { dn: person }, group: { dn: group }, durationSeconds: 600 });
      return {
        uid,
        person,
        group,
        grantId,
        takeOut: () => admin.change(group, { attribute: 'member', remove: [person] }),
        async drifted(expected: string): Promise<void> {
          await s.event(
            (told) =>
              told.kind === 'grant.drifted' && told.grant.grantId === grantId && `${told.observed} ${told.action}` === expected,
          );
        },
        drifts: async () =>
          (await s.events()).flatMap(({ event }) =>
            event.kind === 'grant.drifted' && event.grant.grantId === grantId ? [`${event.observed} ${event.action}`] : [],
          ),
      };
    }

    async function sync(mode: 'full' | 'delta'): Promise<void> {
      const { jobId } = await s.api<{ jobId: string }>('/syncs', { method: 'POST', body: { mode } });
      assert.equal(await succeeded(s, jobId), 'done');
    }

    /** Another grant drifts and is told: what was suspected before it has been looked at. */
    async function syncAndWait(mode: 'full' | 'delta'): Promise<void> {
      const marker = await scene();
      await marker.takeOut();
      await sync(mode);
      await marker.drifted('absent reported');
    }

    for (const mode of ['full', 'delta'] as const) {
      test(`a membership that vanished is told once, however many syncs follow (${mode})`, async () => {
        await sync('delta');
        const { person, group, grantId, takeOut, drifts, drifted } = await scene();
        await sync(mode);
        await takeOut();
        await sync(mode);
        await drifted('absent reported');
        await syncAndWait(mode);
        await syncAndWait('full');
        assert.deepEqual(await drifts(), ['absent reported']);
        await s.member(group, person, false);
        assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'already_absent');
      });

      test(`a user who is renamed is followed where the value is, and told (${mode})`, async () => {
        const { uid, person, group, grantId, drifts, drifted } = await scene();
        await sync(mode);
        const renamed = s.person(`${uid}-new`) as Dn;
        await admin.rename(person, renamed);
        await sync(mode);
        const told = keepsReferences ? 'renamed followed' : 'renamed reported';
        await drifted(told);
        await syncAndWait(mode);
        assert.deepEqual(await drifts(), [told]);
        assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
        await s.member(group, renamed, false);
        await s.member(group, person, false);
      });

      test(`a group that is renamed is followed (${mode})`, async () => {
        const { person, group, grantId, drifts, drifted } = await scene();
        await sync(mode);
        const renamed = s.group(`other-${cases}`) as Dn;
        await admin.rename(group, renamed);
        await sync(mode);
        await drifted('renamed followed');
        await syncAndWait(mode);
        assert.deepEqual(await drifts(), ['renamed followed']);
        assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
        await s.member(renamed, person, false);
      });

      test(`a user who is deleted ends the grant with that cause, and a group (${mode})`, async () => {
        const [one, other] = [await scene(), await scene()];
        await sync(mode);
        await admin.delete(one.person);
        await admin.delete(other.group);
        await sync(mode);
        for (const [{ grantId, drifts }, cause] of [
          [one, 'user_gone'],
          [other, 'group_gone'],
        ] as const) {
          const ended = await s.endOf(grantId);
          assert.equal(ended.cause, cause);
          assert.deepEqual(await drifts(), [`${cause} ended`]);
        }
        await s.member(one.group, one.person, false);
        await assertToldOnce(s);
      });
    }

    test('with LATCHKEY_DRIFT=restore a membership that vanished is written again, and ends with its grant', async () => {
      await s.stopConnector();
      await startReady(s, { env: { LATCHKEY_DRIFT: 'restore' } });
      for (const mode of ['full', 'delta'] as const) {
        const { person, group, grantId, takeOut, drifts, drifted } = await scene();
        await takeOut();
        await sync(mode);
        await drifted('absent restored');
        await s.member(group, person, true);
        await sync(mode);
        assert.deepEqual(await drifts(), ['absent restored']);
        assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
        await s.member(group, person, false);
      }
      await assertToldOnce(s);
    });
  });
