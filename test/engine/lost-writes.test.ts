import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { HOUR_MS, MINUTE_MS, settled, startedEngine, userDn } from '../support/engine-under-test.ts';
import { PERSONALITIES } from '../support/fake-servers.ts';

type Started = Awaited<ReturnType<typeof startedEngine>>;

/** What the other server has differs by this membership. */
const without = ({ rig, ada, admins }: Started) =>
  void rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [ada] });
const withIt = ({ rig, ada, admins }: Started) =>
  void rig.fake.tree.apply({ group: admins, attribute: 'member', add: [ada], remove: [] });

const failOver = async ({ rig }: Started): Promise<void> => {
  rig.fake.failOver();
  await rig.pass(0);
  await settled();
};

/** The next server does not have the membership, and nobody can know yet whether it will. */
async function goesOnWithout(world: Started): Promise<void> {
  without(world);
  world.rig.fake.goUp();
  await failOver(world);
  await world.rig.pass(MINUTE_MS);
}

/** The addition comes by replication. */
async function comesAndIsTakenOut(world: Started): Promise<void> {
  const { rig, ada, admins } = world;
  withIt(world);
  await rig.pass(2 * MINUTE_MS);
  assert.ok(!rig.isMember(ada, admins));
  assert.equal(await rig.stateOf(), 'ended');
}

const changesOf = ({ rig }: Started) => rig.fake.operations.filter(({ method }) => method === 'change').length;

suite('after a failover', () => {
  test('a membership of an active grant that the other server does not have is written again, and told', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    await rig.grant({ seconds: 3600 });
    without(world);
    await failOver(world);
    assert.ok(rig.isMember(ada, admins));
    assert.deepEqual(
      rig.of('grant.drifted').map(({ grant, observed, action }) => `${grant.grantId} ${observed} ${action}`),
      ['g1 absent restored'],
    );
    await rig.pass(HOUR_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(await rig.stateOf(), 'ended');
  });

  test('one that the server has is left as it is, and nothing is told', async () => {
    const world = await startedEngine();
    const { rig } = world;
    await rig.grant({ seconds: 3600 });
    const before = changesOf(world);
    const told = rig.told.length;
    await failOver(world);
    assert.equal(changesOf(world), before);
    assert.equal(rig.told.length, told);
  });

  test('what was written longer ago is not looked at: the drift report tells of it', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    await rig.grant({ seconds: 7200 });
    await rig.pass(16 * MINUTE_MS);
    without(world);
    await failOver(world);
    assert.ok(!rig.isMember(ada, admins));
  });

  test("standing access that is not there is nobody's to write", async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    withIt(world);
    await rig.grant({ seconds: 3600 });
    without(world);
    await failOver(world);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('a grant that has come to its end meanwhile is not restored', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    await rig.grant({ seconds: 60 });
    rig.fake.goDown();
    await rig.pass(2 * MINUTE_MS);
    without(world);
    rig.fake.goUp();
    await failOver(world);
    await rig.pass(16 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(await rig.stateOf(), 'ended');
    assert.deepEqual(rig.of('grant.drifted'), []);
  });

  for (const kind of ['revoke', 'expiry'] as const)
    test(`a membership that a ${kind} took out and the other server still has is taken out again, and told once`, async () => {
      const world = await startedEngine();
      const { rig, ada, admins } = world;
      await rig.grant({ seconds: 60 });
      if (kind === 'revoke') await rig.revoke();
      else await rig.pass(MINUTE_MS);
      assert.equal(await rig.stateOf(), 'ended');
      withIt(world);
      await failOver(world);
      await rig.pass(1_000);
      assert.ok(!rig.isMember(ada, admins));
      assert.equal(await rig.stateOf(), 'ended');
      assert.deepEqual(
        rig.of('grant.ended').map(({ cause, membership }) => `${cause} ${membership}`),
        [`${kind === 'revoke' ? 'revoked' : 'expired'} removed`],
      );
    });

  test('so is one that somebody else took out, whose removal was lost too', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    await rig.grant({ seconds: 60 });
    without(world);
    await rig.revoke();
    withIt(world);
    await failOver(world);
    await rig.pass(1_000);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(rig.of('grant.ended').length, 1);
  });

  test('so is one that was written long ago and taken out by somebody else lately', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    await rig.grant({ seconds: 3600 });
    await rig.pass(16 * MINUTE_MS);
    without(world);
    await rig.revoke();
    assert.deepEqual(
      rig.of('grant.ended').map(({ membership }) => membership),
      ['already_absent'],
    );
    withIt(world);
    await failOver(world);
    await rig.pass(1_000);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(await rig.stateOf(), 'ended');
  });

  test('so is one that another grant tried in vain to write since', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    await rig.grant({ seconds: 60 });
    await rig.revoke();
    rig.fake.refuseNext('refused');
    await rig.grant({ grantId: 'g2', seconds: 60 });
    assert.equal(await rig.stateOf('g2'), 'failed');
    withIt(world);
    await failOver(world);
    await rig.pass(1_000);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('so is one under a name that its user had then, and no other has', async () => {
    const world = await startedEngine({ referentialIntegrity: false });
    const { rig, ada, admins } = world;
    await rig.grant({ seconds: 60 });
    rig.fake.tree.rename(ada, ada.replace('ada', 'lovelace') as typeof ada);
    await rig.revoke();
    assert.ok(!rig.isMember(ada, admins));
    withIt(world);
    await failOver(world);
    await rig.pass(1_000);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('and where another person has that name by now, it is left and reported', async () => {
    const world = await startedEngine({ referentialIntegrity: false });
    const { rig, ada, admins } = world;
    await rig.grant({ seconds: 60 });
    rig.fake.tree.rename(ada, ada.replace('ada', 'lovelace') as typeof ada);
    await rig.revoke();
    rig.addUser('ada');
    withIt(world);
    await failOver(world);
    await rig.pass(1_000);
    assert.ok(rig.isMember(ada, admins));
    assert.equal(await rig.stateOf(), 'ended');
    assert.deepEqual(
      rig.of('grant.drifted').map(({ observed, action }) => `${observed} ${action}`),
      ['recreated reported'],
    );
  });

  test('a membership that the other server brought back is not standing for the next grant', async () => {
    const read = Promise.withResolvers<void>();
    let reading = Promise.resolve();
    const world = await startedEngine({
      watch: {
        directory: (directory) => directory,
        ledger: (ledger) => ({ ...ledger, doubts: (since) => reading.then(() => ledger.doubts(since)) }),
      },
    });
    const { rig, ada, admins } = world;
    await rig.grant({ grantId: 'g1', seconds: 60 });
    await rig.revoke({ grantId: 'g1' });
    assert.equal(await rig.stateOf('g1'), 'ended');
    reading = read.promise;
    rig.fake.goDown();
    const job = await rig.grant({ grantId: 'g2', seconds: 600 });
    withIt(world);
    rig.fake.goUp();
    await failOver(world);
    await rig.pass(MINUTE_MS);
    read.resolve();
    await rig.pass(MINUTE_MS);
    assert.notEqual(rig.outcomeOf(job), 'already_standing');
    assert.ok(rig.isMember(ada, admins));
    await rig.pass(11 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.deepEqual([await rig.stateOf('g1'), await rig.stateOf('g2')], ['ended', 'ended']);
  });

  test('a membership that outlived the grant that wrote it is written again for the one that shares it', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    await rig.grant({ grantId: 'g1', seconds: 60 });
    await rig.grant({ grantId: 'g2', seconds: 600 });
    await rig.revoke({ grantId: 'g1' });
    without(world);
    await failOver(world);
    assert.ok(rig.isMember(ada, admins));
    await rig.pass(11 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('a ledger that cannot be read at once is asked again', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    await rig.grant({ seconds: 60 });
    await rig.revoke();
    withIt(world);
    rig.ledger.failNext('doubts', new LedgerError('no_space', 'the disk is full'));
    await failOver(world);
    await rig.pass(1_000);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('a removal that is being claimed while the server fails is looked at too', async () => {
    const claiming = Promise.withResolvers<void>();
    const claimed = Promise.withResolvers<void>();
    const world = await startedEngine({
      watch: {
        directory: (directory) => directory,
        ledger: (ledger) => ({
          ...ledger,
          async end(...args) {
            claiming.resolve();
            await claimed.promise;
            return ledger.end(...args);
          },
        }),
      },
    });
    const { rig, ada, admins } = world;
    await rig.grant({ seconds: 60 });
    await rig.revoke();
    await claiming.promise;
    withIt(world);
    await failOver(world);
    claimed.resolve();
    await rig.pass(1_000);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(await rig.stateOf(), 'ended');
  });

  test('a removal that the server has is not told again', async () => {
    const world = await startedEngine();
    const { rig } = world;
    await rig.grant({ seconds: 60 });
    await rig.revoke();
    const told = rig.told.length;
    await failOver(world);
    assert.equal(rig.told.length, told);
  });

  test('a user who was granted the group again is not taken out', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    await rig.grant({ grantId: 'g1', seconds: 600 });
    await rig.revoke({ grantId: 'g1' });
    await rig.grant({ grantId: 'g2', seconds: 3600 });
    await failOver(world);
    assert.ok(rig.isMember(ada, admins));
    assert.deepEqual([await rig.stateOf('g1'), await rig.stateOf('g2')], ['ended', 'active']);
  });

  test('both are pursued through a directory that goes away, and through a restart', async () => {
    for (const ending of ['crash', 'outage'] as const) {
      const world = await startedEngine();
      const { rig, ada, admins } = world;
      await rig.grant({ seconds: 60 });
      await rig.revoke();
      withIt(world);
      rig.fake.loseNextAnswer('not_applied');
      await failOver(world);
      assert.equal(await rig.stateOf(), 'ending', ending);
      if (ending === 'crash') await rig.restart();
      else {
        rig.fake.goDown();
        await rig.pass(1_000);
        rig.fake.goUp();
      }
      await rig.pass(MINUTE_MS);
      assert.ok(!rig.isMember(ada, admins), ending);
      assert.equal(await rig.stateOf(), 'ended', ending);
    }
  });

  for (const fate of ['applied', 'not_applied', 'applied_later'] as const)
    test(`a restoring whose answer is lost (${fate}) is finished by the next start, and new grants are written after it`, async () => {
      const world = await startedEngine();
      const { rig, ada, admins } = world;
      await rig.grant({ seconds: 3600 });
      without(world);
      rig.fake.loseNextAnswer(fate);
      await failOver(world);
      rig.crash();
      await rig.start();
      await rig.pass(1_000);
      rig.fake.applyLate();
      await rig.pass(MINUTE_MS);
      assert.ok(rig.isMember(ada, admins));
      assert.deepEqual((await rig.ledger.unfinished()).intents, []);
      const bob = rig.addUser('bob');
      await rig.grant({ grantId: 'g2', user: 'bob', seconds: 600 });
      assert.ok(rig.isMember(bob, admins));
      await rig.pass(HOUR_MS);
      assert.ok(!rig.isMember(ada, admins));
    });

  test('an absence on a server that only lags ends no grant: what was written before the failover is taken out when it comes', async () => {
    const world = await startedEngine();
    const { rig } = world;
    await rig.grant({ seconds: 3600 });
    rig.fake.goDown();
    const revoke = await rig.revoke();
    await goesOnWithout(world);
    assert.equal(await rig.stateOf(), 'ending');
    await comesAndIsTakenOut(world);
    assert.equal(rig.outcomeOf(revoke), 'revoked');
  });

  test('an addition whose answer the lost server never gave fails no grant while the next one may still come to have it', async () => {
    const world = await startedEngine({ maxPendingMs: MINUTE_MS });
    const { rig, ada, admins } = world;
    rig.fake.loseNextAnswer('not_applied');
    await rig.grant({ seconds: 3600 });
    rig.fake.goDown();
    await rig.pass(2 * MINUTE_MS);
    rig.fake.goUp();
    await failOver(world);
    await rig.pass(MINUTE_MS);
    assert.notEqual(await rig.stateOf(), 'failed');
    withIt(world);
    await rig.pass(2 * HOUR_MS);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('an addition that the next server may still come to have is waited for after a removal of it that was lost', async () => {
    const world = await startedEngine();
    const { rig } = world;
    await rig.grant({ seconds: 3600 });
    rig.fake.loseNextAnswer('not_applied');
    await rig.revoke();
    rig.fake.goDown();
    await goesOnWithout(world);
    assert.equal(await rig.stateOf(), 'ending');
    await comesAndIsTakenOut(world);
  });

  test('a server that shows another person by the name of before was not seen to have the addition', async () => {
    const world = await startedEngine({ personality: PERSONALITIES.samba });
    const { rig, ada, admins } = world;
    await rig.grant({ seconds: 3600 });
    const renamed = userDn('lovelace');
    rig.fake.tree.rename(ada, renamed);
    rig.fake.tree.add({ kind: 'user', dn: ada, uids: ['ada2'], mails: [] });
    withIt(world);
    rig.fake.goDown();
    await rig.revoke();
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [renamed] });
    rig.fake.goUp();
    await failOver(world);
    await rig.pass(MINUTE_MS);
    assert.equal(await rig.stateOf(), 'ending');
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [renamed], remove: [] });
    await rig.pass(2 * MINUTE_MS);
    assert.ok(!rig.isMember(renamed, admins));
    assert.ok(rig.isMember(ada, admins), 'the other was taken out');
  });

  test('what the other server was seen to have is ended as soon as it is absent', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    await rig.grant({ seconds: 3600 });
    await failOver(world);
    const revoke = await rig.revoke();
    assert.equal(rig.outcomeOf(revoke), 'revoked');
    assert.ok(!rig.isMember(ada, admins));
  });
});

suite('a removal that was lost with a server is done again', () => {
  const removed = async (): Promise<Started> => {
    const world = await startedEngine();
    await world.rig.grant({ seconds: 3600 });
    await world.rig.revoke();
    return world;
  };
  const isTakenOut = async ({ rig, ada, admins }: Started): Promise<void> => {
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(await rig.stateOf(), 'ended');
  };

  test('however long there was no server before the next', async () => {
    const world = await removed();
    world.rig.fake.goDown();
    await world.rig.pass(HOUR_MS);
    withIt(world);
    world.rig.fake.goUp();
    await failOver(world);
    await isTakenOut(world);
  });

  test('however long the process was stopped before the next', async () => {
    const world = await removed();
    world.rig.crash();
    world.rig.clock.advance(HOUR_MS);
    withIt(world);
    world.rig.fake.failOver();
    await world.rig.start();
    await isTakenOut(world);
  });

  test('by the server after the next, where the next could not be looked at', async () => {
    const world = await removed();
    const { rig } = world;
    rig.crash();
    withIt(world);
    rig.fake.failOver();
    rig.fake.holdNext('probe');
    await rig.start();
    await rig.pass(HOUR_MS);
    rig.crash();
    rig.fake.failOver();
    await rig.start();
    await isTakenOut(world);
  });
});

suite('of several grants of a membership, the one that it ended with decides', () => {
  test('one that came to share it and found it gone: what the other server still has is taken out', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    await rig.grant({ grantId: 'g1', seconds: 7200 });
    await rig.grant({ grantId: 'g2', seconds: 7200 });
    await rig.revoke({ grantId: 'g1' });
    await rig.pass(16 * MINUTE_MS);
    without(world);
    assert.equal(rig.outcomeOf(await rig.revoke({ grantId: 'g2' })), 'already_absent');
    withIt(world);
    await failOver(world);
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.deepEqual([await rig.stateOf('g1'), await rig.stateOf('g2')], ['ended', 'ended']);
  });

  test('one that found standing access after our removal: it stays', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    await rig.grant({ grantId: 'g1', seconds: 7200 });
    await rig.revoke({ grantId: 'g1' });
    withIt(world);
    await rig.grant({ grantId: 'g2', seconds: 7200 });
    assert.equal(rig.outcomeOf(await rig.revoke({ grantId: 'g2' })), 'kept_standing');
    await failOver(world);
    await rig.pass(MINUTE_MS);
    assert.ok(rig.isMember(ada, admins));
  });
});

suite('who was put in again by hand after our removal', () => {
  /** Ended by us, and put in again by somebody else. */
  const putInAgain = async (): Promise<Started> => {
    const world = await startedEngine();
    await world.rig.grant({ seconds: 60 });
    await world.rig.revoke();
    withIt(world);
    return world;
  };
  const stays = async (world: Started): Promise<void> => {
    const { rig, ada, admins } = world;
    const before = changesOf(world);
    await rig.pass(MINUTE_MS);
    assert.ok(rig.isMember(ada, admins));
    assert.deepEqual([changesOf(world), await rig.stateOf(), rig.engine.status().pursued], [before, 'ended', 0]);
  };

  test('stays at a restart on the same server', async () => {
    const world = await putInAgain();
    for (let restarts = 0; restarts < 3; restarts += 1) {
      await world.rig.restart();
      await stays(world);
    }
  });

  test('stays at a restart on the same server that is away at first', async () => {
    const world = await putInAgain();
    world.rig.fake.goDown();
    await world.rig.restart();
    world.rig.fake.goUp();
    await stays(world);
  });

  test('stays after a change of servers that was decided, also at restarts', async () => {
    const world = await startedEngine();
    await world.rig.grant({ seconds: 60 });
    await world.rig.revoke();
    await failOver(world);
    withIt(world);
    await stays(world);
    await world.rig.restart();
    await stays(world);
  });

  test('is asked of again where the change of servers was not decided when the process died', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    await rig.grant({ seconds: 60 });
    await rig.revoke();
    withIt(world);
    rig.crash();
    rig.fake.failOver();
    rig.fake.holdNext('probe');
    await rig.start();
    assert.ok(rig.isMember(ada, admins));
    await rig.restart();
    await rig.pass(1_000);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(await rig.stateOf(), 'ended');
  });

  test('is not looked at twice where the ledger cannot write that it was decided', async () => {
    const world = await startedEngine();
    await world.rig.grant({ seconds: 60 });
    await world.rig.revoke();
    world.rig.ledger.failNext('decideDoubts', new LedgerError('no_space', 'the disk is full'));
    await failOver(world);
    withIt(world);
    await stays(world);
  });
});

suite('at a restart', () => {
  test('with another server, a lost removal is done again and a lost addition written again', async () => {
    const world = await startedEngine();
    const { rig, ada, admins } = world;
    const bob = rig.addUser('bob');
    await rig.grant({ grantId: 'g1', seconds: 60 });
    await rig.revoke({ grantId: 'g1' });
    await rig.grant({ grantId: 'g2', user: 'bob', seconds: 3600 });
    rig.crash();
    withIt(world);
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [bob] });
    rig.fake.failOver();
    await rig.start();
    await rig.pass(1_000);
    assert.ok(!rig.isMember(ada, admins));
    assert.ok(rig.isMember(bob, admins));
  });

  test('on a server that took over before and lags, an absence still ends no grant', async () => {
    const world = await startedEngine();
    const { rig } = world;
    await rig.grant({ seconds: 3600 });
    rig.fake.goDown();
    await rig.revoke();
    await goesOnWithout(world);
    await rig.restart();
    await rig.pass(MINUTE_MS);
    assert.equal(await rig.stateOf(), 'ending');
    await comesAndIsTakenOut(world);
  });
});
