import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AWKWARD_NAMES, found, type Get, makeGroup, makeUser, nameAttributes, type ServerDifferences, signal } from './world.ts';

export function awkwardNameTests(get: Get, differences: ServerDifferences): void {
  for (const awkward of AWKWARD_NAMES) {
    test(`a user named ${JSON.stringify(awkward)} is found, becomes a member, and is one no longer`, async () => {
      const { directory, admin } = get();
      // Unique without a change to what is awkward about it.
      const { id, dn } = await makeUser(get(), { cn: awkward });
      const byName = found(await directory.findUser({ by: 'dn', dn }, null, signal));
      assert.equal(byName.id, id);
      assert.equal((await directory.locateUser(id, signal))?.id, id);
      for (const attribute of nameAttributes(differences)) {
        const group = await makeGroup(get(), { attribute });
        const before = (await admin.members(group.dn)).length;
        const add = { group: group.dn, attribute, add: [byName.dn], remove: [] };
        assert.deepEqual((await directory.change(add, [byName.dn, dn])).presences, ['member', 'member']);
        assert.equal((await admin.members(group.dn)).length, before + 1);
        assert.equal(await directory.occupant(attribute, dn, signal), id);
        const remove = { group: group.dn, attribute, add: [], remove: [dn] };
        assert.deepEqual((await directory.change(remove, [byName.dn, dn])).presences, ['absent', 'absent']);
        assert.equal((await admin.members(group.dn)).length, before);
      }
      await admin.delete(dn);
    });
  }

  test('a group with an awkward name is found by it, and its members are changed', async () => {
    const { directory } = get();
    const user = await makeUser(get());
    for (const awkward of ['Ops, "core" + (all) * #1', ' blank ', 'trailing\\', '用户']) {
      const group = await makeGroup(get(), { name: awkward });
      assert.equal(found(await directory.findGroup({ by: 'name', name: awkward }, null, signal)).id, group.id);
      const byDn = found(await directory.findGroup({ by: 'dn', dn: group.dn }, null, signal));
      const add = { group: byDn.dn, attribute: 'member' as const, add: [user.dn], remove: [] };
      assert.deepEqual((await directory.change(add, [user.dn])).presences, ['member']);
    }
  });
}
