import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import { MINUTE_MS, startedEngine, userDn } from '../support/engine-under-test.ts';

const ELSEWHERE = 'ou=elsewhere,dc=example,dc=test';

/** A grant of two minutes, and the references by which a later job names its pair by ids. */
async function granted() {
  const { rig, ada, admins } = await startedEngine();
  await rig.grant({ seconds: 120 });
  const byIds = { user: { id: rig.fake.tree.at(ada)?.id ?? '' }, group: { id: rig.fake.tree.at(admins)?.id ?? '' } };
  return { rig, ada, admins, byIds };
}

describe('an extension', () => {
  test('restores a membership that was taken out by hand, even where ids name the pair', async () => {
    const { rig, ada, admins, byIds } = await granted();
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [ada] });
    const longer = await rig.grant({ seconds: 240, ...byIds });
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(longer), 'updated');
    assert.ok(rig.isMember(ada, admins));
    await rig.pass(4 * MINUTE_MS);
    assert.ok(!rig.isMember(ada, admins));
  });

  test('is not claimed while the directory cannot be asked, even where ids name the pair', async () => {
    const { rig, byIds } = await granted();
    rig.fake.goDown();
    const longer = await rig.grant({ seconds: 240, ...byIds });
    await rig.pass(1000);
    assert.equal(rig.outcomeOf(longer), null);
    rig.fake.goUp();
    await rig.pass(10_000);
    assert.equal(rig.outcomeOf(longer), 'updated');
  });

  for (const what of ['user', 'group'] as const) {
    test(`is refused where the ${what} has left the scope; to shorten is not`, async () => {
      const { rig, ada, admins, byIds } = await granted();
      const left = (what === 'user' ? `uid=ada,${ELSEWHERE}` : `cn=admins,${ELSEWHERE}`) as Dn;
      rig.fake.tree.rename(what === 'user' ? ada : admins, left);
      const longer = await rig.grant({ seconds: 240, ...byIds });
      assert.equal(rig.outcomeOf(longer), `${what}_not_found`);
      const shorter = await rig.grant({ seconds: 60, ...byIds });
      assert.equal(rig.outcomeOf(shorter), 'updated');
      await rig.pass(2 * MINUTE_MS);
      assert.deepEqual(rig.fake.tree.group(what === 'group' ? left : admins)?.values, [userDn('keeper')]);
    });
  }

  test('whose notAfter comes while the directory is asked is not made: the grant stands as before, and nothing is written', async () => {
    for (const isThere of [true, false]) {
      const { rig, ada, admins } = await granted();
      if (!isThere) rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [ada] });
      const held = rig.fake.holdNext('protectorOf');
      const longer = await rig.grant({ seconds: 240, notAfter: rig.in(5000) });
      await held.reached;
      await rig.pass(6000);
      held.go();
      await rig.pass(1000);
      assert.equal(rig.outcomeOf(longer), 'job_expired');
      assert.equal(rig.isMember(ada, admins), isThere);
      await rig.pass(2 * MINUTE_MS);
      assert.ok(!rig.isMember(ada, admins));
    }
  });
});
