import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import { type EngineUnderTest, MINUTE_MS, startedEngine, userDn } from '../support/engine-under-test.ts';
import { PERSONALITIES, type ServerName } from '../support/fake-servers.ts';

/** Servers on which what was written for one who is deleted leaves with them, so that the next of that name begins without. */
const FOLLOWING = ['openldap_refint', 'samba'] as const satisfies readonly ServerName[];

suite('where two people had one name, one after the other', () => {
  for (const server of FOLLOWING) {
    test(`a membership that was written for the second is not granted to the first, whose own answer was lost (${server})`, async () => {
      const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES[server] });
      rig.fake.loseNextAnswer('applied');
      const first = await rig.grant();
      makeAnew(rig, ada);
      const second = await rig.grant({ grantId: 'g2' });
      assert.equal(rig.outcomeOf(second), 'granted');
      await rig.pass(5 * MINUTE_MS);
      assert.equal(rig.outcomeOf(first), 'user_not_found');
      assert.equal(await rig.stateOf(), 'failed');
      assert.equal(await rig.stateOf('g2'), 'active');
      assert.ok(rig.isMember(ada, admins), 'the second was taken out for the first');
      assert.deepEqual(rig.of('grant.drifted'), []);
    });

    test(`the ending of the first leaves the second in the group, for whom it was written (${server})`, async () => {
      const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES[server] });
      await rig.grant();
      makeAnew(rig, ada);
      assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g2' })), 'granted');
      const revoke = await rig.revoke();
      await rig.pass(5 * MINUTE_MS);
      assert.equal(rig.outcomeOf(revoke), 'already_absent');
      assert.ok(rig.isMember(ada, admins), 'the second was taken out for the first');
      assert.deepEqual(drifts(rig), ['g1 recreated reported']);
      assert.equal(rig.outcomeOf(await rig.revoke({ grantId: 'g2' })), 'revoked');
      assert.ok(!rig.isMember(ada, admins));
    });

    test(`the ending of the first waits until it is known whether the second was written (${server})`, async () => {
      const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES[server] });
      await rig.grant();
      makeAnew(rig, ada);
      rig.fake.loseNextAnswer('applied');
      const second = await rig.grant({ grantId: 'g2' });
      await rig.revoke();
      await rig.pass(5 * MINUTE_MS);
      assert.equal(rig.outcomeOf(second), 'granted');
      assert.equal(await rig.stateOf(), 'ended');
      assert.ok(rig.isMember(ada, admins), 'the second was taken out for the first');
    });
  }

  test('a text that was written for the first and not for the second is still found, and taken out', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.fake.loseNextAnswer('applied');
    await rig.grant({ seconds: 60 });
    makeAnew(rig, ada);
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g2', seconds: 3600 })), 'already_standing');
    await rig.pass(5 * MINUTE_MS);
    assert.equal(await rig.stateOf(), 'ended');
    assert.ok(!rig.isMember(ada, admins), 'what was written for the first has leaked to the second');
  });

  test('a link to the second, whoever made it, is never told as a grant of the first: it stays, and is reported', async () => {
    const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES.samba });
    rig.fake.loseNextAnswer('applied');
    const job = await rig.grant();
    makeAnew(rig, ada);
    putIn(rig, ada, admins);
    await rig.pass(5 * MINUTE_MS);
    assert.equal(rig.outcomeOf(job), 'user_not_found');
    assert.ok(rig.isMember(ada, admins));
    assert.deepEqual(drifts(rig), ['g1 recreated reported']);
    assert.deepEqual((await rig.ledger.unfinished()).intents, []);
  });

  test('the first is granted by the name that it has now, though the second is in the group by the one of before', async () => {
    const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES.samba });
    rig.fake.loseNextAnswer('not_applied');
    const job = await rig.grant();
    const renamed = userDn('lovelace');
    rig.fake.tree.rename(ada, renamed);
    rig.addUser('ada');
    putIn(rig, ada, admins);
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf(job), 'granted');
    assert.ok(rig.isMember(renamed, admins), 'granted, and not in the group');
    assert.equal(rig.outcomeOf(await rig.revoke()), 'revoked');
    assert.ok(!rig.isMember(renamed, admins));
    assert.ok(rig.isMember(ada, admins));
  });

  test('a link whose entry cannot be seen is waited for: it may lead to the first', async () => {
    const { rig, ada } = await startedEngine({ personality: PERSONALITIES.samba });
    rig.fake.loseNextAnswer('applied');
    const job = await rig.grant();
    rig.fake.tree.hide(ada);
    await rig.pass(5 * MINUTE_MS);
    assert.equal(rig.outcomeOf(job), null);
    rig.fake.tree.showAll();
    await rig.pass(5 * MINUTE_MS);
    assert.equal(rig.outcomeOf(job), 'granted');
  });

  test('access that the first had before us is not told as kept where it is the second who has it', async () => {
    const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES.samba });
    putIn(rig, ada, admins);
    assert.equal(rig.outcomeOf(await rig.grant()), 'already_standing');
    makeAnew(rig, ada);
    putIn(rig, ada, admins);
    const revoke = await rig.revoke();
    await rig.pass(5 * MINUTE_MS);
    assert.equal(rig.outcomeOf(revoke), 'already_absent');
    assert.ok(rig.isMember(ada, admins));
  });
});

suite('a write whose answer was lost', () => {
  test('is not taken for nothing where the user was renamed between the look-up and the probe', async () => {
    const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES.samba });
    rig.fake.loseNextAnswer('applied');
    await rig.grant();
    // Until it cannot take effect any more, and no grace is left.
    rig.fake.probesAreUnknown(true);
    await rig.pass(10_000);
    rig.fake.probesAreUnknown(false);
    const probing = rig.fake.holdNext('probe');
    const revoke = await rig.revoke();
    await probing.reached;
    const renamed = userDn('lovelace');
    rig.fake.tree.rename(ada, renamed);
    probing.go();
    await rig.pass(5 * MINUTE_MS);
    assert.notEqual(rig.outcomeOf(revoke), null);
    assert.ok(!rig.isMember(renamed, admins), 'cancelled, and in the group by another name');
  });
});

function makeAnew(rig: EngineUnderTest, dn: Dn): void {
  rig.fake.tree.delete(dn);
  rig.addUser('ada');
}

function putIn(rig: EngineUnderTest, user: Dn, group: Dn): void {
  assert.equal(rig.fake.tree.apply({ group, attribute: 'member', add: [user], remove: [] }), 0);
}

function drifts(rig: EngineUnderTest): readonly string[] {
  return rig.of('grant.drifted').map(({ grant, observed, action }) => `${grant.grantId} ${observed} ${action}`);
}
