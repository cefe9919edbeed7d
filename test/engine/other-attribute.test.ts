import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import type { MemberAttribute } from '../../src/access/membership.ts';
import type { Directory, GroupEntry } from '../../src/directory/directory.ts';
import { groupDn, HOUR_MS, MINUTE_MS, settled, startedEngine } from '../support/engine-under-test.ts';

const SHADOW = groupDn('shadow');

/** A directory whose groups hold `uniqueMember` beside `member`; what it is kept in is another group of the fake. */
function hybridDirectory(directory: Directory, used: () => MemberAttribute): Directory {
  const seen = (group: GroupEntry): GroupEntry => ({ ...group, memberAttribute: used() });
  const kept = <T extends { group: Dn; attribute: MemberAttribute }>(of: T): T =>
    of.attribute === 'uniqueMember' ? { ...of, group: SHADOW, attribute: 'member' } : of;
  return {
    ...directory,
    async findGroup(ref, own, signal) {
      const found = await directory.findGroup(ref, own, signal);
      return found.kind === 'found' ? { kind: 'found', entry: seen(found.entry) } : found;
    },
    async locateGroup(id, signal) {
      const found = await directory.locateGroup(id, signal);
      return found === null ? null : seen(found);
    },
    probe: (values, signal) => directory.probe(kept(values), signal),
    change: (change, probed) => directory.change(kept(change), probed),
  };
}

async function hybridWorld() {
  let used: MemberAttribute = 'member';
  const world = await startedEngine({
    watch: { ledger: (ledger) => ledger, directory: (directory) => hybridDirectory(directory, () => used) },
  });
  world.rig.addGroup('shadow');
  return { ...world, use: (attribute: MemberAttribute) => void (used = attribute) };
}

suite('where the attribute of a group changes under an active grant (LDAP_MEMBER_ATTRIBUTE, or its object classes)', () => {
  for (const change of ['nothing', 'an extension', 'another grant', 'a failover'] as const)
    test(`the membership is taken out of the attribute that it was written in, and of any other: after ${change}`, async () => {
      const { rig, ada, admins, use } = await hybridWorld();
      await rig.grant({ seconds: 3600 });
      assert.ok(rig.isMember(ada, admins));
      use('uniqueMember');
      if (change === 'an extension') await rig.grant({ seconds: 7200 });
      if (change === 'another grant') await rig.grant({ grantId: 'g2', seconds: 7200 });
      if (change === 'a failover') {
        rig.fake.failOver();
        await settled();
      }
      await rig.pass(3 * HOUR_MS);
      assert.equal(await rig.stateOf(), 'ended');
      assert.deepEqual([rig.isMember(ada, admins), rig.isMember(ada, SHADOW)], [false, false]);
    });

  test('an addition whose answer was lost is taken out of the attribute that it was sent for', async () => {
    const { rig, ada, admins, use } = await hybridWorld();
    rig.fake.loseNextAnswer('applied_later');
    await rig.grant({ seconds: 3600 });
    use('uniqueMember');
    await rig.pass(1_000);
    rig.fake.applyLate();
    await rig.pass(MINUTE_MS);
    await rig.pass(3 * HOUR_MS);
    assert.equal(await rig.stateOf(), 'ended');
    assert.deepEqual([rig.isMember(ada, admins), rig.isMember(ada, SHADOW)], [false, false]);
  });
});
