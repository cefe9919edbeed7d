import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { GrantId } from '../../src/access/ids.ts';
import { MINUTE_MS, startedEngine } from '../support/engine-under-test.ts';

/** The ledger was put back to before a grant that had written a membership; the control plane has seen later events. */
async function restored() {
  const { rig, ada, admins } = await startedEngine();
  const copy = rig.backup();
  const issuedAt = rig.now();
  await rig.grant({ grantId: 'lost', issuedAt });
  assert.ok(rig.isMember(ada, admins));
  rig.restore(copy);
  await rig.start({ link: false });
  assert.equal(await rig.connect(), 'replaced');
  assert.equal(await rig.connect(), 'accepted');
  return { rig, ada, admins, issuedAt };
}

describe('a ledger that was put back', () => {
  test('does not call standing what a grant of the lost time may have written, and does not take it away', async () => {
    const { rig, ada, admins, issuedAt } = await restored();
    const again = await rig.grant({ jobId: 'again', grantId: 'again', issuedAt });
    assert.equal(rig.outcomeOf(again), 'already_standing');
    const grant = await rig.grantOf('again');
    assert.equal(grant?.state === 'active' && grant.standing, 'unknown');
    assert.ok(rig.of('grant.drifted').some(({ observed }) => observed === 'ownership_unknown'));
    const revoke = await rig.revoke({ jobId: 'revoke', grantId: 'again' });
    await rig.pass(MINUTE_MS);
    assert.equal(rig.outcomeOf(revoke), null);
    assert.ok(rig.isMember(ada, admins));
  });

  test('calls standing what a grant of well after it finds', async () => {
    const { rig } = await restored();
    await rig.pass(10 * MINUTE_MS);
    const later = await rig.grant({ jobId: 'later', grantId: 'later' });
    assert.equal(rig.outcomeOf(later), 'already_standing');
    const grant = await rig.grantOf('later');
    assert.equal(grant?.state === 'active' && grant.standing, true);
  });
});

describe('what a restored ledger asks for may have been given and taken away again in the lost time', () => {
  /** The ledger knows at its start that it is an older copy, as one does that the connector has restored itself. */
  async function restartedOn(rig: Awaited<ReturnType<typeof startedEngine>>['rig'], copy: ReturnType<typeof rig.backup>) {
    rig.restore(copy);
    await rig.ledger.renew({ at: rig.now(), audit: [] });
    await rig.start();
    await rig.pass(MINUTE_MS);
  }

  test('so a grant that was pending in the copy, and has been revoked since, is not written', async () => {
    const { rig, ada, admins } = await startedEngine();
    rig.fake.goDown();
    const job = await rig.grant();
    const copy = rig.backup();
    rig.fake.goUp();
    await rig.pass(MINUTE_MS);
    assert.ok(rig.isMember(ada, admins));
    await rig.revoke();
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    await restartedOn(rig, copy);
    assert.ok(!rig.isMember(ada, admins));
    const [failed] = rig.of('job.failed');
    assert.deepEqual([failed?.jobId, failed?.error.code], [job, 'ownership_unknown']);
    assert.equal(await rig.stateOf(), 'failed');
  });

  test('so a membership that vanished since the copy is told, and not restored', async () => {
    const { rig, ada, admins } = await startedEngine({ drift: 'restore' });
    await rig.grant();
    const copy = rig.backup();
    await rig.revoke();
    await rig.pass(MINUTE_MS);
    await restartedOn(rig, copy);
    assert.equal(await rig.stateOf(), 'active');
    rig.engine.suspect(['g1' as GrantId]);
    await rig.pass(MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
    assert.deepEqual(
      rig.of('grant.drifted').map(({ observed, action }) => `${observed} ${action}`),
      ['absent reported'],
    );
  });

  test('and what is asked for after it is written as ever', async () => {
    const { rig, ada, admins } = await startedEngine();
    const copy = rig.backup();
    await restartedOn(rig, copy);
    await rig.grant();
    assert.ok(rig.isMember(ada, admins));
  });
});
