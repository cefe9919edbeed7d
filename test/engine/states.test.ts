import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { shareLink } from '../../src/link/share-link.ts';
import { HOUR_MS, MINUTE_MS, settled, startedEngine, userDn } from '../support/engine-under-test.ts';
import { fakeLink } from '../support/fake-link.ts';
import { WELCOME } from '../support/link-contract.ts';

describe('an ending that is refused', () => {
  test('is told again and again with backoff, never given up, and done once it is allowed', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    const { apply } = rig.fake.tree;
    rig.fake.tree.apply = () => 50;
    const since = rig.now();
    const revoke = await rig.revoke();
    await rig.pass(30 * MINUTE_MS);
    assert.equal(rig.outcomeOf(revoke), null);
    assert.equal(await rig.stateOf(), 'ending');
    assert.ok(rig.isMember(ada, admins));
    const overdue = rig.of('grant.overdue');
    assert.ok(overdue.length >= 20);
    assert.ok(overdue.every(({ error }) => error.code === 'directory_refused' && error.ldap?.resultCode === 50));
    assert.ok(rig.of('job.delayed').every(({ jobId }) => jobId === revoke));
    assert.ok(overdue.every((event) => Date.parse(event.since) === since));
    rig.fake.tree.apply = apply;
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf(revoke), 'revoked');
    assert.ok(!rig.isMember(ada, admins));
  });

  test('keeps the membership for a grant that comes meanwhile, and that one takes it away', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    rig.fake.refuseNext('refused');
    const revoke = await rig.revoke();
    const second = await rig.grant({ grantId: 'g2', seconds: 60 });
    assert.equal(rig.outcomeOf(second), 'covered_by_grant');
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(revoke), 'kept_by_grant');
    assert.ok(rig.isMember(ada, admins));
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.deepEqual(
      rig.of('grant.ended').map(({ membership }) => membership),
      ['kept_by_grant', 'removed'],
    );
    assert.deepEqual(
      rig.log.lines.filter(({ event }) => event === 'grant.ended').map(({ message }) => message),
      ['a grant ended; another grant holds the membership still', 'a probe shows that the user has left the group'],
    );
  });

  test('whose answer was lost is settled before another grant of the pair is written', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    rig.fake.loseNextAnswer('applied');
    const revoke = await rig.revoke();
    const second = await rig.grant({ grantId: 'g2' });
    assert.equal(rig.outcomeOf(second), null);
    await rig.pass(5000);
    assert.deepEqual([revoke, second].map(rig.outcomeOf), ['revoked', 'granted']);
    assert.ok(rig.isMember(ada, admins));
  });
});

describe('a grant that cannot be written', () => {
  test('is refused for good by the directory, and leaves nothing', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.fake.refuseNext('refused');
    const job = await rig.grant();
    assert.equal(rig.outcomeOf(job), 'directory_refused');
    assert.equal(await rig.stateOf(), 'failed');
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(rig.outcomeOf(await rig.grant()), 'grant_conflict');
    assert.equal(rig.outcomeOf(await rig.revoke()), 'already_ended');
    assert.equal(rig.of('grant.ended').length, 0);
  });

  test('waits for the directory until its deadline, and not a moment longer', async () => {
    const { rig } = await startedEngine({ maxPendingMs: 10 * MINUTE_MS });
    rig.fake.goDown();
    const job = await rig.grant();
    const short = await rig.grant({ grantId: 'g2', notAfter: rig.in(90_000) });
    await rig.pass(89_999);
    assert.equal(rig.outcomeOf(short), null);
    await rig.pass(1);
    assert.equal(rig.outcomeOf(short), 'job_expired');
    await rig.pass(510_000);
    assert.equal(rig.outcomeOf(job), 'job_expired');
    assert.ok(rig.of('job.delayed').every(({ error }) => error.code === 'directory_unavailable'));
  });

  test('is neither granted nor failed while a probe shows nothing', async () => {
    const { rig, ada, admins } = await startedEngine();
    const held = rig.fake.holdNext('change');
    const submitted = rig.grant({ jobId: 'one' });
    await held.reached;
    rig.fake.probesAreUnknown(true);
    held.go();
    await submitted;
    const revoke = await rig.revoke();
    await rig.pass(10 * MINUTE_MS);
    assert.deepEqual(['one', revoke].map(rig.outcomeOf), [null, null]);
    rig.fake.probesAreUnknown(false);
    await rig.pass(2 * MINUTE_MS);
    assert.deepEqual(['one', revoke].map(rig.outcomeOf), ['grant_revoked', 'revoked']);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('is cancelled by a revoke, and both hear of it in order', async () => {
    const { rig } = await startedEngine();
    rig.fake.goDown();
    await rig.grant({ jobId: 'one' });
    await rig.revoke({ jobId: 'stop' });
    await settled();
    const results = rig.told.flatMap((event) => (event.kind === 'job.failed' || event.kind === 'job.succeeded' ? [event] : []));
    assert.deepEqual(
      results.map((event) => [event.jobId, event.kind === 'job.failed' ? event.error.code : event.outcome]),
      [
        ['one', 'grant_revoked'],
        ['stop', 'revoked'],
      ],
    );
  });
});

describe('a membership of unknown ownership', () => {
  test('is neither removed nor closed, whatever asks for its end', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    const period = [...rig.ledger.peek().periods.values()][0];
    assert.ok(period !== undefined);
    await rig.ledger.savePeriod({ ...period, standing: 'unknown' }, { at: rig.now(), audit: [] });
    const revoke = await rig.revoke();
    await rig.pass(10 * MINUTE_MS);
    assert.equal(rig.outcomeOf(revoke), null);
    assert.equal(await rig.stateOf(), 'ending');
    assert.ok(rig.isMember(ada, admins));
    assert.ok(rig.of('grant.overdue').every(({ error }) => error.code === 'ownership_unknown'));
    await rig.restart();
    rig.addUser('bob');
    const other = await rig.grant({ grantId: 'g2', user: 'bob' });
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(other), 'granted');
  });
});

describe('changes of an end', () => {
  test('an older extension that waited does not undo a newer shortening', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ seconds: 600 });
    const user = { id: rig.fake.tree.at(ada)?.id ?? '' };
    const group = { id: rig.fake.tree.at(admins)?.id ?? '' };
    rig.fake.goDown();
    const longer = await rig.grant({ seconds: 3600 });
    const shorter = await rig.grant({ seconds: 300, user, group });
    // Whether the older one is of the same pair is known only once the directory is back.
    assert.equal(rig.outcomeOf(shorter), null);
    rig.fake.goUp();
    await rig.pass(1000);
    assert.deepEqual([longer, shorter].map(rig.outcomeOf), ['updated', 'updated']);
    await rig.pass(300_000);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('a refused extension leaves the grant as it was', async () => {
    const { rig, ada, admins } = await startedEngine({ maxGrantMs: HOUR_MS });
    await rig.grant({ seconds: 1800 });
    const longer = await rig.grant({ seconds: 7200 });
    assert.equal(rig.outcomeOf(longer), 'policy_denied');
    await rig.pass(1_799_999);
    assert.ok(rig.isMember(ada, admins));
    await rig.pass(1);
    assert.ok(!rig.isMember(ada, admins));
  });
});

describe('who is gone', () => {
  test('is known to be gone only with proof; then the grant ends', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    rig.fake.tree.delete(ada);
    const revoke = await rig.revoke();
    assert.ok(!rig.isMember(ada, admins), 'the value of one who cannot be found is ours to delete');
    await rig.pass(MINUTE_MS - 1);
    assert.equal(rig.outcomeOf(revoke), null);
    await rig.pass(2000);
    assert.equal(rig.outcomeOf(revoke), 'revoked');
  });

  test('but hidden is not gone: the ending waits for sight', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant();
    rig.fake.tree.hide(admins);
    rig.fake.tree.hide(rig.fake.groupsScope);
    rig.fake.tree.hide(ada);
    const revoke = await rig.revoke();
    await rig.pass(10 * MINUTE_MS);
    assert.equal(rig.outcomeOf(revoke), null);
    rig.fake.tree.showAll();
    await rig.pass(2 * MINUTE_MS);
    assert.equal(rig.outcomeOf(revoke), 'revoked');
    assert.ok(!rig.isMember(ada, admins));
  });

  test('the next one of the same name keeps what an admin gave after ours was seen absent', async () => {
    const { rig, ada, admins } = await startedEngine({ referentialIntegrity: true });
    await rig.grant();
    rig.fake.tree.delete(ada);
    const revoke = await rig.revoke();
    await rig.pass(1000);
    rig.addUser('ada');
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [ada], remove: [] });
    await rig.pass(5 * MINUTE_MS);
    assert.notEqual(rig.outcomeOf(revoke), null);
    assert.ok(rig.isMember(ada, admins));
    assert.deepEqual(
      rig.of('grant.drifted').map(({ observed }) => observed),
      ['recreated'],
    );
  });
});

describe('the last member', () => {
  test('leaves for a placeholder, which leaves for the next member, across a lost answer', async () => {
    const { rig, ada } = await startedEngine();
    const solo = rig.addGroup('solo', []);
    const bob = rig.addUser('bob');
    await rig.grant({ group: 'solo' });
    await rig.revoke();
    assert.deepEqual(rig.fake.tree.group(solo)?.values, ['cn=placeholder,dc=example,dc=test']);
    rig.fake.loseNextAnswer('applied');
    await rig.grant({ grantId: 'g2', group: 'solo', user: 'bob', seconds: 60 });
    await rig.pass(1000);
    assert.deepEqual(rig.fake.tree.group(solo)?.values, [bob]);
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(bob, solo) && !rig.isMember(ada, solo));
    assert.deepEqual(rig.fake.tree.group(solo)?.values, ['cn=placeholder,dc=example,dc=test']);
    assert.ok(!rig.isMember(userDn('keeper'), solo));
  });
});

describe('a link', () => {
  test('whose control plane knows later events makes the ledger take a new id, and says so first', async () => {
    const { rig } = await startedEngine();
    rig.disconnect();
    await rig.revoke();
    const link = fakeLink(rig.clock);
    link.start(shareLink(rig.engine.listener).listener);
    const first = await link.nextPeer();
    const hello = await first.next();
    first.send({ ...WELCOME, ackedSeq: hello['nextSeq'] });
    assert.equal(await first.closed, 1001);
    const second = await link.nextPeer();
    const again = await second.next();
    assert.notEqual(again['ledgerId'], hello['ledgerId']);
    second.send(WELCOME);
    const told = await second.next();
    assert.deepEqual(told['event'], { kind: 'ledger.replaced', previousLedgerId: hello['ledgerId'] });
    assert.ok(Number(told['seq']) >= Number(hello['nextSeq']));
    await link.stop();
  });

  test('that was lost is told again, in order, what was not acknowledged, under the same numbers', async () => {
    const { rig } = await startedEngine();
    rig.disconnect();
    for (const grantId of ['a', 'b', 'c']) await rig.revoke({ grantId });
    const link = fakeLink(rig.clock);
    link.start(shareLink(rig.engine.listener).listener);
    const seqs: (readonly unknown[])[] = [];
    for (let i = 0; i < 2; i += 1) {
      const peer = await link.nextPeer();
      await peer.next();
      peer.send(WELCOME);
      seqs.push([(await peer.next())['seq'], (await peer.next())['seq'], (await peer.next())['seq']]);
      peer.lose();
    }
    assert.deepEqual(seqs[0], seqs[1]);
    await link.stop();
  });
});
