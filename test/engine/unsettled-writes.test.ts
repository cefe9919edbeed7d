import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { HOUR_MS, MINUTE_MS, settled, startedEngine, userDn } from '../support/engine-under-test.ts';

describe('a write whose answer was lost', () => {
  test('is found out by reading: applied, it is granted at the instant of its intent', async () => {
    const { rig, ada, admins } = await startedEngine();
    const at = rig.now();
    rig.fake.loseNextAnswer('applied');
    const job = await rig.grant();
    assert.equal(rig.outcomeOf(job), null);
    assert.deepEqual(
      rig.of('job.delayed').map(({ error }) => error.code),
      ['directory_unavailable'],
    );
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(job), 'granted');
    const grant = await rig.grantOf();
    assert.equal(grant?.state === 'active' && grant.activatedAt, at);
    assert.equal(grant?.state === 'active' && grant.standing, false);
    assert.equal(changes(rig).length, 1);
    await rig.pass(HOUR_MS);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('is written again where it came to nothing', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.fake.loseNextAnswer('not_applied');
    const job = await rig.grant();
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(job), 'granted');
    assert.ok(rig.isMember(ada, admins));
    assert.equal(changes(rig).length, 2);
  });

  test('is never claimed with an end that was refused before it, though the rules have become narrower since', async () => {
    const options = { maxGrantMs: 8 * HOUR_MS };
    const { rig, ada, admins } = await startedEngine(options);
    rig.fake.goDown();
    const tooLong = await rig.grant({ seconds: 9 * 3600 });
    const allowed = await rig.grant({ seconds: 2 * 3600 });
    rig.crashAt('grant.probed-after');
    rig.fake.goUp();
    await rig.pass(1000);
    assert.ok(rig.hasCrashed());
    options.maxGrantMs = HOUR_MS;
    await rig.start();
    await rig.pass(MINUTE_MS);
    assert.deepEqual([rig.outcomeOf(tooLong), rig.outcomeOf(allowed)], ['policy_denied', 'granted']);
    await rig.pass(2 * HOUR_MS);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('is ours where it takes effect only after the grant was written again and revoked', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.fake.loseNextAnswer('applied_later');
    await rig.grant();
    await rig.pass(1000);
    assert.equal(await rig.stateOf(), 'active');
    const revoke = await rig.revoke();
    await rig.pass(500);
    rig.fake.applyLate();
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf(revoke), 'revoked');
    assert.ok(!rig.isMember(ada, admins));
  });

  test('does not prove a failure while it may still take effect', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.fake.loseNextAnswer('applied_later');
    const job = await rig.grant();
    const revoke = await rig.revoke();
    await rig.pass(4000);
    assert.equal(rig.outcomeOf(revoke), null);
    rig.fake.applyLate();
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(rig.outcomeOf(job), 'grant_revoked');
    assert.equal(rig.outcomeOf(revoke), 'revoked');
  });

  test('of a grant that was cancelled: it was never active, and is told as revoked though it is due at the next start', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.fake.loseNextAnswer('applied');
    const job = await rig.grant({ seconds: 1 });
    // The process ends where a second transaction would come.
    rig.ledger.failNext('beginEnding', new LedgerError('no_space', 'cannot write'));
    const revoke = await rig.revoke();
    rig.crash();
    await rig.pass(2000);
    await rig.start();
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(rig.outcomeOf(job), 'grant_revoked');
    assert.equal(rig.outcomeOf(revoke), 'revoked');
    assert.deepEqual(
      rig.of('grant.ended').map(({ cause }) => cause),
      ['revoked'],
    );
  });

  test('that restored a membership is waited for by the ending that follows', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    takeOut(rig, ada, admins);
    rig.fake.loseNextAnswer('applied_later');
    await rig.grant({ seconds: 7200 });
    const revoke = await rig.revoke();
    await rig.pass(1000);
    rig.fake.applyLate();
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(rig.outcomeOf(revoke), 'revoked');
  });

  test('is remembered by its value, even after the user was renamed and the grant was written again', async () => {
    const { rig, ada, admins } = await startedEngine();
    const renamed = userDn('ada2');
    rig.fake.loseNextAnswer('applied_later');
    await rig.grant();
    rig.fake.tree.rename(ada, renamed);
    await rig.pass(1000);
    assert.equal(await rig.stateOf(), 'active');
    assert.ok(rig.isMember(renamed, admins));
    rig.fake.applyLate();
    await rig.pass(5000);
    await rig.revoke();
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(renamed, admins));
    assert.ok(!rig.isMember(ada, admins), 'the old name is still in the group');
  });

  test('leaves no value behind where its removal is refused after the user was renamed', async () => {
    const { rig, ada, admins } = await startedEngine();
    const renamed = userDn('ada2');
    rig.fake.loseNextAnswer('applied');
    await rig.grant();
    rig.fake.tree.rename(ada, renamed);
    rig.fake.refuseNext('busy');
    await rig.revoke();
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(await rig.stateOf(), 'ended');
  });

  test('of a removal: a grant that follows is written only when it can no longer take effect', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    rig.fake.loseNextAnswer('applied_later');
    const revoke = await rig.revoke();
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(revoke), 'revoked');
    const next = await rig.grant({ grantId: 'g2' });
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(next), null, 'granted while our own removal may still undo it');
    rig.fake.applyLate();
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf(next), 'granted');
    assert.ok(rig.isMember(ada, admins));
  });

  test('of a removal that an earlier life sent: a grant waits for it too', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    rig.fake.loseNextAnswer('applied_later');
    rig.crashAt('end.intent-stored');
    await rig.revoke().catch(() => undefined);
    await rig.pass(0);
    rig.neverCrash();
    await rig.restart();
    const next = await rig.grant({ grantId: 'g2' });
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(next), null, 'nobody knows whether the earlier life had sent it');
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf(next), 'granted');
    assert.ok(rig.isMember(ada, admins));
  });

  test('of a removal whose answer an earlier life lost: a grant waits for it too', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    rig.fake.loseNextAnswer('applied_later');
    const revoke = await rig.revoke();
    assert.equal(rig.outcomeOf(revoke), null);
    await rig.restart();
    const next = await rig.grant({ grantId: 'g2' });
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(next), null, 'granted while the removal of the earlier life may still undo it');
    rig.fake.applyLate();
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf(next), 'granted');
    assert.ok(rig.isMember(ada, admins));
  });

  for (const { what, before, after } of [
    { what: 'an addition', before: 'grant', after: 'revoke' },
    { what: 'a removal', before: 'revoke', after: 'grant' },
  ] as const) {
    test(`of ${what} that was made again is still waited for by the next life`, async () => {
      const { rig, ada, admins } = await startedEngine();
      const ask = { grant: () => rig.grant({ grantId: before === 'grant' ? 'g1' : 'g2' }), revoke: () => rig.revoke() };
      if (before === 'revoke') await rig.grant();
      rig.fake.loseNextAnswer('applied_later');
      const first = await ask[before]();
      await rig.pass(1000);
      assert.notEqual(rig.outcomeOf(first), null);
      await rig.restart();
      const next = await ask[after]();
      await rig.pass(1000);
      assert.equal(rig.outcomeOf(next), null, 'the write of the earlier life may still undo it');
      rig.fake.applyLate();
      await rig.pass(MINUTE_MS);
      assert.equal(rig.outcomeOf(next), after === 'grant' ? 'granted' : 'revoked');
      assert.equal(rig.isMember(ada, admins), after === 'grant');
    });
  }

  test('of a removal: applied, it is told as removed', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    rig.fake.loseNextAnswer('applied');
    const revoke = await rig.revoke();
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(revoke), 'revoked');
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(changes(rig).length, 2);
  });

  test('of a removal: not applied, it is removed again', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    rig.fake.loseNextAnswer('not_applied');
    const revoke = await rig.revoke();
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(revoke), 'revoked');
    assert.ok(!rig.isMember(ada, admins));
  });
});

describe('a write of another person', () => {
  test('between our probe and our modify is standing access', async () => {
    const { rig, ada, admins } = await startedEngine();
    const held = rig.fake.holdNext('change');
    const submitted = rig.grant({ seconds: 60 });
    await held.reached;
    putInto(rig, ada, admins);
    held.go();
    const job = await submitted;
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(job), 'already_standing');
    await rig.pass(2 * MINUTE_MS);
    assert.ok(rig.isMember(ada, admins));
  });

  test('after a refused restore is theirs: standing access goes on', async () => {
    const { rig, ada, admins } = await startedEngine();
    putInto(rig, ada, admins);
    const first = await rig.grant({ seconds: 60 });
    assert.equal(rig.outcomeOf(first), 'already_standing');
    takeOut(rig, ada, admins);
    rig.fake.refuseNext('refused');
    const second = await rig.grant({ grantId: 'g2' });
    assert.equal(rig.outcomeOf(second), 'directory_refused');
    putInto(rig, ada, admins);
    await rig.pass(2 * MINUTE_MS);
    assert.equal(await rig.stateOf(), 'ended');
    assert.ok(rig.isMember(ada, admins));
  });
});

describe('an update that could not restore a membership', () => {
  test('leaves nothing open once it has expired: another grant of the pair is written', async () => {
    const { rig, ada, admins } = await startedEngine({ maxPendingMs: 10_000 });
    await rig.grant();
    takeOut(rig, ada, admins);
    rig.fake.loseNextAnswer('not_applied');
    const update = await rig.grant({ seconds: 7200 });
    rig.fake.goDown();
    await rig.pass(20_000);
    rig.fake.goUp();
    await rig.pass(20_000);
    assert.equal(rig.outcomeOf(update), 'job_expired');
    const other = await rig.grant({ grantId: 'g2' });
    await rig.pass(5000);
    assert.equal(rig.outcomeOf(other), 'granted');
    assert.ok(rig.isMember(ada, admins));
  });

  test('does not keep new grants waiting after a restart', async () => {
    const { rig, ada, admins } = await startedEngine({ maxPendingMs: 10_000 });
    rig.addUser('bob');
    await rig.grant();
    takeOut(rig, ada, admins);
    rig.fake.loseNextAnswer('not_applied');
    await rig.grant({ seconds: 7200 });
    rig.fake.goDown();
    await rig.pass(20_000);
    rig.fake.goUp();
    await rig.pass(20_000);
    await rig.restart();
    const other = await rig.grant({ grantId: 'g2', user: 'bob' });
    await rig.pass(5000);
    assert.equal(rig.outcomeOf(other), 'granted');
  });

  test('whose group has vanished is refused, and leaves nothing open', async () => {
    const { rig, ada, admins } = await startedEngine({ maxPendingMs: 10_000 });
    await rig.grant();
    takeOut(rig, ada, admins);
    rig.fake.loseNextAnswer('not_applied');
    const update = await rig.grant({ seconds: 7200 });
    rig.fake.tree.delete(admins);
    await rig.pass(5000);
    assert.equal(rig.outcomeOf(update), 'group_not_found');
    assert.deepEqual((await rig.ledger.unfinished()).intents, []);
  });
});

describe('a job that joins a pending grant', () => {
  test('is judged by the policy, even where the first write was only found out later', async () => {
    const { rig } = await startedEngine({ maxGrantMs: 2 * HOUR_MS });
    rig.fake.loseNextAnswer('applied');
    const held = rig.fake.holdNext('change');
    const first = rig.grant({ seconds: 3600 });
    await held.reached;
    const second = rig.grant({ seconds: 100 * 3600 });
    await settled();
    held.go();
    await Promise.all([first, second]);
    await rig.pass(5000);
    const grant = await rig.grantOf();
    assert.ok(grant?.state === 'active' && grant.expiresAt - grant.activatedAt <= 2 * HOUR_MS);
    assert.deepEqual(['j1', 'j2'].map(rig.outcomeOf), ['granted', 'policy_denied']);
  });

  test('and names another user is told so, even where the first write was only found out later', async () => {
    const { rig } = await startedEngine();
    rig.addUser('bob');
    rig.fake.loseNextAnswer('applied');
    const held = rig.fake.holdNext('change');
    const first = rig.grant({ seconds: 3600 });
    await held.reached;
    const second = rig.grant({ seconds: 60, user: 'bob' });
    await settled();
    held.go();
    await Promise.all([first, second]);
    await rig.pass(5000);
    assert.deepEqual(['j1', 'j2'].map(rig.outcomeOf), ['granted', 'grant_conflict']);
    const grant = await rig.grantOf();
    assert.equal(grant?.state === 'active' && grant.expiresAt - grant.activatedAt, HOUR_MS);
  });
});

describe('a pending grant', () => {
  test('belongs to the person it was first resolved to, not to the next one of that name', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.fake.loseNextAnswer('applied_later');
    const job = await rig.grant({ user: { dn: ada } });
    rig.fake.tree.delete(ada);
    rig.addUser('ada');
    rig.fake.applyLate();
    await rig.pass(10 * MINUTE_MS);
    assert.notEqual(rig.outcomeOf(job), null);
    await rig.revoke();
    await rig.pass(10 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins), 'the write of the first person has leaked to the second');
    assert.deepEqual((await rig.ledger.unfinished()).intents, []);
  });

  test('is not turned over to a person who took the name before it was written', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.fake.loseNextAnswer('not_applied');
    const job = await rig.grant({ user: { dn: ada } });
    rig.fake.tree.delete(ada);
    rig.addUser('ada');
    await rig.pass(10 * MINUTE_MS);
    assert.equal(rig.outcomeOf(job), 'user_not_found');
    assert.ok(!rig.isMember(ada, admins));
    assert.deepEqual((await rig.ledger.unfinished()).intents, []);
  });
});

type Rig = Awaited<ReturnType<typeof startedEngine>>['rig'];

function changes(rig: Rig) {
  return rig.fake.operations.filter(({ method }) => method === 'change');
}

function takeOut(rig: Rig, user: Dn, group: Dn): void {
  assert.equal(rig.fake.tree.apply({ group, attribute: 'member', add: [], remove: [user] }), 0);
}

function putInto(rig: Rig, user: Dn, group: Dn): void {
  assert.equal(rig.fake.tree.apply({ group, attribute: 'member', add: [user], remove: [] }), 0);
}
