import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MINUTE_MS, startedEngine } from '../support/engine-under-test.ts';

describe('a job', () => {
  test('with other content under a known id is a conflict, and changes nothing', async () => {
    const { rig, ada, admins } = await startedEngine();
    const words = { jobId: 'same', issuedAt: rig.now() };
    await rig.grant({ ...words, grantId: 'g1' });
    await rig.grant({ ...words, grantId: 'g2' });
    assert.deepEqual(
      rig.of('job.failed').map(({ error }) => error.code),
      ['job_conflict'],
    );
    assert.equal(await rig.stateOf('g2'), null);
    assert.ok(rig.isMember(ada, admins));
  });

  test('that comes again as it was is told its result again', async () => {
    const { rig } = await startedEngine();
    const words = { jobId: 'same', issuedAt: rig.now() };
    await rig.grant(words);
    await rig.grant(words);
    assert.deepEqual(
      rig.of('job.succeeded').map(({ outcome, repeat }) => [outcome, repeat]),
      [
        ['granted', undefined],
        ['granted', true],
      ],
    );
  });
});

describe('a grant', () => {
  test('whose revoke came first is refused, and writes nothing', async () => {
    const { rig, ada, admins } = await startedEngine();
    assert.equal(rig.outcomeOf(await rig.revoke()), 'already_absent');
    assert.equal(rig.outcomeOf(await rig.grant()), 'grant_revoked');
    assert.ok(!rig.isMember(ada, admins));
  });

  test('of a protected group is refused, and writes nothing', async () => {
    const { rig, ada, admins } = await startedEngine({ protectedGroups: ['admins'] });
    assert.equal(rig.outcomeOf(await rig.grant()), 'group_protected');
    assert.ok(!rig.isMember(ada, admins));
  });

  test('is not accepted on the space that is kept for endings, nor is an extension; both are once there is room', async () => {
    const { rig } = await startedEngine();
    await rig.grant({ seconds: 3600 });
    rig.ledger.setSpace('low');
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g2' })), 'no_space');
    assert.equal(rig.outcomeOf(await rig.grant({ seconds: 7200 })), 'no_space');
    assert.equal(rig.outcomeOf(await rig.grant({ seconds: 1800 })), 'updated');
    rig.ledger.setSpace('ok');
    assert.equal(rig.outcomeOf(await rig.grant({ grantId: 'g3' })), 'covered_by_grant');
    assert.equal(rig.outcomeOf(await rig.grant({ seconds: 7200 })), 'updated');
  });

  test('may not be extended beyond the longest one, counted from its first activation', async () => {
    const { rig, ada, admins } = await startedEngine({ maxGrantMs: 4 * MINUTE_MS });
    await rig.grant({ seconds: 120 });
    const end = rig.in(4 * MINUTE_MS);
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf(await rig.grant({ expiresAt: rig.in(4 * MINUTE_MS) })), 'policy_denied');
    assert.equal(rig.outcomeOf(await rig.grant({ expiresAt: end })), 'updated');
    await rig.pass(4 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('that ends leaves the membership to another that holds it', async () => {
    const { rig, ada, admins } = await startedEngine();
    await rig.grant({ grantId: 'g1', seconds: 120 });
    await rig.grant({ grantId: 'g2', seconds: 240 });
    assert.equal(rig.outcomeOf(await rig.revoke({ grantId: 'g1' })), 'kept_by_grant');
    assert.ok(rig.isMember(ada, admins));
    await rig.pass(4 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
  });
});
