import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
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
