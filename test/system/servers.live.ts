import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import type { DirectoryAdmin } from '../support/directory-contract/world.ts';
import { identityCases } from '../support/identity-cases.ts';
import { type KnownDirectory, PLAIN_389, REFINT_389, SAMBA_AD } from '../support/known-directories.ts';
import { type LdapProxy, startLdapProxy } from '../support/ldap-proxy.ts';
import { FULL_SCALE } from '../support/scale.ts';
import { assertToldOnce, granted, past, startReady, succeeded } from '../support/survival.ts';
import { type AnySystem, startSystemOn } from '../support/system.ts';

/** The main job from end to end, on a directory that is not OpenLDAP; what it holds is read by OpenLDAP's `ldapsearch`. */
function mainJobOn({ name, start, admin: adminOf, keepsReferences }: KnownDirectory): void {
  suite(`the connector on ${name}`, { concurrency: false }, () => {
    let s: AnySystem;
    let admin: DirectoryAdmin;
    let proxy: LdapProxy;
    let cases = 0;

    before(async () => {
      const ldap = await start(0);
      // From the first start on: a server at another address would be another one, on which nobody is gone for a quarter of an hour.
      proxy = await startLdapProxy(ldap);
      s = await startSystemOn(ldap, { env: { LDAP_URL: proxy.url } });
      admin = adminOf(s.ldap);
      await s.startStub();
      await startReady(s);
    });
    after(async () => {
      await s[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    });

    /** A new person, and a new group that holds somebody else. */
    async function scene() {
      cases += 1;
      const uid = `case${cases}`;
      const cn = `case-${cases}`;
      const person = s.person(uid) as Dn;
      const group = s.group(cn) as Dn;
      const bystander = s.person('amara');
      await admin.addUser({ dn: person, uids: [uid], mails: [`${uid}@example.test`] });
      await admin.addGroup({ dn: group, name: cn, attribute: 'member', values: [bystander] });
      const change = (verb: 'add' | 'remove', value: string) => admin.change(group, { attribute: 'member', [verb]: [value] });
      return {
        uid,
        person,
        async makeAnew(): Promise<void> {
          await admin.delete(person);
          await admin.addUser({ dn: person, uids: [uid], mails: [`${uid}@example.test`] });
        },
        change,
        request: (durationSeconds = 300) => ({ user: { username: uid }, group: { name: cn }, durationSeconds }),
        /** Exactly these are in the group beside the one who always is; how a name is spelt is the directory's own affair. */
        async holds(...values: readonly string[]): Promise<void> {
          const spelt = (names: readonly string[]) => names.map((one) => one.toLowerCase()).toSorted();
          assert.deepEqual(spelt(await s.ldap.members(group)), spelt([bystander, ...values]));
        },
      };
    }

    async function ends(grantId: string, cause: string, membership: string): Promise<void> {
      const ended = await s.endOf(grantId);
      assert.deepEqual([ended.cause, ended.membership], [cause, membership]);
      await assertToldOnce(s);
    }

    const revoke = async (grantId: string) => succeeded(s, (await s.revoke(grantId)).jobId);
    const renamedTo = (dn: Dn, uid: string) => `${dn.slice(0, dn.indexOf('='))}=${uid}${dn.slice(dn.indexOf(','))}` as Dn;

    test('a grant puts the user in, and its expiry takes the user out, on time', async () => {
      const { person, request, holds } = await scene();
      const { grantId, expiresAt } = await granted(s, request(2));
      await holds(person);
      await ends(grantId, 'expired', 'removed');
      assert.ok(Date.now() >= Date.parse(expiresAt));
      await holds();
    });

    test('standing access is told as such, and survives expiry and revoke', async () => {
      const { person, change, request, holds } = await scene();
      await change('add', person);
      const expiring = await s.grant(request(1));
      assert.equal(await succeeded(s, expiring.jobId), 'already_standing');
      await ends(expiring.grantId, 'expired', 'kept_standing');
      const revoked = await s.grant(request());
      assert.equal(await succeeded(s, revoked.jobId), 'already_standing');
      assert.equal(await revoke(revoked.grantId), 'kept_standing');
      await holds(person);
    });

    test('of two grants that overlap, the last to end takes the user out', async () => {
      const { person, request, holds } = await scene();
      const first = await granted(s, request());
      const second = await s.grant(request());
      assert.equal(await succeeded(s, second.jobId), 'covered_by_grant');
      assert.equal(await revoke(first.grantId), 'kept_by_grant');
      await holds(person);
      assert.equal(await revoke(second.grantId), 'revoked');
      await ends(second.grantId, 'revoked', 'removed');
      await holds();
    });

    test('the last member of a group can leave it', async () => {
      const { change, request } = await scene();
      const { grantId } = await granted(s, request());
      await change('remove', s.person('amara'));
      assert.equal(await revoke(grantId), 'revoked');
      const members = await s.ldap.members(s.group(`case-${cases}`));
      assert.deepEqual(members, [], 'no placeholder, where none is demanded');
      await ends(grantId, 'revoked', 'removed');
    });

    test('what somebody else took out meanwhile is told as absent', async () => {
      const { person, change, request, holds } = await scene();
      const { grantId } = await granted(s, request());
      await change('remove', person);
      assert.equal(await revoke(grantId), 'already_absent');
      await ends(grantId, 'revoked', 'already_absent');
      await holds();
    });

    test('a user who was renamed during the grant leaves the group', async () => {
      const { uid, person, request, holds } = await scene();
      const { grantId } = await granted(s, request());
      await admin.rename(person, renamedTo(person, `${uid}-new`));
      assert.equal(await revoke(grantId), 'revoked');
      await ends(grantId, 'revoked', 'removed');
      await holds();
    });

    test('a user who moved out of scope during the grant leaves the group', async () => {
      const { person, request, holds } = await scene();
      const { grantId, expiresAt } = await granted(s, request(3));
      const unit = `${s.ldap.usersScope.slice(0, 2)}=contractors,${s.ldap.baseDn}`;
      await admin.rename(person, `${person.slice(0, person.indexOf(','))},${unit}` as Dn);
      await past(expiresAt);
      await ends(grantId, 'expired', 'removed');
      await holds();
    });

    test('a user who was deleted during the grant leaves nothing in the group', async () => {
      const { person, request, holds } = await scene();
      const { grantId } = await granted(s, request());
      await admin.delete(person);
      assert.equal(await revoke(grantId), keepsReferences ? 'already_absent' : 'revoked');
      await ends(grantId, 'revoked', keepsReferences ? 'already_absent' : 'removed');
      await holds();
    });

    // Where values are links in each run, elsewhere in the long one.
    if (keepsReferences && (FULL_SCALE || name === SAMBA_AD.name))
      test('what was written for one who was made anew is not told as a grant of the one before, whose own answer was lost', async () => {
        const { person, request, holds, makeAnew } = await scene();
        proxy.spoil('lose-answer');
        // Until the one is gone and the next is there, the connector finds no way back.
        for (let i = 0; i < 50; i += 1) proxy.strike({ place: { at: 'connect' }, fault: 'reset' });
        const first = await s.grant(request());
        await proxy.spoilt();
        await makeAnew();
        await holds();
        const second = await s.grant({ ...request(), user: { dn: person } });
        proxy.calm();
        assert.equal(await succeeded(s, second.jobId), 'granted');
        const told = await s.outcome(first.jobId);
        assert.equal(told.kind === 'job.failed' && told.error.code, 'user_not_found', JSON.stringify(told));
        await holds(person);
        assert.equal(await revoke(second.grantId), 'revoked');
        await holds();
      });

    test('an expiry needs no control plane, and is told when it is back', async () => {
      const { person, request, holds } = await scene();
      const { grantId, expiresAt } = await granted(s, request(3));
      await holds(person);
      await s.stopStub();
      await s.member(s.group(`case-${cases}`), person, false);
      assert.ok(Date.now() >= Date.parse(expiresAt));
      await s.startStub();
      await ends(grantId, 'expired', 'removed');
      await holds();
    });

    test('an expiry that comes while the connector is away is done as it returns', async () => {
      const { person, request, holds } = await scene();
      const { grantId, expiresAt } = await granted(s, request(3));
      assert.equal(await s.stopConnector(), 0);
      await past(expiresAt);
      await holds(person);
      await startReady(s);
      await ends(grantId, 'expired', 'removed');
      await holds();
    });
  });
}

for (const directory of FULL_SCALE ? [PLAIN_389, REFINT_389, SAMBA_AD] : [REFINT_389, SAMBA_AD]) mainJobOn(directory);
if (FULL_SCALE) for (const directory of [PLAIN_389, REFINT_389, SAMBA_AD]) identityCases(directory);
