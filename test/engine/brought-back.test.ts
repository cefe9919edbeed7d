import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { GrantId } from '../../src/access/ids.ts';
import { MINUTE_MS, settled, startedEngine, userDn } from '../support/engine-under-test.ts';
import { PERSONALITIES } from '../support/fake-servers.ts';

type Started = Awaited<ReturnType<typeof startedEngine>>;

const suspect = async ({ rig }: Started): Promise<void> => {
  rig.engine.suspect(['g1' as GrantId]);
  await rig.pass(0);
  await settled();
};

suite('a membership that vanished, and that a server which took over has again', () => {
  for (const asks of ['an extension', 'another grant'] as const)
    test(`is no standing access to ${asks} that comes before it was looked at`, async () => {
      const world = await startedEngine();
      const { rig, ada, admins } = world;
      await rig.grant({ seconds: 3600 });
      rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [ada] });
      await suspect(world);
      assert.deepEqual(
        rig.of('grant.drifted').map(({ observed }) => observed),
        ['absent'],
      );
      rig.fake.tree.apply({ group: admins, attribute: 'member', add: [ada], remove: [] });
      rig.fake.probesAreUnknown(true);
      rig.fake.failOver();
      await settled();
      rig.fake.probesAreUnknown(false);
      await rig.grant(asks === 'an extension' ? { seconds: 7200 } : { grantId: 'g2', seconds: 7200 });
      await rig.pass(5 * MINUTE_MS);
      for (const grantId of ['g1', 'g2']) await rig.revoke({ grantId });
      await rig.pass(5 * MINUTE_MS);
      assert.ok(!rig.isMember(ada, admins), 'leak');
    });

  test('is not that of the next person of an earlier name: what its user is given by hand later stays', async () => {
    const world = await startedEngine({ personality: PERSONALITIES.openldap });
    const { rig, ada, admins } = world;
    await rig.grant({ seconds: 36_000 });
    const renamed = userDn('lovelace');
    rig.fake.tree.rename(ada, renamed);
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [ada] });
    await suspect(world);
    rig.addUser('ada');
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [ada], remove: [] });
    rig.fake.failOver();
    await settled();
    await rig.pass(20 * MINUTE_MS);
    rig.fake.tree.apply({ group: admins, attribute: 'member', add: [renamed], remove: [] });
    await suspect(world);
    await rig.revoke();
    await rig.pass(5 * MINUTE_MS);
    assert.ok(rig.isMember(ada, admins), 'theft from the next person');
    assert.ok(rig.isMember(renamed, admins), 'theft');
  });
});
