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

  for (const first of ['looks', 'ends'] as const) {
    test(`has what somebody else took out, and that is ours again: it leaves with its grant, which ${first} first`, async () => {
      const world = await startedEngine();
      const { rig, ada, admins } = world;
      await rig.grant({ grantId: 'g1', seconds: 3600 });
      rig.fake.tree.apply({ group: admins, attribute: 'member', add: [], remove: [ada] });
      // A second grant meets that it has vanished, and may not write.
      rig.fake.refuseNext('refused');
      await rig.grant({ grantId: 'g2', seconds: 3600 });
      assert.equal(await rig.stateOf('g2'), 'failed');
      const held = first === 'ends' ? rig.fake.holdNext('probe') : null;
      rig.fake.tree.apply({ group: admins, attribute: 'member', add: [ada], remove: [] });
      rig.fake.failOver();
      await settled();
      if (held !== null) {
        const revoked = rig.revoke({ grantId: 'g1' });
        await settled();
        held.go();
        await revoked;
      }
      await rig.pass(MINUTE_MS);
      if (held === null) await rig.revoke({ grantId: 'g1' });
      await rig.pass(MINUTE_MS);
      assert.equal(await rig.stateOf('g1'), 'ended');
      assert.ok(!rig.isMember(ada, admins), 'leak');
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
