import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sameDn } from '../../../src/access/dn.ts';
import { DirectoryError } from '../../../src/directory/directory.ts';
import { until } from '../system.ts';
import {
  child,
  type Get,
  idOf,
  makeGroup,
  makeUser,
  NO_SUCH_ID,
  presence,
  type ServerDifferences,
  signal,
  unique,
  userDn,
} from './world.ts';

export function identityTests(get: Get, differences: ServerDifferences): void {
  test('a renamed user and a moved one are located by id, with the name that they have now', async () => {
    const { directory, admin, elsewhere } = get();
    const user = await makeUser(get());
    const renamed = userDn(get(), unique('renamed'));
    await admin.rename(user.dn, renamed);
    const inside = await directory.locateUser(user.id, signal);
    assert.deepEqual([inside?.dn, inside?.inScope], [renamed, true]);
    const moved = userDn(get(), unique('moved'), elsewhere);
    await admin.rename(renamed, moved);
    const outside = await directory.locateUser(user.id, signal);
    assert.deepEqual([outside?.dn, outside?.inScope], [moved, false]);
    assert.equal(await directory.occupant('member', user.dn, signal), null);
    assert.equal(await directory.occupant('member', moved, signal), user.id);
  });

  test('a moved group is located by id, with the attribute of its members', async () => {
    const { directory, admin, elsewhere } = get();
    const attribute = differences.styles.at(-1) ?? 'member';
    const group = await makeGroup(get(), { attribute });
    const moved = child({ type: 'cn', value: group.name }, elsewhere);
    await admin.rename(group.dn, moved);
    const entry = await directory.locateGroup(group.id, signal);
    assert.ok(entry !== null && sameDn(entry.dn, moved));
    assert.deepEqual([entry.inScope, entry.memberAttribute], [false, attribute]);
  });

  test('an id that no entry has locates nothing', async () => {
    const { directory } = get();
    assert.equal(await directory.locateUser(idOf(NO_SUCH_ID), signal), null);
    assert.equal(await directory.locateGroup(idOf(NO_SUCH_ID), signal), null);
  });

  test('many users are located at once, in the order that was asked, wherever they are', async () => {
    const { directory, elsewhere } = get();
    const inside = [await makeUser(get()), await makeUser(get())];
    const outside = await makeUser(get(), { under: elsewhere });
    const ids = [outside.id, idOf(NO_SUCH_ID), ...inside.map(({ id }) => id), outside.id];
    const located = await directory.locateUsers(ids, signal);
    assert.deepEqual(
      located.map((user) => user && [user.id, user.dn, user.inScope]),
      [[outside.id, outside.dn, false], null, ...inside.map(({ id, dn }) => [id, dn, true]), [outside.id, outside.dn, false]],
    );
  });

  test('another entry under the same name has another id', async () => {
    const { directory, admin } = get();
    const user = await makeUser(get());
    await admin.delete(user.dn);
    await admin.addUser({ dn: user.dn, uids: [user.uid], mails: [] });
    const now = await directory.occupant('member', user.dn, signal);
    assert.notEqual(now, user.id);
    assert.equal(await directory.occupant('memberUid', user.uid, signal), now);
    assert.equal(await directory.locateUser(user.id, signal), null);
  });

  test('member values follow a rename only where the directory keeps references', async () => {
    const { admin } = get();
    const { hasReferentialIntegrity } = differences;
    const [user, other] = [await makeUser(get()), await makeUser(get())];
    const group = await makeGroup(get(), { values: [user.dn, other.dn] });
    const renamed = userDn(get(), unique('renamed'));
    await admin.rename(user.dn, renamed);
    const [holding, free] = hasReferentialIntegrity ? [renamed, user.dn] : [user.dn, renamed];
    // A server that keeps references may do so after its answer.
    await until('the member value to be the one that is expected', async () => {
      const [there, gone] = [await presence(get(), group, holding), await presence(get(), group, free)];
      return there === 'member' && gone === 'absent';
    });
  });

  test('a protected group is found by name, by id and by common name, one or several', async () => {
    const { directory, elsewhere, groupsScope } = get();
    const group = await makeGroup(get());
    const outside = await makeGroup(get(), { under: elsewhere });
    for (const text of [group.dn, group.id, group.name]) {
      const [only, ...others] = await directory.groupsNamed(text, signal);
      assert.deepEqual([only?.id, others.length], [group.id, 0]);
    }
    assert.deepEqual(
      (await directory.groupsNamed(outside.dn, signal)).map(({ id }) => id),
      [outside.id],
    );
    assert.deepEqual(
      (await directory.groupsNamed(outside.id, signal)).map(({ id }) => id),
      [outside.id],
    );
    assert.deepEqual(await directory.groupsNamed(child({ type: 'cn', value: 'nothing' }, groupsScope), signal), []);
    assert.deepEqual(await directory.groupsNamed('nothing', signal), []);
  });

  test('an entry that is there and is no group means no group: the folder of the groups protects none of them', async () => {
    const { directory, groupsScope } = get();
    const user = await makeUser(get());
    for (const text of [groupsScope, user.dn, user.id]) assert.deepEqual(await directory.groupsNamed(text, signal), [], text);
  });
}

export function goneTests(get: Get): void {
  test('a deleted user is gone, with a witness and without', async () => {
    const { directory, admin } = get();
    const [user, witness] = [await makeUser(get()), await makeUser(get())];
    const entry = { id: user.id, dn: user.dn };
    assert.equal(await directory.sightGone({ entry, witness: null }, signal), 'found');
    await admin.delete(user.dn);
    assert.equal(await directory.sightGone({ entry, witness: { id: witness.id, dn: witness.dn } }, signal), 'gone');
    assert.equal(await directory.sightGone({ entry, witness: null }, signal), 'gone');
  });

  test('a user that was moved or renamed is found', async () => {
    const { directory, admin, elsewhere } = get();
    const user = await makeUser(get());
    await admin.rename(user.dn, userDn(get(), unique('moved'), elsewhere));
    assert.equal(await directory.sightGone({ entry: { id: user.id, dn: user.dn }, witness: null }, signal), 'found');
  });

  test('a user whose container is gone too is gone', async () => {
    const { directory, usersScope } = get();
    const container = child({ type: 'ou', value: 'closed' }, usersScope);
    const entry = { id: idOf(NO_SUCH_ID), dn: userDn(get(), 'nobody', container) };
    assert.equal(await directory.sightGone({ entry, witness: null }, signal), 'gone');
  });

  test('nothing is proved while the witness cannot be found, though the scopes can be read', async () => {
    const { directory, admin } = get();
    const user = await makeUser(get());
    const missing = { entry: { id: user.id, dn: user.dn }, witness: { id: idOf(NO_SUCH_ID), dn: userDn(get(), 'nobody') } };
    try {
      await admin.hide(user.dn);
      assert.equal(await directory.locateUser(user.id, signal), null);
      assert.equal(await directory.sightGone(missing, signal), 'unproven');
    } finally {
      await admin.showAll();
    }
    assert.equal(await directory.sightGone(missing, signal), 'found');
  });

  test('nothing is proved while the scope of the entry cannot be read, though a witness elsewhere is found', async () => {
    const { directory, admin, usersScope } = get();
    const [user, witness] = [await makeUser(get()), await makeGroup(get())];
    const missing = { entry: { id: user.id, dn: user.dn }, witness: { id: witness.id, dn: witness.dn } };
    try {
      await admin.hide(usersScope);
      assert.equal(await directory.locateUser(user.id, signal), null);
      assert.equal(await directory.sightGone(missing, signal), 'unproven');
    } finally {
      await admin.showAll();
    }
  });

  test('nothing is proved while the base cannot be read', async () => {
    const { directory, admin, baseDn } = get();
    const user = await makeUser(get());
    const entry = { id: user.id, dn: user.dn };
    try {
      await admin.hide(baseDn);
      const sighting = await directory.sightGone({ entry, witness: null }, signal).catch((error: unknown) => {
        assert.ok(error instanceof DirectoryError);
        return 'unproven';
      });
      assert.equal(sighting, 'unproven');
    } finally {
      await admin.showAll();
    }
    assert.equal(await directory.sightGone({ entry, witness: null }, signal), 'found');
  });
}

export function lostAnswerTests(get: Get): void {
  test('a change whose answer is lost rejects as sent, and a probe finds out that it was done', async () => {
    const { directory, loseNextAnswer, untilUp } = get();
    const user = await makeUser(get());
    const group = await makeGroup(get());
    for (const [add, remove, presences] of [
      [[user.dn], [], ['member']],
      [[], [user.dn], ['absent']],
    ] as const) {
      loseNextAnswer();
      await assert.rejects(directory.change({ group: group.dn, attribute: 'member', add, remove }, [user.dn]), (error) => {
        assert.ok(error instanceof DirectoryError);
        assert.deepEqual([error.fault, error.sent], ['unavailable', true]);
        return true;
      });
      await untilUp();
      const probed = { group: group.dn, attribute: 'member', values: [user.dn] } as const;
      assert.deepEqual(await directory.probe(probed, signal), presences);
    }
  });
}
