import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { settled, startedEngine, userDn } from '../support/engine-under-test.ts';

describe('a user who is renamed while being added', () => {
  for (const referentialIntegrity of [false, true]) {
    const server = referentialIntegrity ? 'follow' : 'do not follow';
    for (const when of ['before the modify', 'after the probe'] as const) {
      test(`is added by the new name, and leaves with every name, where values ${server} (${when})`, async () => {
        const { rig, ada, admins } = await startedEngine({ referentialIntegrity });
        const held = rig.fake.holdNext('change');
        const job = await rig.grant();
        await held.reached;
        if (when === 'after the probe') {
          const looking = rig.fake.holdNext('locateUser');
          held.go();
          await looking.reached;
          rig.fake.tree.rename(ada, userDn('ada-new'));
          looking.go();
        } else {
          rig.fake.tree.rename(ada, userDn('ada-new'));
          held.go();
        }
        await settled();
        assert.equal(rig.outcomeOf(job), null);
        await rig.pass(10_000);
        assert.equal(rig.outcomeOf(job), 'granted');
        assert.ok(rig.isMember(userDn('ada-new'), admins));
        await rig.revoke();
        await rig.pass(10_000);
        assert.deepEqual(rig.fake.tree.group(admins)?.values, [userDn('keeper')]);
      });
    }
  }
});
