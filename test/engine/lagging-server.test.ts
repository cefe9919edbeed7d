import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import { MINUTE_MS, settled, startedEngine, userDn } from '../support/engine-under-test.ts';
import { PERSONALITIES } from '../support/fake-servers.ts';

type Started = Awaited<ReturnType<typeof startedEngine>>;

/** The server that took over does not have these entries yet, nor for a while. */
async function takesOverWithout({ rig }: Started, entries: readonly Dn[]): Promise<void> {
  for (const dn of entries) rig.fake.tree.hide(dn);
  rig.fake.failOver();
  await settled();
  await rig.pass(30_000);
}

async function catchesUp({ rig }: Started): Promise<void> {
  rig.fake.tree.showAll();
  await rig.pass(5 * MINUTE_MS);
}

suite('a server that took over and lags', () => {
  for (const missing of ['user', 'group'] as const) {
    test(`may not have the ${missing} yet: a membership that it lost is written again once it is found`, async () => {
      const world = await startedEngine();
      const { rig, ada, admins } = world;
      await rig.grant({ seconds: 3600 });
      rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [ada] });
      await takesOverWithout(world, [missing === 'user' ? ada : admins]);
      await catchesUp(world);
      assert.ok(rig.isMember(ada, admins), 'an active grant, and no membership');
    });

    test(`may not have the ${missing} yet: a membership that it brings back is taken out once it is found`, async () => {
      const world = await startedEngine({ personality: PERSONALITIES.openldap_refint });
      const { rig, ada, admins } = world;
      await rig.grant({ seconds: 3600 });
      await rig.revoke();
      const renamed = userDn('lovelace');
      rig.fake.tree.rename(ada, renamed);
      rig.fake.tree.apply({ group: admins, attribute: 'member', add: [renamed], remove: [] });
      await takesOverWithout(world, [missing === 'user' ? renamed : admins]);
      await catchesUp(world);
      assert.ok(!rig.isMember(renamed, admins), 'leak');
    });
  }

  test('one that is proven gone is no longer looked for', async () => {
    const world = await startedEngine({ personality: PERSONALITIES.openldap_refint });
    const { rig, ada } = world;
    await rig.grant({ grantId: 'g1', seconds: 3600 });
    await rig.grant({ grantId: 'g2', seconds: 3600 });
    rig.fake.tree.delete(ada);
    await takesOverWithout(world, []);
    await rig.pass(5 * MINUTE_MS);
    assert.deepEqual(
      [...rig.ledger.peek().doubts.values()].map(({ isDecided }) => isDecided),
      [true],
    );
  });
});
