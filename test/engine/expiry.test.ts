import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS, settled, startedEngine } from '../support/engine-under-test.ts';
import { activeGrant, quietly, samplePair, samplePeriod } from '../support/ledger-samples.ts';

describe('a grant ends at its end', () => {
  for (const days of [(1 / DAY_MS) * 1000, 24.8, 24.9, 30]) {
    test(`after ${days < 1 ? '1 second' : `${days} days`}, on the millisecond, with no timer armed longer than a second ahead`, async () => {
      const { rig, ada, admins } = await startedEngine();
      const ms = Math.round(days * DAY_MS);
      await rig.grant({ expiresAt: rig.in(ms) });
      assert.ok(Math.max(...rig.clock.pending().filter((delay) => delay < 10_000)) <= 1000);
      // A leap, as a suspended machine makes it: the timer fires late, and the ledger is asked.
      rig.clock.advance(ms - 500);
      await settled();
      assert.ok(rig.isMember(ada, admins));
      await rig.pass(499);
      assert.ok(rig.isMember(ada, admins));
      await rig.pass(1);
      assert.ok(!rig.isMember(ada, admins));
      const [ended] = rig.of('grant.ended');
      assert.equal(ended?.cause, 'expired');
      assert.equal(ended?.membership, 'removed');
      assert.equal(ended?.grant.endedAt, ended?.grant.expiresAt);
    });
  }

  test('within a second of a machine that wakes up, by the wall clock', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ seconds: 3600 });
    // Whatever was armed before the grant has fired.
    await rig.pass(5000);
    rig.clock.step(2 * HOUR_MS);
    await rig.pass(1000);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('whatever the wall clock is set back to', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ seconds: 3600 });
    await rig.pass(HOUR_MS / 2);
    rig.clock.step(-10 * DAY_MS);
    await rig.pass(HOUR_MS / 2);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('whatever the wall clock was set back to before a restart', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ seconds: 60 });
    await rig.pass(30_000);
    rig.crash();
    rig.clock.step(-DAY_MS);
    await rig.start();
    assert.ok(!rig.engine.status().clock.trusted);
    await rig.pass(40_000);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('without a control plane, and after a start that found it overdue', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ seconds: 60 });
    rig.crash();
    await rig.pass(HOUR_MS);
    await rig.start({ link: false });
    await rig.pass(1000);
    assert.ok(!rig.isMember(ada, admins));
    assert.equal(rig.of('grant.ended').length, 0);
    await rig.connect();
    assert.equal(rig.of('grant.ended').length, 1);
  });

  test('as soon as the directory is back, overdue meanwhile', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ seconds: 60 });
    rig.fake.goDown();
    await rig.pass(HOUR_MS);
    const overdue = rig.of('grant.overdue');
    assert.ok(overdue.length > 10 && overdue.length < 120, `${overdue.length} times overdue`);
    assert.ok(overdue.every(({ error, since, grant }) => error.code === 'directory_unavailable' && since === grant.expiresAt));
    rig.fake.goUp();
    await settled();
    assert.ok(!rig.isMember(ada, admins));
  });

  test('with more than 500 others at once', async () => {
    const { rig } = await startedEngine();
    const count = 505;
    const expiresAt = rig.in(MINUTE_MS);
    for (let i = 0; i < count; i += 1) {
      const grant = activeGrant(String(i), { pair: samplePair(i, 1), expiresAt });
      const period = samplePeriod({ pair: grant.pair });
      await rig.ledger.activate({ grant, period, intentId: null, placeholder: null }, quietly({ at: rig.now() }));
    }
    rig.fake.goDown();
    rig.clock.advance(MINUTE_MS);
    await rig.pass(1);
    const { grants } = rig.ledger.peek();
    assert.equal(grants.size, count);
    assert.deepEqual(
      [...grants.values()].filter(({ state }) => state !== 'ending'),
      [],
    );
  });
});

describe('a clock that is not trusted', () => {
  test('refuses new grants and extensions, and ends what is due', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.addUser('bob');
    await rig.grant({ seconds: 60 });
    rig.clock.step(-HOUR_MS);
    const fresh = await rig.grant({ grantId: 'g2', user: 'bob', issuedAt: rig.in(HOUR_MS) });
    const longer = await rig.grant({ seconds: 120, user: 'nobody' });
    const shorter = await rig.grant({ seconds: 30 });
    assert.deepEqual([fresh, longer, shorter].map(rig.outcomeOf), ['clock_untrusted', 'clock_untrusted', 'updated']);
    await rig.pass(30_000);
    assert.ok(!rig.isMember(ada, admins));
    const revoke = await rig.revoke();
    assert.equal(rig.outcomeOf(revoke), 'already_ended');
  });

  test('fails a grant that still waited to be written', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.fake.goDown();
    const job = await rig.grant();
    rig.clock.step(-HOUR_MS);
    rig.fake.goUp();
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(job), 'clock_untrusted');
    assert.ok(!rig.isMember(ada, admins));
  });

  test('is said once, with how far it is off, and once more when it is right again', async () => {
    const { rig } = await startedEngine();
    const said = () =>
      rig.log.lines.filter(({ event }) => event.startsWith('clock.')).map(({ event, level }) => `${level} ${event}`);
    await rig.pass(5 * MINUTE_MS);
    assert.deepEqual(said(), []);
    rig.clock.step(-HOUR_MS);
    await rig.pass(5 * MINUTE_MS);
    assert.deepEqual(said(), ['error clock.untrusted']);
    rig.clock.step(HOUR_MS);
    await rig.pass(5 * MINUTE_MS);
    assert.deepEqual(said(), ['error clock.untrusted', 'info clock.trusted']);
  });
});
