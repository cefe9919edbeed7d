import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import { type EngineUnderTest, MINUTE_MS, startedEngine, userDn } from '../support/engine-under-test.ts';
import type { LostAnswer } from '../support/fake-directory.ts';
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

suite('what stands under a name that was written for the first, and was seen absent for the second since, is not ours', () => {
  for (const restart of [false, true]) {
    const told = restart ? ', across a restart' : '';
    test(`who is put in by hand after a grant of theirs has ended stays when the first ends${told}`, async () => {
      const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES.openldap_refint });
      await rig.grant();
      makeAnew(rig, ada);
      assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g2' })), 'granted');
      await rig.revoke({ grantId: 'g2' });
      assert.ok(!rig.isMember(ada, admins));
      putIn(rig, ada, admins);
      if (restart) await rig.restart();
      const revoke = await rig.revoke();
      await rig.pass(5 * MINUTE_MS);
      assert.equal(rig.outcomeOf(revoke), 'already_absent');
      assert.ok(rig.isMember(ada, admins), 'standing access of the second was taken away');
      assert.deepEqual(drifts(rig), ['g1 recreated reported']);
    });
  }

  test('nor where the write for the first was lost, and could not take effect any more when the second was taken out', async () => {
    const { rig, ada, admins, renamed } = await lostThenRenamed();
    await rig.pass(MINUTE_MS);
    await rig.revoke({ grantId: 'g2' });
    assert.ok(!rig.isMember(ada, admins));
    putIn(rig, ada, admins);
    await rig.revoke();
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(renamed, admins));
    assert.ok(rig.isMember(ada, admins), 'standing access of the second was taken away');
  });

  test('but it is where the lost write for the first took effect after the second was taken out', async () => {
    const { rig, ada, admins, renamed } = await lostThenRenamed('applied_later');
    await rig.pass(1000);
    await rig.revoke({ grantId: 'g2' });
    assert.ok(!rig.isMember(ada, admins));
    rig.fake.applyLate();
    assert.ok(rig.isMember(ada, admins));
    await rig.revoke();
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(renamed, admins));
    assert.ok(!rig.isMember(ada, admins), 'what was written for the first has leaked to the second');
  });

  test('nor where the second was found to be gone before an end that took nothing out', async () => {
    const { rig, ada, admins } = await lostThenRenamed();
    await rig.pass(MINUTE_MS);
    takeOut(rig, ada, admins);
    await rig.revoke({ grantId: 'g2' });
    putIn(rig, ada, admins);
    await rig.revoke();
    await rig.pass(MINUTE_MS);
    assert.ok(rig.isMember(ada, admins), 'standing access of the second was taken away');
  });

  test('nor where the first was only met by that name, to which it had followed', async () => {
    const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES.openldap_refint });
    await rig.grant();
    const renamed = userDn('lovelace');
    rig.fake.tree.rename(ada, renamed);
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g3', user: { dn: renamed } })), 'covered_by_grant');
    await rig.pass(1000);
    rig.fake.tree.delete(renamed);
    rig.fake.tree.add({ kind: 'user', dn: renamed, uids: ['lovelace'], mails: [] });
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g2', user: { dn: renamed } })), 'granted');
    await rig.revoke({ grantId: 'g2' });
    putIn(rig, renamed, admins);
    await rig.revoke();
    await rig.revoke({ grantId: 'g3' });
    await rig.pass(5 * MINUTE_MS);
    assert.ok(rig.isMember(renamed, admins), 'standing access of the second was taken away');
  });

  test('but it is where the first was met by that name after the second had left it', async () => {
    const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES.openldap_refint });
    const [first, second] = [userDn('first'), userDn('second')];
    rig.addUser('first');
    await rig.grant({ user: { dn: first } });
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g2' })), 'granted');
    await rig.revoke({ grantId: 'g2' });
    rig.fake.tree.rename(ada, second);
    rig.fake.tree.rename(first, ada);
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g3', user: { dn: ada } })), 'covered_by_grant');
    // Referential integrity misses the deletion, as it does for the last member of a group.
    const values = rig.fake.tree.group(admins)?.values ?? [];
    rig.fake.tree.delete(ada);
    rig.fake.tree.rename(second, ada);
    rig.fake.tree.group(admins)?.values.splice(0, Number.POSITIVE_INFINITY, ...values);
    await rig.revoke();
    await rig.revoke({ grantId: 'g3' });
    await rig.pass(5 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins), 'what was written for the first has leaked to the second');
  });

  test('but it is where the first was written under that name again, after the second had left it', async () => {
    const { rig, ada, admins } = await startedEngine();
    const [away, first] = [userDn('away'), userDn('first')];
    rig.fake.tree.rename(ada, away);
    await rig.grant({ user: { dn: away }, seconds: 7200 });
    rig.addUser('ada');
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g2', user: { dn: ada } })), 'granted');
    await rig.revoke({ grantId: 'g2' });
    rig.fake.tree.rename(ada, first);
    rig.fake.tree.rename(away, ada);
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g3', user: { dn: ada } })), 'granted');
    rig.fake.tree.rename(ada, away);
    rig.fake.tree.rename(first, ada);
    assert.ok(rig.isMember(ada, admins));
    await rig.revoke();
    await rig.revoke({ grantId: 'g3' });
    await rig.pass(5 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins), 'what was written for the first has leaked to the second');
  });

  test('but another server may still have what was written for the first: what was seen before it took over says nothing', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ seconds: 7200 });
    await rig.pass(20 * MINUTE_MS);
    await seenAbsentForTheNext({ rig, ada, admins });
    rig.fake.failOver();
    await rig.pass(MINUTE_MS);
    putIn(rig, ada, admins);
    await rig.revoke();
    await rig.pass(20 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins), 'what was written for the first has leaked to the second');
  });

  test('nor does what is seen on one that lags: it may catch up with what was written for the first', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ seconds: 7200 });
    rig.fake.failOver();
    await rig.pass(MINUTE_MS);
    await seenAbsentForTheNext({ rig, ada, admins });
    putIn(rig, ada, admins);
    await rig.revoke();
    await rig.pass(20 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins), 'what was written for the first has leaked to the second');
  });

  test('what was seen there longer after it took over than it may lag says it again', async () => {
    const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES.openldap_refint });
    await rig.grant({ seconds: 7200 });
    rig.fake.failOver();
    await rig.pass(20 * MINUTE_MS);
    makeAnew(rig, ada);
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g2' })), 'granted');
    await rig.revoke({ grantId: 'g2' });
    putIn(rig, ada, admins);
    await rig.revoke();
    await rig.pass(5 * MINUTE_MS);
    assert.ok(rig.isMember(ada, admins), 'standing access of the second was taken away');
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

/** The first is gone, and so is the value; the next of that name cannot be put in. */
async function seenAbsentForTheNext({ rig, ada, admins }: { rig: EngineUnderTest; ada: Dn; admins: Dn }): Promise<void> {
  takeOut(rig, ada, admins);
  makeAnew(rig, ada);
  rig.fake.refuseNext('refused');
  assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g2' })), 'directory_refused');
}

/** The write for the first is lost, who is renamed; the second is granted by that name, and then the first by the new one. */
async function lostThenRenamed(fate: LostAnswer = 'not_applied') {
  const { rig, ada, admins } = await startedEngine({ personality: PERSONALITIES.openldap_refint });
  rig.fake.loseNextAnswer(fate);
  const locating = rig.fake.holdNext('locateGroup');
  const job = await rig.grant({ user: { id: rig.fake.tree.at(ada)?.id ?? '' } });
  locating.go();
  const renamed = userDn('lovelace');
  rig.fake.tree.rename(ada, renamed);
  rig.fake.tree.add({ kind: 'user', dn: ada, uids: ['ada2'], mails: [] });
  assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g2', user: { dn: ada } })), 'granted');
  await rig.pass(1000);
  assert.equal(rig.outcomeOf(job), 'granted');
  assert.ok(rig.isMember(renamed, admins));
  return { rig, ada, admins, renamed };
}

function takeOut(rig: EngineUnderTest, user: Dn, group: Dn): void {
  assert.equal(rig.fake.tree.apply({ group, attribute: 'member', add: [], remove: [user] }), 0);
}

function putIn(rig: EngineUnderTest, user: Dn, group: Dn): void {
  assert.equal(rig.fake.tree.apply({ group, attribute: 'member', add: [user], remove: [] }), 0);
}

function drifts(rig: EngineUnderTest): readonly string[] {
  return rig.of('grant.drifted').map(({ grant, observed, action }) => `${grant.grantId} ${observed} ${action}`);
}
