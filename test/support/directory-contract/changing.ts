import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Dn } from '../../../src/access/dn.ts';
import {
  child,
  type Get,
  type MadeUser,
  makeGroup,
  makeUser,
  memberNames,
  nameAttributes,
  type ServerDifferences,
  signal,
  unique,
  userDn,
} from './world.ts';

export function changeTests(get: Get, differences: ServerDifferences): void {
  for (const attribute of differences.memberAttributes) {
    const absentResult = attribute === 'memberUid' ? 'already_absent' : differences.absentName;
    const valueOf = (user: MadeUser) => (attribute === 'memberUid' ? user.uid : user.dn);

    test(`${attribute}: a value is added and deleted, and others stay`, async () => {
      const { directory, admin } = get();
      const [user, other] = [await makeUser(get()), await makeUser(get())];
      const group = await makeGroup(get(), { attribute, values: [valueOf(other)] });
      const value = valueOf(user);
      const added = await directory.change({ group: group.dn, attribute, add: [value], remove: [] }, [value, valueOf(other)]);
      assert.deepEqual(added, { result: 'ok', ldap: null, presences: ['member', 'member'] });
      const removed = await directory.change({ group: group.dn, attribute, add: [], remove: [value] }, [value, valueOf(other)]);
      assert.deepEqual(removed, { result: 'ok', ldap: null, presences: ['absent', 'member'] });
      assert.deepEqual(await admin.members(group.dn), [valueOf(other)]);
    });

    test(`${attribute}: adding what is there, or deleting what is not, is a hint, and the presences are true`, async () => {
      const { directory } = get();
      const [user, other] = [await makeUser(get()), await makeUser(get())];
      const group = await makeGroup(get(), { attribute, values: [valueOf(user)] });
      const again = await directory.change({ group: group.dn, attribute, add: [valueOf(user)], remove: [] }, [valueOf(user)]);
      assert.equal(again.result, 'already_there');
      assert.deepEqual(again.presences, ['member']);
      assert.notEqual(again.ldap, null);
      const absent = await directory.change({ group: group.dn, attribute, add: [], remove: [valueOf(other)] }, [valueOf(other)]);
      assert.equal(absent.result, absentResult);
      assert.deepEqual(absent.presences, ['absent']);
    });

    test(`${attribute}: a change with one value that cannot be is refused as a whole`, async () => {
      const { directory, admin } = get();
      const [here, fresh, absent] = [await makeUser(get()), await makeUser(get()), await makeUser(get())];
      const group = await makeGroup(get(), { attribute, values: [valueOf(here)] });
      const adding = { group: group.dn, attribute, add: [valueOf(fresh), valueOf(here)], remove: [] };
      const added = await directory.change(adding, [valueOf(fresh), valueOf(here)]);
      assert.deepEqual([added.result, ...added.presences], ['already_there', 'absent', 'member']);
      const removing = { group: group.dn, attribute, add: [], remove: [valueOf(here), valueOf(absent)] };
      const removed = await directory.change(removing, [valueOf(here), valueOf(absent)]);
      assert.deepEqual([removed.result, ...removed.presences], [absentResult, 'member', 'absent']);
      assert.deepEqual(await admin.members(group.dn), [valueOf(here)]);
    });

    test(`${attribute}: a value that comes twice is written once`, async () => {
      const { directory, admin } = get();
      const user = await makeUser(get());
      const value = valueOf(user);
      const twice =
        attribute === 'memberUid'
          ? [value, value]
          : [
              value,
              value.replace(/^[a-z]+=/i, (type) => (type === type.toUpperCase() ? type.toLowerCase() : type.toUpperCase())),
            ];
      const group = await makeGroup(get(), { attribute });
      const count = (await admin.members(group.dn)).length;
      const added = await directory.change({ group: group.dn, attribute, add: twice, remove: [] }, [value]);
      assert.deepEqual([added.result, ...added.presences], ['ok', 'member']);
      assert.equal((await admin.members(group.dn)).length, count + 1);
      const removed = await directory.change({ group: group.dn, attribute, add: [], remove: twice }, [value]);
      assert.deepEqual([removed.result, ...removed.presences], ['ok', 'absent']);
    });
  }

  test('a hundred values go in and out in one change each', async () => {
    const { directory, admin } = get();
    const names = Array.from({ length: 100 }, (_, index) => `${unique('bulk')}-${index}`);
    const values = await memberNames(get(), names);
    const group = await makeGroup(get());
    const before = (await admin.members(group.dn)).length;
    const added = await directory.change({ group: group.dn, attribute: 'member', add: values, remove: [] }, values);
    assert.deepEqual(
      added.presences,
      values.map(() => 'member'),
    );
    const removed = await directory.change({ group: group.dn, attribute: 'member', add: [], remove: values }, values);
    assert.deepEqual(
      removed.presences,
      values.map(() => 'absent'),
    );
    assert.equal((await admin.members(group.dn)).length, before);
  });

  for (const { what, spoil, result } of [
    {
      what: 'one is absent',
      spoil: (values: readonly Dn[]) => values.filter((_, i) => i !== 33),
      result: differences.absentName,
    },
    ...(differences.demandsMember
      ? [{ what: 'they are all there are', spoil: (values: readonly Dn[]) => values, result: 'last_member' as const }]
      : []),
  ]) {
    test(`a hundred values that go out in one change all stay where ${what}`, async () => {
      const { directory, admin } = get();
      const values = await memberNames(
        get(),
        Array.from({ length: 100 }, (_, i) => `${unique('atomic')}-${i}`),
      );
      const there = spoil(values);
      const group = await makeGroup(get(), { values: there });
      const answer = await directory.change({ group: group.dn, attribute: 'member', add: [], remove: values }, values);
      assert.equal(answer.result, result);
      assert.deepEqual(
        answer.presences,
        values.map((value) => (there.includes(value) ? 'member' : 'absent')),
      );
      assert.equal((await admin.members(group.dn)).length, there.length);
    });
  }

  test(`a change of a group that is not there is answered as ${differences.missingGroup}, and nothing is known`, async () => {
    const { directory, groupsScope } = get();
    const user = await makeUser(get());
    const group = child({ type: 'cn', value: 'nothing' }, groupsScope);
    const answer = await directory.change({ group, attribute: 'member', add: [user.dn], remove: [] }, [user.dn]);
    assert.deepEqual([answer.result, ...answer.presences], [differences.missingGroup, 'unknown']);
  });

  test('five hundred values go in and out in one change each', async () => {
    const { directory } = get();
    const values = await memberNames(
      get(),
      Array.from({ length: 500 }, () => unique('many')),
    );
    const group = await makeGroup(get());
    for (const [add, remove, expected] of [
      [values, [], 'member'],
      [[], values, 'absent'],
    ] as const) {
      const answer = await directory.change({ group: group.dn, attribute: 'member', add, remove }, values);
      assert.deepEqual([answer.result, new Set(answer.presences)], ['ok', new Set([expected])]);
    }
  });

  test('a user that does not exist becomes a member only where the server lets names dangle, and a memberUid anywhere', async () => {
    const { directory } = get();
    const ghost = userDn(get(), unique('ghost'));
    for (const attribute of differences.memberAttributes) {
      const group = await makeGroup(get(), { attribute });
      const value = attribute === 'memberUid' ? unique('ghost') : ghost;
      const { presences } = await directory.change({ group: group.dn, attribute, add: [value], remove: [] }, [value]);
      assert.equal(presences[0] === 'member', attribute === 'memberUid' || !differences.refusesUnknown, attribute);
    }
  });
}

export function lastMemberTests(get: Get, differences: ServerDifferences): void {
  for (const attribute of nameAttributes(differences)) {
    if (!differences.demandsMember) {
      test(`${attribute}: the last member is deleted, and the group stays, empty`, async () => {
        const { directory, admin } = get();
        const user = await makeUser(get());
        const group = await makeGroup(get(), { attribute, values: [user.dn] });
        const answer = await directory.change({ group: group.dn, attribute, add: [], remove: [user.dn] }, [user.dn]);
        assert.deepEqual([answer.result, ...answer.presences], ['ok', 'absent']);
        assert.deepEqual(await admin.members(group.dn), []);
        const back = await directory.change({ group: group.dn, attribute, add: [user.dn], remove: [] }, [user.dn]);
        assert.deepEqual([back.result, ...back.presences], ['ok', 'member']);
      });
    } else
      test(`${attribute}: the last member is not deleted, but gives place to the placeholder, and comes back for it`, async () => {
        const { directory, admin } = get();
        const user = await makeUser(get());
        const group = await makeGroup(get(), { attribute, values: [user.dn] });
        const target = { group: group.dn, attribute };
        const refused = await directory.change({ ...target, add: [], remove: [user.dn] }, [user.dn]);
        assert.deepEqual([refused.result, ...refused.presences], ['last_member', 'member']);
        const out = await directory.change({ ...target, add: [''], remove: [user.dn] }, [user.dn, '']);
        assert.deepEqual([out.result, ...out.presences], ['ok', 'absent', 'member']);
        assert.deepEqual(await admin.members(group.dn), ['']);
        const back = await directory.change({ ...target, add: [user.dn], remove: [''] }, [user.dn, '']);
        assert.deepEqual([back.result, ...back.presences], ['ok', 'member', 'absent']);
        assert.deepEqual(await admin.members(group.dn), [user.dn]);
      });

    test(`${attribute}: the placeholder names nobody`, async () => {
      assert.equal(await get().directory.occupant(attribute, '', signal), null);
    });
  }

  test('memberUid: the last member is deleted', async () => {
    const { directory, admin } = get();
    const user = await makeUser(get());
    const group = await makeGroup(get(), { attribute: 'memberUid', values: [user.uid] });
    const answer = await directory.change({ group: group.dn, attribute: 'memberUid', add: [], remove: [user.uid] }, [user.uid]);
    assert.deepEqual([answer.result, ...answer.presences], ['ok', 'absent']);
    assert.deepEqual(await admin.members(group.dn), []);
  });
}
