import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { EntryId, GrantId } from '../../src/access/ids.ts';
import { addPerson, type SyncedTree, type TreeGroup, type TreeUser, type TreeValue } from './synced-tree.ts';

/** One change of the tree; numbers choose among what is there. */
export interface TreeStep {
  readonly kind: (typeof KINDS)[number];
  readonly one: number;
  readonly other: number;
}

const KINDS = [
  'add user',
  'delete user',
  'recreate user',
  'rename user',
  'rename user with refint',
  'move user',
  'change mail',
  'disable',
  'set manager',
  'set uids',
  'set primary group',
  'add group',
  'delete group',
  'rename group',
  'move group',
  'add member',
  'add member twice',
  'nest group',
  'add dangling',
  'remove value',
  'set owner',
  'grant',
  'end grant',
] as const;

export const treeSteps: fc.Arbitrary<readonly TreeStep[]> = fc.array(
  fc.record({ kind: fc.constantFrom(...KINDS), one: fc.nat(7), other: fc.nat(7) }),
  { maxLength: 8 },
);

/** What grants hold, by group and user. */
export type Grants = Map<EntryId, Map<EntryId, GrantId>>;

/** A tree that changes, with grants. The first user and the first group stay in scope: a directory that is empty is another rule. */
export function treeHistory(tree: SyncedTree) {
  const grants: Grants = new Map();
  let made = 0;

  const newId = (): EntryId => {
    made += 1;
    return `00000000-0000-4000-8000-${String(made).padStart(12, '0')}` as EntryId;
  };
  const pick = <T>(things: Iterable<T>, at: number): T | undefined => {
    const all = [...things];
    return all[at % Math.max(1, all.length)];
  };
  const user = (at: number): TreeUser | undefined => pick(tree.users.values(), at);
  const group = (at: number): TreeGroup | undefined => pick(tree.groups.values(), at);
  /** Spelt in one of the ways that mean the same. */
  const link = (to: TreeUser | TreeGroup, spelling: number): TreeValue => {
    const dn = tree.dnOf(to);
    return { to: to.id, text: spelling % 3 === 1 ? dn.toUpperCase() : spelling % 3 === 2 ? dn.replaceAll(',', ', ') : dn };
  };
  const isFree = (name: string): boolean => ![...tree.users.values()].some((other) => other.name === name);
  const mortal = <T extends TreeUser | TreeGroup>(entry: T | undefined): T | undefined =>
    entry === pick(tree.users.values(), 0) || entry === pick(tree.groups.values(), 0) ? undefined : entry;

  function addUser(name: string): void {
    const id = newId();
    if (!isFree(name)) return;
    addPerson(tree, { id, name });
  }

  function addGroup(other: number): void {
    const id = newId();
    tree.groups.set(id, {
      id,
      name: `group${id.slice(-4)}`,
      container: 'groups',
      attribute: other % 3 === 0 ? 'memberUid' : 'member',
      values: [],
      owners: [],
      primaryName: other % 2 === 0 ? `primary${other % 3}` : null,
    });
    tree.changed(id);
  }

  function rename(one: TreeUser, name: string, refint: boolean): void {
    if (!isFree(name)) return;
    const before = tree.dnOf(one).toLowerCase();
    one.name = name;
    tree.changed(one.id);
    if (!refint) return;
    const followed = (value: TreeValue): TreeValue => (isNamed(value, before) ? { to: one.id, text: tree.dnOf(one) } : value);
    for (const each of tree.groups.values()) {
      if (![...each.values, ...each.owners].some((value) => isNamed(value, before))) continue;
      each.values = each.values.map(followed);
      each.owners = each.owners.map(followed);
      tree.changed(each.id);
    }
    for (const each of tree.users.values()) {
      if (each.manager === null || !isNamed(each.manager, before)) continue;
      each.manager = followed(each.manager);
      tree.changed(each.id);
    }
  }

  function valueOf(to: TreeUser, into: TreeGroup, spelling: number): TreeValue {
    return into.attribute === 'memberUid' ? { to: null, text: to.uids[0] ?? '' } : link(to, spelling);
  }

  const steps: Record<TreeStep['kind'], (one: number, other: number) => void> = {
    'add user': (one, other) => addUser(`user${one}${other % 2}`),
    'delete user': (one) => {
      const gone = mortal(user(one));
      if (gone === undefined) return;
      tree.users.delete(gone.id);
      tree.changed(gone.id);
    },
    'recreate user': (one) => {
      const gone = mortal(user(one));
      if (gone === undefined) return;
      tree.users.delete(gone.id);
      tree.changed(gone.id);
      addUser(gone.name);
    },
    'rename user': (one, other) => mapped(user(one), (it) => rename(it, `user${other}x`, false)),
    'rename user with refint': (one, other) => mapped(user(one), (it) => rename(it, `user${other}y`, true)),
    'move user': (one) =>
      changeUser(mortal(user(one)), (it) => {
        it.container = it.container === 'people' ? 'elsewhere' : 'people';
      }),
    'change mail': (one, other) =>
      changeUser(user(one), (it) => {
        it.mail = `mail${other}@example`;
      }),
    disable: (one) =>
      changeUser(user(one), (it) => {
        it.enabled = !it.enabled;
      }),
    'set manager': (one, other) =>
      changeUser(user(one), (it) => {
        const manager = user(other);
        it.manager = manager === undefined || other === 7 ? null : link(manager, other);
      }),
    'set uids': (one, other) =>
      changeUser(user(one), (it) => {
        it.uids = [[], [`uid${other}`], [it.name, `uid${other}`]][other % 3] ?? [];
      }),
    'set primary group': (one, other) =>
      changeUser(user(one), (it) => {
        it.primary = other === 7 ? null : `primary${other % 3}`;
      }),
    'add group': (_one, other) => addGroup(other),
    'delete group': (one) => {
      const gone = mortal(group(one));
      if (gone === undefined) return;
      tree.groups.delete(gone.id);
      tree.changed(gone.id);
    },
    'rename group': (one, other) =>
      changeGroup(group(one), (it) => {
        it.name = `${it.id.slice(-4)}renamed${other}`;
      }),
    'move group': (one) =>
      changeGroup(mortal(group(one)), (it) => {
        it.container = it.container === 'groups' ? 'elsewhere' : 'groups';
      }),
    'add member': (one, other) =>
      changeGroup(group(other), (it) => {
        const member = user(one);
        if (member !== undefined) it.values.push(valueOf(member, it, one));
      }),
    'add member twice': (one, other) =>
      changeGroup(group(other), (it) => {
        const member = user(one);
        if (member !== undefined) it.values.push(valueOf(member, it, 0), valueOf(member, it, 1));
      }),
    'nest group': (one, other) =>
      changeGroup(group(other), (it) => {
        const nested = group(one);
        if (nested !== undefined && it.attribute !== 'memberUid') it.values.push(link(nested, one));
      }),
    'add dangling': (one, other) =>
      changeGroup(group(other), (it) => {
        const text = it.attribute === 'memberUid' ? `uid${one}` : `uid=user${one}x,ou=people,dc=example`;
        it.values.push({ to: null, text });
      }),
    'remove value': (one, other) =>
      changeGroup(group(other), (it) => {
        it.values.splice(one % Math.max(1, it.values.length), 1);
      }),
    'set owner': (one, other) =>
      changeGroup(group(other), (it) => {
        const owner = user(one);
        it.owners = owner === undefined || one === 7 ? [] : [link(owner, one)];
      }),
    grant: (one, other) => {
      const [member, into] = [user(one), group(other)];
      if (member === undefined || into === undefined) return;
      into.values.push(valueOf(member, into, 0));
      tree.changed(into.id);
      const users = grants.get(into.id) ?? new Map<EntryId, GrantId>();
      users.set(member.id, `grant-${one}` as GrantId);
      grants.set(into.id, users);
    },
    // What it held stays: it was standing, or somebody has put it there again.
    'end grant': (one, other) => void mapped(group(other), (it) => mapped(user(one), ({ id }) => grants.get(it.id)?.delete(id))),
  };

  function changeUser(entry: TreeUser | undefined, change: (entry: TreeUser) => void): void {
    if (entry === undefined) return;
    change(entry);
    tree.changed(entry.id);
  }

  function changeGroup(entry: TreeGroup | undefined, change: (entry: TreeGroup) => void): void {
    if (entry === undefined) return;
    change(entry);
    tree.changed(entry.id);
  }

  addUser('first');
  addGroup(1);
  return {
    grants,
    take(taken: readonly TreeStep[]): void {
      for (const { kind, one, other } of taken) steps[kind](one, other);
    },
  };
}

function mapped<T, U>(thing: T | undefined, map: (thing: T) => U): U | undefined {
  return thing === undefined ? undefined : map(thing);
}

const folded = (text: string): string => text.toLowerCase().replaceAll(', ', ',');

function isNamed({ text }: TreeValue, dn: string): boolean {
  return folded(text) === dn;
}

/** What a control plane should know of the tree, worked out the slow way. */
export function expectedPicture(tree: SyncedTree, grants: Grants) {
  const inScope = [...tree.users.values()].filter(({ id }) => tree.isInScope(id));
  const named = (text: string | null): EntryId | undefined =>
    text === null ? undefined : inScope.find((one) => tree.dnOf(one) === folded(text))?.id;
  const withUid = (uid: string): EntryId | undefined => {
    const those = inScope.filter(({ uids }) => uids.includes(uid));
    return those.length === 1 ? those[0]?.id : undefined;
  };
  const users = new Map(
    inScope.map((user) => {
      const managerId = user.manager === null ? undefined : named(tree.shown(user.manager));
      const { id, mail } = user;
      const told = { record: 'user', id, dn: tree.dnOf(user), username: user.name, email: mail, emails: [mail] };
      return [id, { ...told, ...(managerId === undefined ? {} : { managerId }), enabled: user.enabled }];
    }),
  );
  const groups = new Map<string, unknown>();
  const members = new Map<string, ReadonlyMap<string, string>>();
  let membersOutOfScope = 0;
  for (const group of tree.groups.values()) {
    if (!tree.isInScope(group.id)) continue;
    const ownerIds = [...new Set(tree.readGroupOf(group).ownerDns.flatMap((dn) => named(dn) ?? []))];
    const { id, name, attribute: memberAttribute } = group;
    groups.set(id, { record: 'group', id, dn: tree.dnOf(group), name, memberAttribute, ownerIds, protected: false });
    const values = tree.valuesOf(group).map((value) => (memberAttribute === 'memberUid' ? withUid(value) : named(value)));
    membersOutOfScope += values.filter((value) => value === undefined).length;
    const primaries = inScope.filter(({ primary }) => primary !== null && primary === group.primaryName).map((one) => one.id);
    const ids = new Set([...values.filter((value) => value !== undefined), ...primaries]);
    members.set(id, new Map([...ids].map((userId) => [userId, grants.get(id)?.get(userId) ?? 'standing'])));
  }
  const memberships = [...members.values()].reduce((sum, { size }) => sum + size, 0);
  return { users, groups, members, counts: { users: users.size, groups: groups.size, memberships, membersOutOfScope } };
}

/** Asserts that the control plane knows the tree as it is. */
export function assertKnown(
  received: { users: ReadonlyMap<string, string>; groups: ReadonlyMap<string, string>; members: ReadonlyMap<string, unknown> },
  expected: ReturnType<typeof expectedPicture>,
): void {
  const read = (records: ReadonlyMap<string, string>) =>
    new Map([...records].map(([id, text]) => [id, JSON.parse(text) as unknown]));
  assert.deepEqual(read(received.users), new Map<string, unknown>(expected.users));
  assert.deepEqual(read(received.groups), expected.groups);
  assert.deepEqual(received.members, expected.members);
}
