import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Dn } from '../../../src/access/dn.ts';
import {
  AWKWARD_NAMES,
  child,
  type Get,
  INJECTIONS,
  makeGroup,
  makeUser,
  memberNames,
  presence,
  type ServerDifferences,
  signal,
  unique,
} from './world.ts';

export function probeTests(get: Get, differences: ServerDifferences): void {
  test('a probe tells members from others, in the order that was asked', async () => {
    const { directory } = get();
    const [inside, outside] = [await makeUser(get()), await makeUser(get())];
    for (const attribute of differences.memberAttributes) {
      const values = attribute === 'memberUid' ? [inside.uid, outside.uid] : [inside.dn, outside.dn];
      const group = await makeGroup(get(), { attribute, values: values.slice(0, 1) });
      const probed = { group: group.dn, attribute, values };
      assert.deepEqual(await directory.probe(probed, signal), ['member', 'absent']);
      assert.deepEqual(await directory.probe({ ...probed, values: values.toReversed() }, signal), ['absent', 'member']);
    }
  });

  test('a memberUid is a member only exactly as it is written', async () => {
    const user = await makeUser(get());
    const group = await makeGroup(get(), { attribute: 'memberUid', values: [user.uid] });
    assert.equal(await presence(get(), group, user.uid), 'member');
    assert.equal(await presence(get(), group, user.uid.toUpperCase()), 'absent');
  });

  test('a probe of many values answers each', async () => {
    const { directory } = get();
    const values = Array.from({ length: 60 }, (_, index) => `many-${index}`);
    const group = await makeGroup(get(), { attribute: 'memberUid', values: values.filter((_, index) => index % 3 === 0) });
    const presences = await directory.probe({ group: group.dn, attribute: 'memberUid', values }, signal);
    assert.deepEqual(
      presences,
      values.map((_, index) => (index % 3 === 0 ? 'member' : 'absent')),
    );
    assert.deepEqual(await directory.probe({ group: group.dn, attribute: 'memberUid', values: [] }, signal), []);
  });

  for (const attribute of differences.memberAttributes) {
    test(`${attribute}: a probe of hundreds of values is true of each, whatever was thought likely`, async () => {
      const { directory } = get();
      // Where each must be made first, and a probe costs its server much, fewer show the same.
      const count = differences.refusesUnknown ? 120 : 300;
      const odd = Math.floor(count * 0.6);
      const names = Array.from({ length: count }, (_, index) => `${unique('many')}-${index}`);
      const values: readonly string[] = attribute === 'memberUid' ? names : await memberNames(get(), names);
      const sets = [
        values,
        [],
        values.filter((_, i) => i !== odd),
        values.filter((_, i) => i === odd),
        values.slice(0, odd - 30),
      ];
      for (const members of sets) {
        const group = await makeGroup(get(), { attribute, values: [...members, values[0] ?? ''].slice(0, members.length || 1) });
        const expected = values.map((value, i) =>
          members.includes(value) || (members.length === 0 && i === 0) ? 'member' : 'absent',
        );
        for (const likely of ['member', 'absent'] as const)
          assert.deepEqual(await directory.probe({ group: group.dn, attribute, values, likely }, signal), expected);
      }
    });
  }

  test('a probe of many awkward names answers each', async () => {
    const { directory, admin, usersScope } = get();
    const values = [...AWKWARD_NAMES, ...INJECTIONS.filter((text) => !text.includes('\0') && text !== '\u0000')].map((value) =>
      child({ type: 'cn', value }, usersScope),
    );
    // Names, whatever users are usually named by here.
    if (differences.refusesUnknown) await admin.addUsers(values.map((dn) => ({ dn, uids: [unique('awkward')], mails: [] })));
    const members = values.filter((_, i) => i % 5 !== 1);
    const group = await makeGroup(get(), { values: members });
    const probe = (asked: readonly Dn[]) => directory.probe({ group: group.dn, attribute: 'member', values: asked }, signal);
    assert.deepEqual(
      await probe(values),
      values.map((_, i) => (i % 5 === 1 ? 'absent' : 'member')),
    );
    assert.deepEqual(
      await probe(members),
      members.map(() => 'member'),
    );
    if (differences.refusesUnknown) for (const dn of values) await admin.delete(dn);
  });

  test('a group that is not there says nothing of one value, nor of many', async () => {
    const { directory, groupsScope } = get();
    const user = await makeUser(get());
    const group = child({ type: 'cn', value: 'nothing' }, groupsScope);
    for (const values of [[user.dn], Array.from({ length: 20 }, () => user.dn)])
      assert.deepEqual(
        await directory.probe({ group, attribute: 'member', values }, signal),
        values.map(() => 'unknown'),
      );
  });

  test('a group that cannot be seen, or whose members cannot, says nothing', async () => {
    const { admin } = get();
    const user = await makeUser(get());
    const group = await makeGroup(get(), { values: [user.dn] });
    try {
      await admin.hideMembers(group.dn);
      assert.equal(await presence(get(), group, user.dn), 'unknown');
      const probed = { group: group.dn, attribute: group.attribute, values: Array.from({ length: 20 }, () => user.dn) };
      assert.deepEqual(new Set(await get().directory.probe(probed, signal)), new Set(['unknown']));
      await admin.hide(group.dn);
      assert.equal(await presence(get(), group, user.dn), 'unknown');
    } finally {
      await admin.showAll();
    }
    assert.equal(await presence(get(), group, user.dn), 'member');
  });

  test('a name is a member in any spelling, and in another normal form of Unicode where the server takes that for the same', async () => {
    const name = `Zoë Ñandú ${unique('é')}`.normalize('NFC');
    const { dn } = await makeUser(get(), { cn: name });
    const group = await makeGroup(get(), { values: [dn] });
    assert.equal(await presence(get(), group, dn.toUpperCase()), 'member');
    const decomposed = await presence(get(), group, dn.normalize('NFD'));
    if (differences.normalisesNames) assert.equal(decomposed, 'member');
    else assert.notEqual(decomposed, 'member');
  });
}
