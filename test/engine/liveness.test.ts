import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Directory } from '../../src/directory/directory.ts';
import { type Ledger, LedgerError } from '../../src/ledger/ledger.ts';
import { HOUR_MS, MINUTE_MS, settled, startedEngine } from '../support/engine-under-test.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import { ladder, nestingServer } from '../support/nesting-server.ts';

const noSpace = () => new LedgerError('no_space', 'the disk is full');

/** A way up from a group that would take minutes, on a server that answers each question within three seconds. */
function slowWay(clock: FakeClock): Directory['protectorOf'] {
  const slowly = () => new Promise<void>((resolve) => void clock.timer(3000, resolve));
  return async () => await nestingServer(ladder(30), { clock, slowly }).ask('g0', 'g30');
}

describe('an ending waits for nothing but the directory', () => {
  test('not for questions of the control plane, however many', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ seconds: 60 });
    rig.holdChecks();
    for (let i = 0; i < 40; i += 1) await rig.ask('check');
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('not for what hundreds of checks would ask of the directory: those that wait share one', async () => {
    const { rig, ada, admins } = await startedEngine();
    const release = rig.holdChecks();
    const jobs: string[] = [];
    for (let i = 0; i < 300; i += 1) jobs.push(await rig.ask('check'));
    const grant = await rig.grant();
    assert.equal(rig.outcomeOf(grant), 'granted', 'nor do they keep grants');
    assert.ok(rig.isMember(ada, admins));
    release();
    await rig.pass(1000);
    assert.deepEqual(new Set(jobs.map((job) => rig.outcomeOf(job))), new Set(['done']));
    assert.equal(rig.fake.operations.filter(({ method }) => method === 'check').length, 2);
  });

  test('not for the change of another grant that hangs', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.addUser('bob');
    await rig.grant({ seconds: 60 });
    await rig.grant({ grantId: 'g2', user: 'bob', seconds: 30 });
    rig.fake.holdNext('findUser');
    await rig.grant({ grantId: 'g2', user: 'bob', seconds: 90 });
    await rig.pass(MINUTE_MS + 1000);
    assert.ok(!rig.isMember(ada, admins));
    const looks = rig.clock.pending().filter((delay) => delay < 100);
    assert.deepEqual(looks, [], 'the ledger is asked without a pause');
  });

  test('not, beyond its limit, for a way up from its group whose every step is answered slowly', async () => {
    const { rig, ada, admins } = await startedEngine({ protectedGroups: ['tier-0'] });
    rig.addGroup('tier-0');
    await rig.grant({ seconds: 60 });
    await rig.pass(55_000);
    // The extension holds the grant from five seconds before its end.
    rig.fake.directory.protectorOf = slowWay(rig.clock);
    await rig.grant({ seconds: 3600 });
    await rig.pass(14_000);
    assert.ok(rig.isMember(ada, admins), 'it is held up by the way up');
    await rig.pass(7000);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(rig.of('grant.ended').length, 1);
  });

  test('not for a start whose first look hangs', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.addUser('bob');
    await rig.grant({ seconds: 60 });
    rig.fake.loseNextAnswer('not_applied');
    await rig.grant({ grantId: 'g2', user: 'bob' });
    rig.crashAt('job.stored');
    await rig.revoke({ grantId: 'g2' }).catch(() => undefined);
    assert.ok(rig.hasCrashed());
    rig.fake.holdNext('locateGroup');
    const started = rig.start();
    await rig.pass(MINUTE_MS + 1000);
    assert.ok(!rig.isMember(ada, admins));
    void started;
  });

  test('not for the backoff, once the directory is back', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ seconds: 60 });
    rig.fake.goDown();
    await rig.pass(10 * MINUTE_MS);
    const held = rig.fake.holdNext('locateGroup');
    await rig.pass(2 * MINUTE_MS);
    rig.fake.goUp();
    rig.fake.goDown();
    held.go();
    await settled();
    rig.fake.goUp();
    await rig.pass(1000);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('not for the second that the timer was armed for: an end that comes nearer is taken up at once', async () => {
    const { rig, ada, admins } = await startedEngine();
    const { grant } = { grant: await rig.grant({ expiresAt: rig.in(HOUR_MS) }) };
    assert.equal(rig.outcomeOf(grant), 'granted');
    await rig.pass(100);
    await rig.grant({ expiresAt: rig.in(50) });
    await rig.pass(50);
    assert.ok(!rig.isMember(ada, admins));
  });
});

describe('while a start has not seen what an earlier life left open', () => {
  async function interrupted() {
    const started = await startedEngine();
    const { rig } = started;
    rig.addUser('bob');
    rig.addUser('eve');
    await rig.grant({ grantId: 'old', user: 'eve', seconds: 300 });
    rig.crashAt('grant.intent-stored');
    await rig.grant({ grantId: 'cut' }).catch(() => undefined);
    assert.ok(rig.hasCrashed());
    rig.fake.goDown();
    await rig.start();
    return started;
  }

  test('new grants wait, and say so', async () => {
    const { rig, admins } = await interrupted();
    const job = await rig.grant({ grantId: 'new', user: 'bob' });
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(job), null);
    assert.ok(rig.of('job.delayed').some(({ jobId }) => jobId === job));
    rig.fake.goUp();
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(job), 'granted');
    assert.ok(rig.isMember('uid=bob,ou=people,dc=example,dc=test' as never, admins));
  });

  test('not one write comes before the look', async () => {
    const { rig } = await interrupted();
    await rig.grant({ grantId: 'new', user: 'bob' });
    const before = rig.fake.operations.length;
    const held = rig.fake.holdNext('probe');
    rig.fake.goUp();
    await rig.pass(1000);
    assert.ok(rig.fake.operations.slice(before).every(({ method }) => method !== 'change'));
    held.go();
    await rig.pass(1000);
    assert.equal(await rig.stateOf('new'), 'active');
    assert.equal(await rig.stateOf('cut'), 'active');
  });

  test('a grant that never was written can be cancelled, and expires at its deadline', async () => {
    const { rig } = await interrupted();
    const cancelled = await rig.grant({ grantId: 'new', user: 'bob' });
    const revoke = await rig.revoke({ grantId: 'new' });
    const expired = await rig.grant({ grantId: 'newer', user: 'bob', notAfter: rig.in(5000) });
    await rig.pass(6000);
    assert.deepEqual([cancelled, revoke, expired].map(rig.outcomeOf), ['grant_revoked', 'revoked', 'job_expired']);
  });

  test('endings wait for nothing', async () => {
    const { rig, admins } = await interrupted();
    rig.fake.holdNext('locateGroup');
    rig.fake.goUp();
    await rig.pass(300_000);
    assert.ok(!rig.isMember('uid=eve,ou=people,dc=example,dc=test' as never, admins));
  });

  test('an open write of a grant that another one covers is settled with its end', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.addUser('bob');
    await rig.grant({ grantId: 'a', seconds: 60 });
    await rig.grant({ grantId: 'b', seconds: 3600 });
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [ada] });
    rig.crashAt('grant.intent-stored');
    await rig.grant({ grantId: 'a', seconds: 120 }).catch(() => undefined);
    assert.ok(rig.hasCrashed());
    rig.fake.goDown();
    await rig.start();
    await rig.pass(MINUTE_MS + 1000);
    assert.equal(await rig.stateOf('a'), 'ended');
    rig.fake.goUp();
    const job = await rig.grant({ grantId: 'c', user: 'bob' });
    await rig.pass(5000);
    assert.equal(rig.outcomeOf(job), 'granted');
  });
});

describe('a ledger that fails once', () => {
  const methods: readonly (keyof Ledger)[] = [
    'job',
    'storeJob',
    'known',
    'savePending',
    'attachedJobs',
    'pairState',
    'openIntent',
    'activate',
    'events',
    'acknowledge',
    'beginEnding',
    'beginEndings',
    'endingState',
    'end',
    'attach',
    'tell',
    'countAttempts',
    'dueGrants',
    'nextExpiry',
    'rememberRevoke',
    'failGrant',
    'closeIntent',
  ];
  for (const method of methods) {
    for (const fault of ['no_space', 'failed'] as const) {
      test(`${method} (${fault}): nothing is lost, and everything comes to its end`, async () => {
        const { rig, ada, admins } = await startedEngine();
        rig.addUser('bob');
        const fails = () => rig.ledger.failNext(method, new LedgerError(fault, 'cannot write'));
        const jobs: string[] = [];
        // A control plane sends again what was not stored.
        const send = async (submit: () => Promise<string>) => {
          fails();
          jobs.push(await submit().catch(submit).catch(submit).catch(submit));
        };
        await send(() => rig.grant({ jobId: 'one', seconds: 60, issuedAt: rig.clock.wall() }));
        rig.fake.refuseNext('busy');
        await send(() => rig.grant({ jobId: 'two', grantId: 'g2', user: 'bob', seconds: 600, issuedAt: rig.clock.wall() }));
        await send(() => rig.revoke({ jobId: 'three', grantId: 'never', issuedAt: rig.clock.wall() }));
        await send(() => rig.grant({ jobId: 'four', grantId: 'g4', user: 'nobody', issuedAt: rig.clock.wall() }));
        await rig.pass(30_000);
        fails();
        await rig.pass(40_000);
        await send(() => rig.revoke({ jobId: 'five', grantId: 'g2', issuedAt: rig.clock.wall() }));
        await rig.pass(10_000);
        assert.deepEqual(jobs.map(rig.outcomeOf), ['granted', 'granted', 'already_absent', 'user_not_found', 'revoked']);
        assert.ok(!rig.isMember(ada, admins));
        assert.equal(rig.of('grant.ended').length, 2);
        await rig.pass(2000);
        const left = rig.ledger.peek();
        assert.ok([...left.jobs.values()].every(({ result }) => result !== null));
        assert.ok([...left.intents.values()].every(({ closedAt }) => closedAt !== null));
        assert.ok([...left.grants.values()].every(({ state }) => state === 'ended' || state === 'failed'));
        assert.deepEqual(left.events, []);
      });
    }
  }

  test('stores an acknowledgement as soon as it can, though no other ever comes', async () => {
    const { rig } = await startedEngine();
    await rig.pass(0);
    rig.ledger.failNext('acknowledge', noSpace());
    await rig.grant();
    await rig.pass(2000);
    assert.deepEqual(rig.ledger.peek().events, []);
  });

  test('where it cannot read what waits, it is sent without anything else happening', async () => {
    const { rig } = await startedEngine();
    rig.ledger.failNext('events', noSpace());
    const job = await rig.revoke();
    await rig.pass(2000);
    assert.equal(rig.outcomeOf(job), 'already_absent');
  });
});

describe('a stop', () => {
  test('finishes the attempt in flight, begins nothing new, and leaves no timer', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ seconds: 3600 });
    const held = rig.fake.holdNext('change');
    const revoke = rig.revoke();
    await held.reached;
    const stopping = rig.engine.stop(new AbortController().signal);
    await settled();
    await assert.rejects(rig.grant({ grantId: 'g2' }));
    held.go();
    await revoke;
    await rig.pass(100);
    assert.equal(await stopping, true);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(rig.of('grant.ended').length, 1);
    assert.deepEqual(rig.clock.pending(), []);
  });

  test('says what it could not finish by the deadline', async () => {
    const { rig } = await startedEngine();
    await rig.grant({ seconds: 3600 });
    const held = rig.fake.holdNext('change');
    const revoke = rig.revoke();
    await held.reached;
    const deadline = new AbortController();
    const stopping = rig.engine.stop(deadline.signal);
    deadline.abort();
    assert.equal(await stopping, false);
    await revoke;
  });

  test('waits until what was told is acknowledged', async () => {
    const { rig } = await startedEngine();
    rig.acknowledge(false);
    await rig.revoke();
    const deadline = new AbortController();
    const stopping = rig.engine.stop(deadline.signal);
    await rig.pass(1000);
    const { nextSeq } = await rig.ledger.identity();
    assert.equal(await rig.engine.listener.acknowledged(nextSeq - 1), true);
    await rig.pass(100);
    assert.equal(await stopping, true);
  });

  test('does not leave the periodic work behind, nor fail with a ledger that does', async () => {
    const { rig } = await startedEngine();
    rig.clock.advance(10_000);
    rig.ledger.failNext('advanceClock', noSpace());
    rig.ledger.failNext('advanceClock', noSpace());
    assert.equal(await rig.engine.stop(new AbortController().signal), true);
    await settled();
    assert.deepEqual(rig.clock.pending(), []);
  });
});
