import assert from 'node:assert/strict';
import { type Dn, leafRdn } from '../../../src/access/dn.ts';
import type { EntryId, GrantId } from '../../../src/access/ids.ts';
import type { MemberAttribute } from '../../../src/access/membership.ts';
import { child, unique } from '../directory-contract/world.ts';
import { syncUnderTest } from '../sync-under-test.ts';
import type { Grants } from '../synced-history.ts';
import { DELTA, publishedBy, sameAsFirst } from './synced.ts';
import { type Made, makeGroup, makeUnit, makeUser, type ReaderWorld, replace, userDn } from './world.ts';

/** Creation, change, renaming, move, deletion and re-creation of users and groups, members by each attribute. */
export async function stepByStep(world: ReaderWorld): Promise<void> {
  const { admin, differences } = world;
  const links = !differences.hasPosixGroups;
  const [people, teams] = [await makeUnit(world, world.usersScope), await makeUnit(world, world.groupsScope)];
  const reader = await world.readerWith({ usersScope: [people], groupsScope: [teams] });
  const grants: Grants = new Map();
  await using sync = await syncUnderTest({ reader, grants: () => grants });
  const labels = new Map<EntryId, string>();
  const known = (label: string, made: Made): Made => (labels.set(made.id, label), made);

  /** Who is in which group, by labels, as the control plane has it after a delta; a fresh control plane must have the same. */
  async function told(): Promise<Readonly<Record<string, readonly string[]>>> {
    publishedBy(await sync.run(DELTA));
    // A count follows an entry that was deleted elsewhere only with the next full sync, where values go with their entries.
    await sameAsFirst(sync, reader, { grants, counts: !links });
    const { members, groups } = sync.receiver.picture();
    const labelOf = (id: string): string => labels.get(id as EntryId) ?? id;
    const entries = [...groups.keys()].map((id) => {
      const those = [...(members.get(id) ?? [])].map(([user, by]) =>
        by === 'standing' ? labelOf(user) : `${labelOf(user)} by ${by}`,
      );
      return [labelOf(id), those.toSorted()] as const;
    });
    return Object.fromEntries(entries);
  }

  /** A value that names nobody any more is put right by hand, where none follows by itself. */
  async function follow(group: Made, was: Made, is: Made): Promise<void> {
    if (!links) await admin.change(group.dn, { attribute: 'member', add: [is.dn], remove: [was.dn] });
  }

  const outsider = await makeUser(world, world.elsewhere);
  let ann = known('ann', await makeUser(world, people));
  let bob = known('bob', await makeUser(world, people));
  const cid = known('cid', await makeUser(world, people));
  let team = known('team', await makeGroup(world, [ann.dn, outsider.dn], teams));
  const outer = known('outer', await makeGroup(world, [team.dn, cid.dn], teams));
  assert.deepEqual(await told(), { outer: ['cid'], team: ['ann'] });
  assert.equal(sync.receiver.counts()?.membersOutOfScope, 2);

  await replace(world, ann.dn, 'mail', 'changed@example.test');
  await admin.change(team.dn, { attribute: 'member', add: [bob.dn] });
  grants.set(team.id, new Map([[bob.id, 'g-1' as GrantId]]));
  assert.deepEqual(await told(), { outer: ['cid'], team: ['ann', 'bob by g-1'] });
  assert.match(sync.receiver.picture().users.get(ann.id) ?? '', /changed@example\.test/);

  const renamed = { ...bob, dn: userDn(world, unique('renamed'), people) };
  await admin.rename(bob.dn, renamed.dn);
  await follow(team, bob, renamed);
  bob = renamed;
  grants.clear();
  assert.deepEqual(await told(), { outer: ['cid'], team: ['ann', 'bob'] });

  const sub = await makeUnit(world, people);
  const moved = { ...ann, dn: childOf(ann, sub) };
  await admin.rename(ann.dn, moved.dn);
  await follow(team, ann, moved);
  ann = moved;
  assert.deepEqual(await told(), { outer: ['cid'], team: ['ann', 'bob'] });

  const left = { ...bob, dn: childOf(bob, world.elsewhere) };
  await admin.rename(bob.dn, left.dn);
  assert.deepEqual(await told(), { outer: ['cid'], team: ['ann'] });
  assert.equal(sync.receiver.counts()?.membersOutOfScope, 3);
  await admin.rename(left.dn, bob.dn);
  assert.deepEqual(await told(), { outer: ['cid'], team: ['ann', 'bob'] });

  await admin.delete(ann.dn);
  assert.deepEqual(await told(), { outer: ['cid'], team: ['bob'] });
  ann = known('another ann', await makeUser(world, sub, ann.name));
  assert.deepEqual(await told(), { outer: ['cid'], team: links ? ['bob'] : ['another ann', 'bob'] });
  if (links) await admin.change(team.dn, { attribute: 'member', add: [ann.dn] });

  const called = { ...team, dn: child({ type: 'cn', value: unique('called') }, teams) };
  await admin.rename(team.dn, called.dn);
  await follow(outer, team, called);
  team = called;
  assert.deepEqual(await told(), { outer: ['cid'], team: ['another ann', 'bob'] });
  const away = childOf(team, world.elsewhere);
  await admin.rename(team.dn, away);
  assert.deepEqual(await told(), { outer: ['cid'] });
  await admin.rename(away, team.dn);
  assert.deepEqual(await told(), { outer: ['cid'], team: ['another ann', 'bob'] });
  await admin.delete(team.dn);
  assert.deepEqual(await told(), { outer: ['cid'] });
  team = known('another team', await makeGroup(world, [bob.dn], teams));
  assert.deepEqual(await told(), { 'another team': ['bob'], outer: ['cid'] });

  if (links) return;
  for (const [attribute, valueOf] of OTHER_STYLES) {
    const group = await makeStyled(world, { attribute, values: [valueOf(cid)], under: teams });
    labels.set(group.id, attribute);
    await told();
    await admin.change(group.dn, { attribute, add: [valueOf(ann), valueOf(outsider)] });
    assert.deepEqual((await told())[attribute], ['another ann', 'cid']);
    await admin.change(group.dn, { attribute, remove: [valueOf(cid)] });
    assert.deepEqual((await told())[attribute], ['another ann']);
  }
}

const OTHER_STYLES = [
  ['uniqueMember', (user: Made) => user.dn],
  ['memberUid', (user: Made) => user.name],
] as const satisfies readonly (readonly [MemberAttribute, (user: Made) => string])[];

async function makeStyled(
  { admin }: ReaderWorld,
  { attribute, values, under }: { attribute: MemberAttribute; values: readonly string[]; under: Dn },
): Promise<Made> {
  const name = unique('team');
  const at = child({ type: 'cn', value: name }, under);
  await admin.addGroup({ dn: at, name, attribute, values });
  return { id: await admin.idOf(at), dn: at, name };
}

/** The same entry beneath another one. */
function childOf({ dn }: Made, under: Dn): Dn {
  const [part] = leafRdn(dn);
  assert.ok(part !== undefined);
  return child(part, under);
}
