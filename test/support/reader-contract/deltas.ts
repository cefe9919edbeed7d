import assert from 'node:assert/strict';
import { test } from 'node:test';
import { child, unique } from '../directory-contract/world.ts';
import { hearing, type Picture, readAll, readChanges, shownPicture } from '../read-directory.ts';
import { atScale } from '../scale.ts';
import { seeded, seedOf } from '../seeded.ts';
import {
  deltaAfter,
  deltaOn,
  type Made,
  makeGroup,
  makeUnit,
  makeUser,
  never,
  type ReaderWorld,
  replace,
  userDn,
} from './world.ts';

export function deltaTests(get: () => ReaderWorld): void {
  test('the means are said', async () => {
    const { reader, differences } = get();
    assert.equal((await reader.means(never)).name, differences.means);
  });

  test('where nothing has changed a delta tells nothing, and ends as it always does', async () => {
    const world = get();
    const { delta } = await deltaAfter(world, async () => undefined);
    const told = delta.heard.picture.users.size + delta.heard.picture.groups.size;
    // Numbers that are compared inclusively tell the last change again.
    assert.ok(told <= (world.differences.means === 'entryCSN' ? 1 : 0), `${told} entries`);
    if (world.differences.told === 'present') assert.ok(delta.end.told === 'present' || delta.end.told === 'changes');
    else assert.equal(delta.end.told, 'changes');
  });

  test('a user that is new, changed, renamed or moved within the scope is told, and nobody else', async () => {
    const world = get();
    const unit = await makeUnit(world, world.usersScope);
    const [changed, renamed, moved] = [await makeUser(world), await makeUser(world), await makeUser(world)];
    let fresh: Made | null = null;
    const { delta } = await deltaAfter(world, async () => {
      fresh = await makeUser(world);
      await replace(world, changed.dn, 'mail', 'changed@example.test');
      await world.admin.rename(renamed.dn, userDn(world, unique('renamed')));
      await world.admin.rename(moved.dn, userDn(world, moved.name, unit));
    });
    assert.ok(fresh !== null);
    const ids = [fresh, changed, renamed, moved].map((made: Made) => made.id);
    assert.deepEqual(new Set(delta.heard.picture.users.keys()), new Set(ids));
    assert.equal(delta.end.told, world.differences.told);
  });

  test('a user that is deleted, moved out of the scope, or made again under the same name is gone', async () => {
    const world = get();
    const [deleted, left, again] = [await makeUser(world), await makeUser(world), await makeUser(world)];
    const { before, delta } = await deltaAfter(world, async () => {
      await world.admin.delete(deleted.dn);
      await world.admin.rename(left.dn, userDn(world, left.name, world.elsewhere));
      await world.admin.delete(again.dn);
      await makeUser(world, world.usersScope, again.name);
    });
    for (const { id } of [deleted, left, again]) {
      assert.ok(before.picture.users.has(id));
      assert.ok(!delta.picture.users.has(id));
    }
  });

  test('a group that is new, has other members, is renamed, leaves the scope or is deleted is told so', async () => {
    const world = get();
    const [one, two] = [await makeUser(world), await makeUser(world)];
    const made: Made[] = [];
    for (let i = 0; i < 4; i += 1) made.push(await makeGroup(world, [one.dn]));
    const [grown, renamed, left, deleted] = made as [Made, Made, Made, Made];
    const { delta } = await deltaAfter(world, async () => {
      await world.admin.change(grown.dn, { attribute: 'member', add: [two.dn], remove: [one.dn] });
      await world.admin.rename(renamed.dn, child({ type: 'cn', value: unique('renamed') }, world.groupsScope));
      await world.admin.rename(left.dn, child({ type: 'cn', value: left.name }, world.elsewhere));
      await world.admin.delete(deleted.dn);
      await makeGroup(world, [two.dn]);
    });
    assert.deepEqual(delta.picture.groups.get(grown.id)?.members, [two.dn]);
    assert.equal(delta.picture.groups.has(left.id), false);
    assert.equal(delta.picture.groups.has(deleted.id), false);
  });

  test('a user that enters or leaves a configured filter enters or leaves the picture', async () => {
    const world = get();
    const [entering, leaving] = [await makeUser(world), await makeUser(world)];
    await replace(world, leaving.dn, 'title', 'Pilot');
    const reader = await world.readerWith({ userFilter: { kind: 'equality', attribute: 'title', value: 'Pilot' } });
    const before = await readAll(reader);
    assert.ok(before.picture.users.has(leaving.id) && !before.picture.users.has(entering.id));
    await replace(world, leaving.dn, 'title', 'Cook');
    await replace(world, entering.dn, 'title', 'Pilot');
    const delta = await readChanges(reader, before);
    assert.ok('picture' in delta);
    assert.deepEqual(shownPicture(delta.picture), shownPicture((await readAll(reader)).picture));
    assert.ok(!delta.picture.users.has(leaving.id) && delta.picture.users.has(entering.id));
  });

  test('what changes during a full read is in the next delta', async () => {
    const world = get();
    const [changed, deleted] = [await makeUser(world), await makeUser(world)];
    let isBegun = false;
    let isDone = false;
    let created: Made | null = null;
    const { sink, heard } = hearing(() => {
      if (!isBegun || isDone) return null;
      isDone = true;
      const act = async () => {
        await replace(world, changed.dn, 'mail', 'during@example.test');
        await world.admin.delete(deleted.dn);
        created = await makeUser(world);
      };
      return act();
    });
    const reader = await world.readerWith({ pageSize: 5 });
    const end = await reader.readAll({ ...sink, user: (user) => ((isBegun = true), sink.user(user)) }, never);
    assert.ok(created !== null);
    const delta = await readChanges(world.reader, { end, heard, picture: heard.picture });
    assert.ok('picture' in delta);
    assert.deepEqual(shownPicture(delta.picture), shownPicture((await readAll(world.reader)).picture));
  });

  for (const [how, under] of [
    ['renamed', 'usersScope'],
    ['moved out of the scope', 'elsewhere'],
  ] as const) {
    test(`a container that is ${how} with users in it makes a full read necessary`, async () => {
      const world = get();
      const unit = await makeUnit(world, world.usersScope);
      await makeUser(world, unit);
      const before = await readAll(world.reader);
      await world.admin.rename(unit, child({ type: 'ou', value: unique('renamed') }, world[under]));
      const delta = await readChanges(world.reader, before);
      if ('reason' in delta) assert.match(delta.reason, /container/);
      // Where all that is there is told, what was in it is gone with it.
      else assert.deepEqual(shownPicture(delta.picture), shownPicture((await readAll(world.reader)).picture));
      if (how === 'renamed') assert.ok('reason' in delta);
    });
  }

  test('a cursor that is none, of another mapping, of another scope or of another directory is refused with the reason', async () => {
    const world = get();
    const before = await readAll(world.reader);
    const { cursor } = before.end;
    assert.ok(cursor !== null);
    const foreign = cursor.replace(/"(\w{8}-\w{4}-\w{4}-\w{4}-\w{12})/, '"00000000-0000-4000-8000-000000000000');
    const cases = [
      [world.reader, 'nonsense', /cannot be read/],
      [world.reader, '', /cannot be read/],
      [world.reader, foreign, /another than then/],
      [await world.readerWith({ fullNameAttribute: 'sn' }), cursor, /others than then/],
      [await world.readerWith({ usersScope: [world.elsewhere] }), cursor, /others than then/],
    ] as const;
    for (const [reader, text, reason] of cases) {
      const end = await reader.readChanges(text, hearing().sink, never);
      assert.ok(end.told === 'full_needed');
      assert.match(end.reason, reason);
    }
  });

  test('a cursor that is ahead of the server, which must have been restored since, makes a full read necessary', async () => {
    const { reader } = get();
    const { cursor } = (await readAll(reader)).end;
    const [version, means, server, reading, state] = JSON.parse(cursor ?? '[]') as string[];
    assert.ok(state !== undefined);
    const ahead = JSON.stringify([version, means, server, reading, laterState(state)]);
    const end = await reader.readChanges(ahead, hearing().sink, never);
    assert.ok(end.told === 'full_needed', end.told);
    assert.match(end.reason, /restored/);
  });

  test('a filter by memberOf leaves no means but a full read', async () => {
    const { readerWith, groupsScope } = get();
    const reader = await readerWith({ userFilter: { kind: 'equality', attribute: 'memberOf', value: groupsScope } });
    const means = await reader.means(never);
    assert.equal(means.name, null);
    assert.match(means.reason, /memberOf/);
  });

  test('after any history, deltas on top of a full read come to a fresh full read', async () => {
    await histories(get());
  });
}

/** The same place in the changes of a server, in some years: a number, a change sequence number, or cookies with some. */
function laterState(state: string): string {
  if (/^\d{1,18}$/.test(state)) return String(BigInt(state) + 1_000_000n);
  const later = (text: string) => text.replaceAll(/20\d\d(?=\d{10}\.)/g, '2099');
  if (later(state) !== state) return later(state);
  const cookies = state
    .split(' ')
    .map((cookie) => Buffer.from(later(Buffer.from(cookie, 'base64').toString('latin1')), 'latin1'));
  return cookies.map((cookie) => cookie.toString('base64')).join(' ');
}

/** Each step changes something and reads a delta on top of the last one. */
async function histories(world: ReaderWorld): Promise<void> {
  const random = seeded(seedOf(5));
  const any = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
  const users: Made[] = [await makeUser(world), await makeUser(world)];
  const groups: Made[] = [await makeGroup(world, [(users[0] as Made).dn])];
  const steps: readonly (() => Promise<void>)[] = [
    async () => void users.push(await makeUser(world)),
    async () => void users.push(await makeUser(world, world.elsewhere)),
    async () => void groups.push(await makeGroup(world, [any(users)?.dn ?? world.usersScope])),
    async () => {
      const user = any(users);
      if (user !== undefined) await replace(world, user.dn, 'mail', `${unique('mail')}@example.test`);
    },
    async () => {
      const user = any(users);
      if (user === undefined) return;
      const to = userDn(world, unique('moved'), any([world.usersScope, world.elsewhere]));
      await world.admin.rename(user.dn, to);
      users.splice(users.indexOf(user), 1, { ...user, dn: to });
    },
    async () => {
      const user = any(users.slice(1));
      if (user === undefined) return;
      await world.admin.delete(user.dn);
      users.splice(users.indexOf(user), 1);
    },
    async () => {
      const group = any(groups);
      const user = await makeUser(world);
      users.push(user);
      if (group !== undefined) await world.admin.change(group.dn, { attribute: 'member', add: [user.dn] });
    },
    async () => {
      const group = any(groups);
      if (group === undefined || groups.length < 2) return;
      await world.admin.delete(group.dn);
      groups.splice(groups.indexOf(group), 1);
    },
  ];
  let last = await readAll(world.reader);
  for (let step = 0; step < atScale({ sample: 6, full: 100 }); step += 1) {
    for (let i = 0; i < 3; i += 1) await any(steps)?.();
    const delta = await deltaOn(world, last);
    const fresh = (await readAll(world.reader)).picture;
    assert.deepEqual(shownPicture(asTold(world, delta.picture)), shownPicture(asTold(world, fresh)));
    last = delta;
  }
}

/** Where values follow whom they name, and nothing says so, of members whom nobody reads no more can be known than how many they are. */
function asTold({ differences }: ReaderWorld, { users, groups }: Picture): Picture {
  if (differences.hasPosixGroups) return { users, groups };
  const names = new Set<string>([...users.values()].map(({ dn }) => dn));
  const shown = (value: string): string => (names.has(value) ? value : 'somebody out of scope');
  return {
    users,
    groups: new Map([...groups].map(([id, group]) => [id, { ...group, members: group.members.map(shown).toSorted() }])),
  };
}
