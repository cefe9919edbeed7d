import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import type { DirectoryAdmin } from './directory-contract/world.ts';
import { openLdapAdmin } from './openldap-admin.ts';
import { assertToldOnce, granted, past, startReady, succeeded } from './survival.ts';
import { type System, startSystem } from './system.ts';

/** Long enough for somebody to act between two sightings, and waited for in full wherever something must be proved gone. */
const GONE_CONFIRM_MS = 2_000;

/** People and groups that are renamed, moved, deleted and replaced while a grant is active. */
export function identityCases({ title, memberof }: { title: string; memberof: boolean }): void {
  suite(title, { concurrency: false }, () => {
    let s: System;
    let admin: DirectoryAdmin;
    let cases = 0;

    before(async () => {
      s = await startSystem({ ldap: { memberof }, env: { TEST_GONE_CONFIRM_MS: String(GONE_CONFIRM_MS) } });
      admin = openLdapAdmin(s.ldap);
      await s.startStub();
      await startReady(s);
    });
    after(() => s[Symbol.asyncDispose]());

    const dn = (text: string) => text as Dn;

    /** A new person in a new group that holds somebody else already. */
    async function scene({ durationSeconds = 300 }: { durationSeconds?: number } = {}) {
      cases += 1;
      const uid = `case${cases}`;
      const cn = `case-${cases}`;
      const person = { dn: dn(s.person(uid)), uids: [uid], mails: [] };
      const group = dn(s.group(cn));
      const bystander = s.person('amara');
      await admin.addUser(person);
      await admin.addGroup({ dn: group, name: cn, attribute: 'member', values: [bystander] });
      const { grantId, expiresAt } = await granted(s, { user: { dn: person.dn }, group: { dn: group }, durationSeconds });
      assert.deepEqual(await s.ldap.members(group), [bystander, person.dn]);
      return {
        uid,
        cn,
        person,
        group,
        bystander,
        grantId,
        expiresAt,
        add: (value: string) => admin.change(group, { attribute: 'member', add: [value] }),
        remove: (value: string) => admin.change(group, { attribute: 'member', remove: [value] }),
        overdue: (code: string) =>
          s.event((told) => told.kind === 'grant.overdue' && told.grant.grantId === grantId && told.error.code === code),
        async ends(expected: { outcome: string; membership: string; jobId?: string }): Promise<void> {
          const jobId = expected.jobId ?? (await s.revoke(grantId)).jobId;
          assert.equal(await succeeded(s, jobId), expected.outcome);
          const ended = await s.endOf(grantId);
          assert.deepEqual([ended.cause, ended.membership], ['revoked', expected.membership]);
          await assertToldOnce(s);
        },
        drifts: async () =>
          (await s.events()).flatMap(({ event }) =>
            event.kind === 'grant.drifted' && event.grant.grantId === grantId ? [`${event.observed} ${event.action}`] : [],
          ),
      };
    }

    test('a user who was renamed leaves the group under both names', async () => {
      const { person, uid, group, bystander, ends } = await scene();
      await admin.rename(person.dn, dn(s.person(`${uid}-new`)));
      await ends({ outcome: 'revoked', membership: 'removed' });
      assert.deepEqual(await s.ldap.members(group), [bystander]);
    });

    test('a user who was renamed leaves the group by expiry too', async () => {
      const { person, uid, group, bystander, grantId, expiresAt } = await scene({ durationSeconds: 2 });
      await admin.rename(person.dn, dn(s.person(`${uid}-new`)));
      await past(expiresAt);
      const ended = await s.endOf(grantId);
      assert.deepEqual([ended.cause, ended.membership], ['expired', 'removed']);
      assert.deepEqual(await s.ldap.members(group), [bystander]);
    });

    test('a user whom an administrator added again under the new name leaves under both', async () => {
      const { person, uid, group, bystander, ends, add } = await scene();
      const renamed = s.person(`${uid}-new`);
      await admin.rename(person.dn, dn(renamed));
      if (!memberof) await add(renamed);
      await ends({ outcome: 'revoked', membership: 'removed' });
      assert.deepEqual(await s.ldap.members(group), [bystander]);
    });

    test('after an extension under a new name, both values of ours leave, and whoever took the old name keeps only what others gave', async () => {
      const { person, uid, group, bystander, ends, grantId, add } = await scene();
      const renamed = dn(s.person(`${uid}-new`));
      await admin.rename(person.dn, renamed);
      const { jobId } = await s.grant({ grantId, user: { dn: renamed }, group: { dn: group }, durationSeconds: 600 });
      assert.equal(await succeeded(s, jobId), 'updated');
      await admin.addUser(person);
      // Without referential integrity our own value still stands there, and is no gift to whoever took the name.
      if (memberof) await add(person.dn);
      await ends({ outcome: 'revoked', membership: 'removed' });
      assert.deepEqual(await s.ldap.members(group), memberof ? [bystander, person.dn] : [bystander]);
    });

    test('a user who moved out of scope leaves the group all the same', async () => {
      const { person, uid, group, bystander, ends } = await scene();
      await admin.rename(person.dn, dn(`uid=${uid},ou=contractors,${s.ldap.baseDn}`));
      await ends({ outcome: 'revoked', membership: 'removed' });
      assert.deepEqual(await s.ldap.members(group), [bystander]);
    });

    test('a user who was deleted leaves nothing behind, once two sightings have proved it', async () => {
      const { person, group, bystander, ends, overdue, grantId } = await scene();
      await admin.delete(person.dn);
      const { jobId } = await s.revoke(grantId);
      await overdue('user_not_found');
      await ends({
        outcome: memberof ? 'already_absent' : 'revoked',
        membership: memberof ? 'already_absent' : 'removed',
        jobId,
      });
      assert.deepEqual(await s.ldap.members(group), [bystander]);
    });

    test('whoever is created under the name of a deleted user does not inherit our value', async () => {
      const { person, group, bystander, ends, drifts } = await scene();
      await admin.delete(person.dn);
      await admin.addUser(person);
      assert.deepEqual(await s.ldap.members(group), memberof ? [bystander] : [bystander, person.dn]);
      await ends({ outcome: memberof ? 'already_absent' : 'revoked', membership: memberof ? 'already_absent' : 'removed' });
      assert.deepEqual(await s.ldap.members(group), [bystander]);
      assert.deepEqual(await drifts(), []);
    });

    test('whoever was given the membership after a probe saw it absent keeps it, and it is told as recreated', async () => {
      const { person, group, bystander, ends, overdue, drifts, grantId, add, remove } = await scene();
      await admin.delete(person.dn);
      // With referential integrity the directory takes the value away by itself.
      if (!memberof) await remove(person.dn);
      const { jobId } = await s.revoke(grantId);
      await overdue('user_not_found');
      await admin.addUser(person);
      await add(person.dn);
      await ends({ outcome: 'already_absent', membership: 'already_absent', jobId });
      assert.deepEqual(await s.ldap.members(group), [bystander, person.dn]);
      assert.deepEqual(await drifts(), ['recreated reported']);
    });

    test('whoever took the name of a renamed user keeps a membership beside the one that followed the user', async () => {
      const { person, uid, group, bystander, ends, drifts, add } = await scene();
      const renamed = s.person(`${uid}-new`);
      await admin.rename(person.dn, dn(renamed));
      await admin.addUser(person);
      await add(memberof ? person.dn : renamed);
      assert.equal((await s.ldap.members(group)).length, 3);
      await ends({ outcome: 'revoked', membership: 'removed' });
      assert.deepEqual(await s.ldap.members(group), [bystander, person.dn]);
      assert.deepEqual(await drifts(), ['recreated reported']);
    });

    test('a user known by standing access keeps it through a rename', async () => {
      const { person, uid, group, bystander, ends } = await scene();
      const renamed = s.person(`${uid}-new`);
      await ends({ outcome: 'revoked', membership: 'removed' });
      await admin.change(group, { attribute: 'member', add: [person.dn] });
      const standing = await s.grant({ user: { dn: person.dn }, group: { dn: group }, durationSeconds: 300 });
      assert.equal(await succeeded(s, standing.jobId), 'already_standing');
      await admin.rename(person.dn, dn(renamed));
      assert.equal(await succeeded(s, (await s.revoke(standing.grantId)).jobId), 'kept_standing');
      assert.deepEqual(await s.ldap.members(group), [bystander, memberof ? renamed : person.dn]);
      await assertToldOnce(s);
    });

    test('a group that was renamed is found by its id', async () => {
      const { group, cn, bystander, ends } = await scene();
      const renamed = dn(s.group(`${cn}-new`));
      await admin.rename(group, renamed);
      await ends({ outcome: 'revoked', membership: 'removed' });
      assert.deepEqual(await s.ldap.members(renamed), [bystander]);
    });

    test('a group that moved where our rights end is overdue, and its member leaves when it is back', async () => {
      const { group, cn, bystander, person, grantId, ends } = await scene();
      const elsewhere = dn(`cn=${cn},ou=other-groups,${s.ldap.baseDn}`);
      await admin.rename(group, elsewhere);
      const { jobId } = await s.revoke(grantId);
      await s.event((told) => told.kind === 'grant.overdue' && told.grant.grantId === grantId);
      assert.deepEqual(await s.ldap.members(elsewhere), [bystander, person.dn]);
      await admin.rename(elsewhere, group);
      await ends({ outcome: 'revoked', membership: 'removed', jobId });
      assert.deepEqual(await s.ldap.members(group), [bystander]);
    });

    test('a group that was deleted ends its grants, once two sightings have proved it', async () => {
      const { group, ends, overdue, grantId } = await scene();
      await admin.delete(group);
      const { jobId } = await s.revoke(grantId);
      await overdue('group_not_found');
      await ends({ outcome: 'already_absent', membership: 'already_absent', jobId });
    });

    test('a group that was created again under the same name is another one, and nothing of it is touched', async () => {
      const { group, cn, person, bystander, ends, grantId } = await scene();
      await admin.delete(group);
      await admin.addGroup({ dn: group, name: cn, attribute: 'member', values: [bystander, person.dn] });
      const { jobId } = await s.revoke(grantId);
      await ends({ outcome: 'already_absent', membership: 'already_absent', jobId });
      assert.deepEqual(await s.ldap.members(group), [bystander, person.dn]);
    });

    test('an extension never writes into another group of the same name', async () => {
      const { group, cn, person, bystander, ends, grantId } = await scene();
      await admin.delete(group);
      await admin.addGroup({ dn: group, name: cn, attribute: 'member', values: [bystander] });
      const extension = await s.grant({ grantId, user: { dn: person.dn }, group: { dn: group }, durationSeconds: 600 });
      const result = await s.outcome(extension.jobId);
      assert.ok(result.kind === 'job.failed', JSON.stringify(result));
      assert.equal(result.error.code, 'grant_conflict');
      await ends({ outcome: 'already_absent', membership: 'already_absent' });
      assert.deepEqual(await s.ldap.members(group), [bystander]);
    });

    test('a uid that changed during the grant leaves memberUid under both spellings', async () => {
      cases += 1;
      const uid = `posix${cases}`;
      const person = dn(`cn=Posix ${cases},${s.ldap.usersScope}`);
      const group = dn(s.group(`posix-${cases}`));
      await admin.addUser({ dn: person, uids: [uid], mails: [] });
      await admin.addGroup({ dn: group, name: `posix-${cases}`, attribute: 'memberUid', values: ['elif'] });
      const { grantId } = await granted(s, { user: { dn: person }, group: { dn: group }, durationSeconds: 300 });
      assert.deepEqual(await s.ldap.members(group), ['elif', uid]);
      await s.ldap.modify(`dn: ${person}\nchangetype: modify\nreplace: uid\nuid: ${uid}-new\n`);
      assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
      assert.deepEqual(await s.ldap.members(group), ['elif']);
      await assertToldOnce(s);
    });
  });
}
