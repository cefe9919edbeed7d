import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AWKWARD_NAMES,
  found,
  type Get,
  type MadeUser,
  makeGroup,
  makeUser,
  memberNames,
  nameAttributes,
  presence,
  type ServerDifferences,
  signal,
  unique,
} from './world.ts';

/** What stands in for the rules of changes where the server takes none, such as a replica: each is refused, and nothing is done. */
export function readOnlyTests(get: Get, differences: ServerDifferences): void {
  for (const awkward of AWKWARD_NAMES) {
    test(`a user named ${JSON.stringify(awkward)} is found, and told from others in a group, and its change is refused`, async () => {
      const { directory, admin } = get();
      const { id, dn } = await makeUser(get(), { cn: awkward });
      assert.equal(found(await directory.findUser({ by: 'dn', dn }, null, signal)).id, id);
      assert.equal((await directory.locateUser(id, signal))?.id, id);
      for (const attribute of nameAttributes(differences)) {
        const [inside, outside] = [await makeGroup(get(), { attribute, values: [dn] }), await makeGroup(get(), { attribute })];
        assert.deepEqual([await presence(get(), inside, dn), await presence(get(), outside, dn)], ['member', 'absent']);
        assert.equal(await directory.occupant(attribute, dn, signal), id);
        const answer = await directory.change({ group: outside.dn, attribute, add: [dn], remove: [] }, [dn]);
        assert.deepEqual([answer.result, ...answer.presences], ['refused', 'absent']);
      }
      await admin.delete(dn);
    });
  }

  for (const attribute of differences.memberAttributes) {
    const valueOf = (user: MadeUser) => (attribute === 'memberUid' ? user.uid : user.dn);

    test(`${attribute}: an addition is refused with the server that would take it, and the user stays absent`, async () => {
      const { directory, admin } = get();
      const [user, other] = [await makeUser(get()), await makeUser(get())];
      const group = await makeGroup(get(), { attribute, values: [valueOf(other)] });
      const { result, ldap, presences } = await directory.change(
        { group: group.dn, attribute, add: [valueOf(user)], remove: [] },
        [valueOf(user), valueOf(other)],
      );
      assert.deepEqual([result, ...presences], ['refused', 'absent', 'member']);
      assert.equal(ldap?.resultName, 'referral');
      assert.match(ldap.diagnosticMessage, /ldaps?:\/\//);
      assert.deepEqual(await admin.members(group.dn), [valueOf(other)]);
    });

    test(`${attribute}: a deletion is refused, and the user stays a member`, async () => {
      const { directory, admin } = get();
      const [user, other] = [await makeUser(get()), await makeUser(get())];
      const group = await makeGroup(get(), { attribute, values: [valueOf(user), valueOf(other)] });
      const change = { group: group.dn, attribute, add: [], remove: [valueOf(user)] };
      const { result, presences } = await directory.change(change, [valueOf(user)]);
      assert.deepEqual([result, ...presences], ['refused', 'member']);
      assert.equal((await admin.members(group.dn)).length, 2);
    });

    test(`${attribute}: what is there already, or is not there, is refused like anything else`, async () => {
      const { directory } = get();
      const [user, other] = [await makeUser(get()), await makeUser(get())];
      const group = await makeGroup(get(), { attribute, values: [valueOf(user)] });
      for (const [add, remove, expected] of [
        [[valueOf(user)], [], 'member'],
        [[], [valueOf(other)], 'absent'],
      ] as const) {
        const answer = await directory.change({ group: group.dn, attribute, add, remove }, [...add, ...remove]);
        assert.deepEqual([answer.result, ...answer.presences], ['refused', expected]);
      }
    });

    test(`${attribute}: a hundred values are refused together, and not one is written`, async () => {
      const { directory, admin } = get();
      const names = Array.from({ length: 100 }, () => unique('bulk'));
      const values: readonly string[] = attribute === 'memberUid' ? names : await memberNames(get(), names);
      const group = await makeGroup(get(), { attribute });
      const before = await admin.members(group.dn);
      const answer = await directory.change({ group: group.dn, attribute, add: values, remove: [] }, values);
      assert.deepEqual([answer.result, new Set(answer.presences)], ['refused', new Set(['absent'])]);
      assert.deepEqual(await admin.members(group.dn), before);
    });
  }

  test('a group with an awkward name is found by it', async () => {
    const { directory } = get();
    for (const awkward of ['Ops, "core" + (all) * #1', ' blank ', 'trailing\\', '用户']) {
      const group = await makeGroup(get(), { name: awkward });
      assert.equal(found(await directory.findGroup({ by: 'name', name: awkward }, null, signal)).id, group.id);
      assert.equal(found(await directory.findGroup({ by: 'dn', dn: group.dn }, null, signal)).id, group.id);
    }
  });

  test('a change that asks for nothing is not sent, and its probe is answered', async () => {
    const { directory } = get();
    const user = await makeUser(get());
    const group = await makeGroup(get(), { values: [user.dn] });
    const answer = await directory.change({ group: group.dn, attribute: 'member', add: [], remove: [] }, [user.dn]);
    assert.deepEqual(answer, { result: 'ok', ldap: null, presences: ['member'] });
  });

  test('what somebody else writes where it is taken is seen here', async () => {
    const { admin } = get();
    const user = await makeUser(get());
    const group = await makeGroup(get());
    assert.equal(await presence(get(), group, user.dn), 'absent');
    await admin.change(group.dn, { attribute: 'member', add: [user.dn] });
    assert.equal(await presence(get(), group, user.dn), 'member');
    await admin.change(group.dn, { attribute: 'member', remove: [user.dn] });
    assert.equal(await presence(get(), group, user.dn), 'absent');
  });
}
