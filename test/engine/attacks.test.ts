import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import { DAY_MS, type EngineUnderTest, HOUR_MS, MINUTE_MS, startedEngine, userDn } from '../support/engine-under-test.ts';

/** By somebody else, behind the connector's back. */
const takeOut = (rig: EngineUnderTest, user: Dn, group: Dn) =>
  rig.fake.tree.apply({ group, attribute: 'member', add: [], remove: [user] });
const putIn = (rig: EngineUnderTest, user: Dn, group: Dn) =>
  rig.fake.tree.apply({ group, attribute: 'member', add: [user], remove: [] });

describe('what an attacker of the invariants found', () => {
  test('an older copy that went on by itself before its first hello is still found out, and nothing it has to tell is forgotten', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ seconds: 60 });
    const backupNextSeq = (await rig.ledger.identity()).nextSeq;
    // The lost life told one event more (say, the outcome of one other grant), and the control plane stored it.
    const knownSeq = backupNextSeq;
    rig.crash();
    rig.knows(knownSeq);
    await rig.start({ link: false });
    await rig.pass(2 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    const answer = await rig.connect();
    // It knows nothing under the new id.
    rig.knows(undefined);
    if (answer === 'replaced') await rig.connect();
    await rig.pass(1000);
    assert.equal(rig.of('grant.ended').length, 1, `grant.ended was never told; welcome was ${answer}`);
    assert.equal(answer, 'replaced');
  });

  test('a job of another pair that waits is not told "updated" when a later job changes the grant', async () => {
    const { rig } = await startedEngine();
    rig.addUser('bob');
    await rig.grant({ seconds: 3600 });
    const grant = await rig.grantOf();
    assert.ok(grant?.state === 'active');
    rig.fake.goDown();
    const other = await rig.grant({ user: 'bob', seconds: 7200 });
    const shorten = await rig.grant({ user: { id: grant.pair.user.id }, group: { id: grant.pair.group.id }, seconds: 1800 });
    rig.fake.goUp();
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf(shorten), 'updated');
    assert.equal(rig.outcomeOf(other), 'grant_conflict');
  });

  test('what was seen absent stays seen while an unsettled restore is open', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ seconds: 3600 });
    takeOut(rig, ada, admins);
    rig.fake.loseNextAnswer('not_applied');
    await rig.grant({ seconds: 7200 });
    await rig.revoke();
    rig.fake.goDown();
    rig.fake.tree.delete(ada);
    rig.fake.goUp();
    await rig.pass(20_000); // late writes are over, user missing, first sighting
    // an admin creates a new person at that name, and puts them into the group
    rig.addUser('ada');
    putIn(rig, ada, admins);
    await rig.pass(10 * MINUTE_MS);
    assert.equal(await rig.stateOf(), 'ended');
    assert.ok(rig.isMember(ada, admins), 'the new ada was taken out');
  });

  test('a membership that another put in, after our probe saw it absent and nothing of ours was written, is not removed', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ seconds: 3600 });
    takeOut(rig, ada, admins); // an admin takes ada out
    rig.fake.refuseNext('refused');
    const second = await rig.grant({ grantId: 'g2', seconds: 600 });
    assert.equal(rig.outcomeOf(second), 'directory_refused');
    putIn(rig, ada, admins); // an admin gives ada standing access
    await rig.pass(2 * HOUR_MS);
    assert.equal(await rig.stateOf(), 'ended');
    assert.ok(rig.isMember(ada, admins), 'standing access was taken away');
  });

  test('nothing is forgotten by a clock that cannot be believed', async () => {
    const { rig } = await startedEngine();
    const job = await rig.grant({ seconds: 60 });
    await rig.pass(2 * MINUTE_MS);
    rig.clock.step(400 * DAY_MS);
    await rig.pass(1000);
    rig.clock.step(-400 * DAY_MS);
    await rig.pass(HOUR_MS + 1000);
    assert.equal(rig.engine.status().clock.trusted, false);
    assert.notEqual(await rig.ledger.job(job as never), null, 'the job was forgotten minutes after it was settled');
  });

  for (const method of ['change', 'probe'] as const)
    test(`a user who is renamed between look-up and ${method} of an ending does not stay in the group where values follow`, async () => {
      const { rig, ada, admins } = await startedEngine({ referentialIntegrity: true });
      await rig.grant({ seconds: 3600 });
      const held = rig.fake.holdNext(method);
      const revoke = await rig.revoke();
      await held.reached;
      const renamed = userDn('ada2');
      rig.fake.tree.rename(ada, renamed);
      held.go();
      await rig.pass(HOUR_MS / 2);
      assert.equal(rig.outcomeOf(revoke), 'revoked');
      assert.ok(!rig.isMember(renamed, admins));
    });

  for (const referentialIntegrity of [true, false])
    test(`a user who is renamed while the write waits is written by the new name, and nobody by the old (referential integrity: ${referentialIntegrity})`, async () => {
      const { rig, ada, admins } = await startedEngine({ referentialIntegrity });
      await rig.grant({ seconds: 3600 });
      const held = rig.fake.holdNext('change');
      await rig.revoke();
      await held.reached;
      const second = await rig.grant({ grantId: 'g2', seconds: 3600 });
      const renamed = userDn('ada2');
      rig.fake.tree.rename(ada, renamed);
      rig.addUser('ada');
      held.go();
      await rig.pass(MINUTE_MS);
      assert.equal(rig.outcomeOf(second), 'granted');
      assert.ok(!rig.isMember(ada, admins));
      assert.ok(rig.isMember(renamed, admins));
    });

  for (const point of ['end.intent-stored', 'end.modify-answered', 'end.probed-after', 'end.claimed'] as const)
    test(`whoever was given the old name of a renamed user keeps the membership over a crash at ${point}`, async () => {
      const { rig, ada, admins } = await startedEngine({ referentialIntegrity: true });
      await rig.grant({ seconds: 3600 });
      const renamed = userDn('ada2');
      rig.fake.tree.rename(ada, renamed);
      rig.addUser('ada');
      putIn(rig, ada, admins);
      rig.crashAt(point);
      await rig.revoke().catch(() => undefined);
      await rig.pass(1000);
      assert.ok(rig.hasCrashed());
      await rig.start();
      await rig.pass(MINUTE_MS);
      assert.equal(await rig.stateOf(), 'ended');
      assert.ok(!rig.isMember(renamed, admins));
      assert.ok(rig.isMember(ada, admins));
      assert.equal(rig.of('grant.drifted').filter(({ observed }) => observed === 'recreated').length, 1);
    });
});
