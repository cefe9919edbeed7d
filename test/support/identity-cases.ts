import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type Dn, formatDn, leafRdn } from '../../src/access/dn.ts';
import type { DirectoryAdmin } from './directory-contract/world.ts';
import type { KnownDirectory } from './known-directories.ts';
import { assertToldOnce, granted, past, startReady, succeeded } from './survival.ts';
import { type AnySystem, startSystemOn } from './system.ts';

/** Long enough for somebody to act between two sightings, and waited for in full wherever something must be proved gone. */
const GONE_CONFIRM_MS = 2_000;

/** People and groups that are renamed, moved, deleted and replaced while a grant is active. */
export function identityCases({ name, start, admin: adminOf, keepsReferences, hasPosixGroups }: KnownDirectory): void {
  suite(`entries that change during a grant, on ${name}`, { concurrency: false }, () => {
    let s: AnySystem;
    let admin: DirectoryAdmin;
    let cases = 0;

    before(async () => {
      s = await startSystemOn(await start(0), { env: { TEST_GONE_CONFIRM_MS: String(GONE_CONFIRM_MS) } });
      admin = adminOf(s.ldap);
      await s.startStub();
      await startReady(s);
    });
    after(() => s[Symbol.asyncDispose]());

    const dn = (text: string) => text as Dn;
    const elsewhere = (entry: Dn, unit: string) => dn(`${formatDn([leafRdn(entry)])},ou=${unit},${s.ldap.baseDn}`);

    /** Exactly these are in the group; how a name is spelt, and in which order they come, is the directory's own affair. */
    async function holds(group: Dn, values: readonly string[]): Promise<void> {
      const spelt = (names: readonly string[]) => names.map((one) => one.toLowerCase()).toSorted((a, b) => a.localeCompare(b));
      assert.deepEqual(spelt(await s.ldap.members(group)), spelt(values));
    }

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
      await holds(group, [bystander, person.dn]);
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
      await holds(group, [bystander]);
    });

    test('a user who was renamed leaves the group by expiry too', async () => {
      const { person, uid, group, bystander, grantId, expiresAt } = await scene({ durationSeconds: 2 });
      await admin.rename(person.dn, dn(s.person(`${uid}-new`)));
      await past(expiresAt);
      const ended = await s.endOf(grantId);
      assert.deepEqual([ended.cause, ended.membership], ['expired', 'removed']);
      await holds(group, [bystander]);
    });

    test('a user whom an administrator added again under the new name leaves under both', async () => {
      const { person, uid, group, bystander, ends, add } = await scene();
      const renamed = s.person(`${uid}-new`);
      await admin.rename(person.dn, dn(renamed));
      if (!keepsReferences) await add(renamed);
      await ends({ outcome: 'revoked', membership: 'removed' });
      await holds(group, [bystander]);
    });

    test('after an extension under a new name, both values of ours leave, and whoever took the old name keeps only what others gave', async () => {
      const { person, uid, group, bystander, ends, grantId, add } = await scene();
      const renamed = dn(s.person(`${uid}-new`));
      await admin.rename(person.dn, renamed);
      const { jobId } = await s.grant({ grantId, user: { dn: renamed }, group: { dn: group }, durationSeconds: 600 });
      assert.equal(await succeeded(s, jobId), 'updated');
      await admin.addUser(person);
      // Without referential integrity our own value still stands there, and is no gift to whoever took the name.
      if (keepsReferences) await add(person.dn);
      await ends({ outcome: 'revoked', membership: 'removed' });
      await holds(group, keepsReferences ? [bystander, person.dn] : [bystander]);
    });

    test('a user who moved out of scope leaves the group all the same', async () => {
      const { person, group, bystander, ends } = await scene();
      await admin.rename(person.dn, elsewhere(person.dn, 'contractors'));
      await ends({ outcome: 'revoked', membership: 'removed' });
      await holds(group, [bystander]);
    });

    test('a user who was deleted leaves nothing behind, once two sightings have proved it', async () => {
      const { person, group, bystander, ends, overdue, grantId } = await scene();
      await admin.delete(person.dn);
      const { jobId } = await s.revoke(grantId);
      await overdue('user_not_found');
      await ends({
        outcome: keepsReferences ? 'already_absent' : 'revoked',
        membership: keepsReferences ? 'already_absent' : 'removed',
        jobId,
      });
      await holds(group, [bystander]);
    });

    test('whoever is created under the name of a deleted user does not inherit our value', async () => {
      const { person, group, bystander, ends, drifts } = await scene();
      await admin.delete(person.dn);
      await admin.addUser(person);
      await holds(group, keepsReferences ? [bystander] : [bystander, person.dn]);
      await ends({
        outcome: keepsReferences ? 'already_absent' : 'revoked',
        membership: keepsReferences ? 'already_absent' : 'removed',
      });
      await holds(group, [bystander]);
      assert.deepEqual(await drifts(), []);
    });

    test('whoever was given the membership after a probe saw it absent keeps it, and it is told as recreated', async () => {
      const { person, group, bystander, ends, overdue, drifts, grantId, add, remove } = await scene();
      await admin.delete(person.dn);
      // With referential integrity the directory takes the value away by itself.
      if (!keepsReferences) await remove(person.dn);
      const { jobId } = await s.revoke(grantId);
      await overdue('user_not_found');
      await admin.addUser(person);
      await add(person.dn);
      await ends({ outcome: 'already_absent', membership: 'already_absent', jobId });
      await holds(group, [bystander, person.dn]);
      assert.deepEqual(await drifts(), ['recreated reported']);
    });

    test('whoever took the name of a renamed user keeps a membership beside the one that followed the user', async () => {
      const { person, uid, group, bystander, ends, drifts, add } = await scene();
      const renamed = s.person(`${uid}-new`);
      await admin.rename(person.dn, dn(renamed));
      await admin.addUser(person);
      await add(keepsReferences ? person.dn : renamed);
      assert.equal((await s.ldap.members(group)).length, 3);
      await ends({ outcome: 'revoked', membership: 'removed' });
      await holds(group, [bystander, person.dn]);
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
      await holds(group, [bystander, keepsReferences ? renamed : person.dn]);
      await assertToldOnce(s);
    });

    test('a group that was renamed is found by its id', async () => {
      const { group, cn, bystander, ends } = await scene();
      const renamed = dn(s.group(`${cn}-new`));
      await admin.rename(group, renamed);
      await ends({ outcome: 'revoked', membership: 'removed' });
      await holds(renamed, [bystander]);
    });

    test('a group that moved where our rights end is overdue, and its member leaves when it is back', async () => {
      const { group, bystander, person, grantId, ends } = await scene();
      const away = elsewhere(group, 'other-groups');
      await admin.rename(group, away);
      const { jobId } = await s.revoke(grantId);
      await s.event((told) => told.kind === 'grant.overdue' && told.grant.grantId === grantId);
      await holds(away, [bystander, person.dn]);
      await admin.rename(away, group);
      await ends({ outcome: 'revoked', membership: 'removed', jobId });
      await holds(group, [bystander]);
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
      await holds(group, [bystander, person.dn]);
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
      await holds(group, [bystander]);
    });

    if (hasPosixGroups) {
      test('a uid that changed during the grant leaves memberUid under both spellings', async () => {
        cases += 1;
        const uid = `posix${cases}`;
        const person = dn(`cn=Posix ${cases},${s.ldap.usersScope}`);
        const group = dn(s.group(`posix-${cases}`));
        await admin.addUser({ dn: person, uids: [uid], mails: [] });
        await admin.addGroup({ dn: group, name: `posix-${cases}`, attribute: 'memberUid', values: ['elif'] });
        const { grantId } = await granted(s, { user: { dn: person }, group: { dn: group }, durationSeconds: 300 });
        await holds(group, ['elif', uid]);
        await s.ldap.modify(`dn: ${person}\nchangetype: modify\nreplace: uid\nuid: ${uid}-new\n`);
        assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
        await holds(group, ['elif']);
        await assertToldOnce(s);
      });
    }
  });
}
