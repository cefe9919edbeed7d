import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foldDn, sameDn } from '../../../src/access/dn.ts';
import { DirectoryError } from '../../../src/directory/directory.ts';
import type { ReadSink } from '../../../src/directory/directory-reader.ts';
import { unique } from '../directory-contract/world.ts';
import { dn, simpleBind } from '../ldap-directory-under-test.ts';
import { hearing, NOTHING, readAll, shownPicture } from '../read-directory.ts';
import { makeGroup, makeUnit, makeUser, never, type ReaderWorld, replace } from './world.ts';

export function fullReadTests(get: () => ReaderWorld): void {
  test('a full read tells every user and every group in scope once, users first', async () => {
    const { reader, server } = get();
    const { heard, end } = await readAll(reader);
    assert.equal(end.told, 'all');
    assert.deepEqual(heard.kinds, ['user', 'group']);
    for (const [kind, base] of [
      ['users', server.usersScope],
      ['groups', server.groupsScope],
    ] as const) {
      const found = await server.search({
        base,
        scope: 'one',
        filter: kind === 'users' ? '(mail=*)' : '(cn=*)',
        attributes: ['1.1'],
      });
      assert.equal(heard.picture[kind].size, found.length);
    }
  });

  test('a user is told with its names, addresses, manager and whether it may log in', async () => {
    const world = get();
    const { differences, server, reader } = world;
    if (differences.disabling !== null) await replace(world, dn(server.personDn('sam')), ...differences.disabling);
    const { picture } = await readAll(reader);
    const users = new Map([...picture.users.values()].map((user) => [user.username, user]));
    const dana = users.get('dana');
    assert.equal(dana?.fullName, 'Dana Levi');
    assert.deepEqual([...(dana?.emails ?? [])].toSorted(), ['dana.levi@example.test', 'dana@example.test']);
    assert.equal(dana?.emails[0], 'dana@example.test');
    assert.ok(sameDn(dn(dana?.managerDn ?? ''), dn(server.personDn('bjorn'))));
    assert.deepEqual(dana?.uids, ['dana']);
    assert.equal(dana?.enabled, true);
    assert.equal(users.get('sam')?.enabled, differences.disabling === null);
    assert.ok(sameDn(dn(users.get('jsmith')?.dn ?? ''), dn(server.personDn('jsmith'))));
    assert.equal(users.get('katya')?.fullName, 'Катя Соколова');
  });

  test('a group is told with its members as the directory spells them, its description and its owners', async () => {
    const world = get();
    const { server, reader, differences } = world;
    const [boss, member] = [await makeUser(world), await makeUser(world)];
    const made = await makeGroup(world, [member.dn, server.personDn('dana')]);
    await replace(world, made.dn, 'description', 'Who looks after it');
    await replace(world, made.dn, differences.owner, boss.dn);
    const { picture } = await readAll(reader);
    const group = picture.groups.get(made.id);
    assert.equal(group?.name, made.name);
    assert.equal(group?.description, 'Who looks after it');
    assert.equal(group?.memberAttribute, 'member');
    assert.deepEqual(group?.ownerDns, [boss.dn]);
    assert.deepEqual(group?.members, [member.dn, server.personDn('dana')].toSorted());
    for (const { dn: at, members } of picture.groups.values()) {
      const values = await server.members(at);
      // A domain has its names in `member` alone.
      const counted = differences.hasPosixGroups ? values : values.filter((value) => value.includes('='));
      assert.deepEqual(members, counted.toSorted());
    }
  });

  test('nested groups and members outside the scope are told as they are, and a placeholder is not', async () => {
    const world = get();
    const outsider = await makeUser(world, world.elsewhere);
    const inner = await makeGroup(world, [outsider.dn]);
    const stand = await makeUser(world, world.elsewhere);
    const outer = await makeGroup(world, [inner.dn, outsider.dn, stand.dn]);
    // As the server spells it, which is how it is compared.
    const held = (await world.server.members(outer.dn)).find((value) => sameDn(dn(value), stand.dn));
    const { picture } = await readAll(await world.readerWith({ placeholder: held ?? stand.dn }));
    assert.equal(picture.users.has(outsider.id), false);
    assert.deepEqual(folded(picture.groups.get(outer.id)?.members ?? []), folded([inner.dn, outsider.dn]));
  });

  test('a configured filter and a narrower scope leave out what they say', async () => {
    const world = get();
    const unit = await makeUnit(world, world.usersScope);
    const [inside, other] = [await makeUser(world, unit), await makeUser(world, unit)];
    const filter = { kind: 'equality', attribute: 'mail', value: `${inside.name}@example.test` } as const;
    const narrow = await readAll(await world.readerWith({ usersScope: [unit], userFilter: filter }));
    assert.deepEqual([...narrow.picture.users.keys()], [inside.id]);
    const both = await readAll(await world.readerWith({ usersScope: [unit, world.usersScope, unit] }));
    assert.ok(both.picture.users.has(other.id));
  });

  test('small pages, pages that the server refuses, and a slow sink come to the same picture', async () => {
    const { reader, readerWith } = get();
    const whole = shownPicture((await readAll(reader)).picture);
    for (const pageSize of [3, 100_000])
      assert.deepEqual(shownPicture((await readAll(await readerWith({ pageSize }))).picture), whole);
    let waits = 0;
    const { sink, heard } = hearing(() => {
      waits += 1;
      return new Promise((resolve) => setImmediate(resolve));
    });
    await reader.readAll(sink, never);
    assert.ok(waits > 0);
    assert.deepEqual(shownPicture(heard.picture), whole);
  });

  test('users and groups by their ids are told as in a full read, and others are not', async () => {
    const { reader } = get();
    const { picture } = await readAll(reader);
    const { sink, heard } = hearing();
    const ids = [...picture.groups.keys()].slice(0, 3);
    const people = [...picture.users.keys()].slice(0, 3);
    await reader.readGroups([...ids, ...people], sink, never);
    await reader.readUsers([...people, ...ids], sink, never);
    assert.deepEqual(new Set(heard.picture.groups.keys()), new Set(ids));
    assert.deepEqual(new Set(heard.picture.users.keys()), new Set(people));
    for (const id of ids) assert.deepEqual(heard.picture.groups.get(id), picture.groups.get(id));
    for (const id of people) assert.deepEqual(heard.picture.users.get(id), picture.users.get(id));
    const nobody = hearing();
    await reader.readGroups([], nobody.sink, never);
    assert.deepEqual(shownPicture(nobody.heard.picture), shownPicture(NOTHING));
  });
}

/** How a read must end that cannot be whole. */
export function brokenReadTests(get: () => ReaderWorld): void {
  for (const scope of ['usersScope', 'groupsScope'] as const) {
    test(`a ${scope === 'usersScope' ? 'users' : 'groups'} scope that the account must not read fails the read`, async () => {
      const world = get();
      await world.admin.hide(world[scope]);
      try {
        await assert.rejects(
          readAll(world.reader),
          (error) => error instanceof DirectoryError && /must not read it|Check/.test(error.message),
        );
      } finally {
        await world.admin.showAll();
      }
      await readAll(world.reader);
    });
  }

  test('a scope that is hidden while it is read fails the read', async () => {
    const world = get();
    const reader = await world.readerWith({ pageSize: 5 });
    try {
      await assert.rejects(
        reader.readAll(
          once(() => world.admin.hide(world.usersScope)),
          never,
        ),
        DirectoryError,
      );
    } finally {
      await world.admin.showAll();
    }
  });

  test('a server that is restarted between two pages fails the read, and the next one is whole', async () => {
    const world = get();
    const reader = await world.readerWith({ pageSize: 5 });
    const restarted = Promise.withResolvers<void>();
    const restart = async () => {
      await world.server.kill('SIGKILL');
      await world.server.start();
      restarted.resolve();
    };
    await assert.rejects(
      reader.readAll(once(restart), never),
      (error) => error instanceof DirectoryError && error.fault === 'unavailable',
    );
    await restarted.promise;
    await readAll(reader);
  });

  test('a read that is given up rejects at once', async () => {
    const { readerWith } = get();
    const reader = await readerWith({ pageSize: 5 });
    const abort = new AbortController();
    await assert.rejects(
      reader.readAll(
        once(async () => abort.abort()),
        abort.signal,
      ),
      DirectoryError,
    );
  });

  test('a refused password fails a read, and is tried once', async () => {
    const { readerWith, server } = get();
    const reader = await readerWith({
      bind: simpleBind(server.connectorDn, unique('wrong')),
    });
    for (let i = 0; i < 2; i += 1)
      await assert.rejects(readAll(reader), (error) => error instanceof DirectoryError && error.fault === 'bind_refused');
  });
}

function folded(names: readonly string[]): readonly string[] {
  return names.map((name) => foldDn(dn(name))).toSorted();
}

/** A sink that does something when the first user has come, before anything more is read. */
function once(act: () => Promise<void>): ReadSink {
  let isDone = false;
  let isBegun = false;
  const { sink } = hearing(() => {
    if (!isBegun || isDone) return null;
    isDone = true;
    return act();
  });
  return {
    ...sink,
    user(user) {
      isBegun = true;
      sink.user(user);
    },
  };
}
