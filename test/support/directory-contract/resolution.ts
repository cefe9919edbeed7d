import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDn, parseDn } from '../../../src/access/dn.ts';
import { type GroupEntry, isPrimaryGroup, type UserEntry } from '../../../src/directory/directory.ts';
import {
  child,
  found,
  type Get,
  INJECTIONS,
  idOf,
  makeGroup,
  makeUser,
  NO_SUCH_ID,
  rdns,
  type ServerDifferences,
  signal,
  unique,
  userDn,
} from './world.ts';

export function resolutionTests(get: Get, differences: ServerDifferences): void {
  test('a user is found by name, id, e-mail address and username, and is then in scope', async () => {
    const { directory } = get();
    const { id, dn, uid, mail } = await makeUser(get());
    for (const ref of [
      { by: 'dn', dn },
      { by: 'id', id },
      { by: 'email', email: mail },
      { by: 'username', username: uid },
    ] as const) {
      const user: UserEntry = found(await directory.findUser(ref, null, signal));
      assert.deepEqual({ id: user.id, uids: user.uids, inScope: user.inScope }, { id, uids: [uid], inScope: true }, ref.by);
    }
  });

  test('a group is found by name, id and common name, with the attribute of its members', async () => {
    const { directory } = get();
    for (const attribute of differences.styles) {
      const { id, dn, name } = await makeGroup(get(), { attribute });
      for (const ref of [
        { by: 'dn', dn },
        { by: 'id', id },
        { by: 'name', name },
      ] as const) {
        const group: GroupEntry = found(await directory.findGroup(ref, null, signal));
        assert.deepEqual(
          { id: group.id, name: group.name, memberAttribute: group.memberAttribute, inScope: group.inScope },
          { id, name, memberAttribute: attribute, inScope: true },
        );
      }
    }
  });

  test('a name that the server does not take for one is nobody', async () => {
    const { directory, usersScope, groupsScope } = get();
    const type = differences.userRdn;
    const odd = [`${type}=#040d646f6d61696e2d61646d696e73`, `${type}=a+${type}=b`, '2.5.4.99999=x', 'noSuchAttribute=x'];
    for (const rdn of odd) {
      const [user, group] = [parseDn(`${rdn},${usersScope}`), parseDn(`${rdn},${groupsScope}`)];
      assert.ok(user.ok && group.ok);
      for (const own of [null, { id: (await makeUser(get())).id, dn: user.value }]) {
        const resolved = await directory.findUser({ by: 'dn', dn: user.value }, own, signal);
        assert.ok(resolved.kind === (own === null ? 'not_found' : 'found'), `${rdn}: ${resolved.kind}`);
      }
      assert.equal((await directory.findGroup({ by: 'dn', dn: group.value }, null, signal)).kind, 'not_found', rdn);
    }
  });

  test('names, addresses and usernames are found in another spelling', async () => {
    const { directory } = get();
    const { id, dn, uid, mail } = await makeUser(get());
    const spelt = parseDn(dn.replace(/^[a-z]+=/i, (type) => `${type.slice(0, -1)} = `).toUpperCase());
    assert.ok(spelt.ok);
    for (const ref of [
      { by: 'dn', dn: spelt.value },
      { by: 'email', email: mail.toUpperCase() },
      { by: 'username', username: uid.toUpperCase() },
    ] as const) {
      assert.equal(found(await directory.findUser(ref, null, signal)).id, id);
    }
  });

  test('what does not exist is not found', async () => {
    const { directory, groupsScope } = get();
    const id = idOf(NO_SUCH_ID);
    const dn = userDn(get(), 'nobody');
    const refs = [
      { by: 'dn', dn },
      { by: 'id', id },
      { by: 'email', email: 'no@example.test' },
      { by: 'username', username: 'no' },
    ] as const;
    for (const ref of refs) assert.deepEqual(await directory.findUser(ref, null, signal), { kind: 'not_found' });
    const groupDn = child({ type: 'cn', value: 'nothing' }, groupsScope);
    for (const ref of [
      { by: 'dn', dn: groupDn },
      { by: 'id', id },
      { by: 'name', name: 'nothing' },
    ] as const)
      assert.deepEqual(await directory.findGroup(ref, null, signal), { kind: 'not_found' });
  });

  test('an address that several users have is ambiguous, and they are counted', async () => {
    const { directory } = get();
    const mail = `${unique('shared')}@example.test`;
    for (const count of [1, 2, 3]) {
      await makeUser(get(), { mail });
      const resolution = await directory.findUser({ by: 'email', email: mail }, null, signal);
      if (count === 1) assert.equal(resolution.kind, 'found');
      else assert.deepEqual(resolution, { kind: 'ambiguous', count });
    }
  });

  test('a name outside the scope is out of scope, whether an entry is there or not; any other reference finds nothing', async () => {
    const { directory, elsewhere } = get();
    const { id, dn, uid, mail } = await makeUser(get(), { under: elsewhere });
    const nothing = userDn(get(), 'nobody', elsewhere);
    for (const outside of [dn, nothing])
      assert.deepEqual(await directory.findUser({ by: 'dn', dn: outside }, null, signal), { kind: 'out_of_scope' });
    for (const ref of [
      { by: 'id', id },
      { by: 'email', email: mail },
      { by: 'username', username: uid },
    ] as const)
      assert.deepEqual(await directory.findUser(ref, null, signal), { kind: 'not_found' });
    const group = await makeGroup(get(), { under: elsewhere });
    assert.deepEqual(await directory.findGroup({ by: 'dn', dn: group.dn }, null, signal), { kind: 'out_of_scope' });
    assert.deepEqual(await directory.findGroup({ by: 'id', id: group.id }, null, signal), { kind: 'not_found' });
    assert.deepEqual(await directory.findGroup({ by: 'name', name: group.name }, null, signal), { kind: 'not_found' });
  });

  test('a name that only looks like one beneath the scope is outside', async () => {
    const { directory, usersScope, baseDn } = get();
    const lookalike = formatDn([[{ type: differences.userRdn, value: `x,${usersScope}` }], ...rdns(baseDn)]);
    assert.deepEqual(await directory.findUser({ by: 'dn', dn: lookalike }, null, signal), { kind: 'out_of_scope' });
    const emptyName = parseDn('');
    assert.ok(emptyName.ok);
    assert.deepEqual(await directory.findUser({ by: 'dn', dn: emptyName.value }, null, signal), { kind: 'out_of_scope' });
  });

  test('a group is no user and a user is no group', async () => {
    const { directory, usersScope, groupsScope } = get();
    const user = await makeUser(get());
    const group = await makeGroup(get());
    assert.deepEqual(await directory.findUser({ by: 'dn', dn: usersScope }, null, signal), { kind: 'not_found' });
    assert.deepEqual(await directory.findGroup({ by: 'dn', dn: groupsScope }, null, signal), { kind: 'not_found' });
    assert.deepEqual(await directory.findUser({ by: 'id', id: group.id }, null, signal), { kind: 'not_found' });
    assert.deepEqual(await directory.findGroup({ by: 'id', id: user.id }, null, signal), { kind: 'not_found' });
  });

  test('no value is ever read as a filter', async () => {
    const { directory } = get();
    await makeUser(get());
    for (const text of INJECTIONS) {
      assert.deepEqual(await directory.findUser({ by: 'username', username: text }, null, signal), { kind: 'not_found' }, text);
      assert.deepEqual(await directory.findUser({ by: 'email', email: text }, null, signal), { kind: 'not_found' }, text);
      assert.deepEqual(await directory.findGroup({ by: 'name', name: text }, null, signal), { kind: 'not_found' }, text);
      assert.equal(await directory.occupant('memberUid', text, signal), null, text);
      assert.deepEqual(await directory.groupsNamed(text, signal), [], text);
    }
  });

  for (const count of differences.hasSeveralMails ? [2, 3] : [1]) {
    test(`each of the ${count} e-mail addresses that a user has identifies it`, async () => {
      const { directory } = get();
      const mails = Array.from({ length: count }, () => `${unique('address')}@example.test`);
      const { id } = await makeUser(get(), { mails });
      for (const email of mails) assert.equal(found(await directory.findUser({ by: 'email', email }, null, signal)).id, id);
    });
  }

  test('what is found says of a usual user and a usual group that nothing stands against a grant', async () => {
    const { directory } = get();
    const [{ uid }, { name }] = [await makeUser(get()), await makeGroup(get())];
    const user = found(await directory.findUser({ by: 'username', username: uid }, null, signal));
    const group = found(await directory.findGroup({ by: 'name', name }, null, signal));
    assert.deepEqual([user.refusal, group.refusal, group.builtIn, isPrimaryGroup(user, group)], [null, null, null, false]);
  });

  test('a user without an address is found by everything else', async () => {
    const { directory } = get();
    const { id, uid, dn } = await makeUser(get(), { mails: [] });
    for (const ref of [{ by: 'username', username: uid } as const, { by: 'dn', dn } as const, { by: 'id', id } as const])
      assert.equal(found(await directory.findUser(ref, null, signal)).id, id);
  });
}

export function ownEntryTests(get: Get): void {
  test('a reference that names the recorded user finds it where it has moved to, and says that it is out of scope', async () => {
    const { directory, admin, elsewhere } = get();
    const user = await makeUser(get());
    const own = { id: user.id, dn: user.dn };
    const moved = userDn(get(), user.uid, elsewhere);
    await admin.rename(user.dn, moved);
    for (const ref of [
      { by: 'id', id: user.id },
      { by: 'dn', dn: user.dn },
      { by: 'dn', dn: moved },
    ] as const) {
      const entry = found(await directory.findUser(ref, own, signal));
      assert.deepEqual({ id: entry.id, inScope: entry.inScope }, { id: user.id, inScope: false });
    }
    assert.deepEqual(await directory.findUser({ by: 'id', id: user.id }, null, signal), { kind: 'not_found' });
  });

  test('a reference that names the recorded user finds it under its new name', async () => {
    const { directory, admin } = get();
    const user = await makeUser(get());
    const own = { id: user.id, dn: user.dn };
    await admin.rename(user.dn, userDn(get(), unique('renamed')));
    const entry = found(await directory.findUser({ by: 'dn', dn: user.dn }, own, signal));
    assert.deepEqual({ id: entry.id, inScope: entry.inScope }, { id: user.id, inScope: true });
  });

  test('a recorded name that another user has taken over names that other user', async () => {
    const { directory, admin } = get();
    const user = await makeUser(get());
    const own = { id: user.id, dn: user.dn };
    await admin.rename(user.dn, userDn(get(), unique('renamed')));
    await admin.addUser({ dn: user.dn, uids: [user.uid], mails: [] });
    assert.equal(found(await directory.findUser({ by: 'dn', dn: user.dn }, own, signal)).id, await admin.idOf(user.dn));
  });

  test('an address that the recorded user shares with another names the recorded user', async () => {
    const { directory } = get();
    const mail = `${unique('shared')}@example.test`;
    await makeUser(get(), { mail });
    const { id, dn } = await makeUser(get(), { mail });
    assert.equal(found(await directory.findUser({ by: 'email', email: mail }, { id, dn }, signal)).id, id);
  });

  test('a reference that names another than the recorded user finds the other', async () => {
    const { directory } = get();
    const [one, other] = [await makeUser(get()), await makeUser(get())];
    const own = { id: one.id, dn: one.dn };
    assert.equal(found(await directory.findUser({ by: 'dn', dn: other.dn }, own, signal)).id, other.id);
    assert.equal(found(await directory.findUser({ by: 'username', username: other.uid }, own, signal)).id, other.id);
  });

  test('the recorded group is found where it has moved to', async () => {
    const { directory, admin, elsewhere } = get();
    const group = await makeGroup(get());
    await admin.rename(group.dn, child({ type: 'cn', value: group.name }, elsewhere));
    const entry = found(await directory.findGroup({ by: 'dn', dn: group.dn }, { id: group.id, dn: group.dn }, signal));
    assert.deepEqual({ id: entry.id, inScope: entry.inScope }, { id: group.id, inScope: false });
  });
}
