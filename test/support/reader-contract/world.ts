import assert from 'node:assert/strict';
import type { Dn } from '../../../src/access/dn.ts';
import type { EntryId } from '../../../src/access/ids.ts';
import type { DeltaMeans, DirectoryReader } from '../../../src/directory/directory-reader.ts';
import type { ThrowAwayDirectory } from '../../../src/sandbox/throw-away-directory.ts';
import { child, type DirectoryAdmin, unique } from '../directory-contract/world.ts';
import { dn } from '../ldap-directory-under-test.ts';
import { record } from '../ldif-admin.ts';
import { hearing, type LdapReaderChanges, ldapReader, type Read, readAll, readChanges, shownPicture } from '../read-directory.ts';

/** In what servers differ for a reader. */
export interface ReaderDifferences {
  readonly userRdn: 'uid' | 'CN';
  readonly means: DeltaMeans['name'];
  /** How a delta tells what is no longer there; null where each read is a full one. */
  readonly told: 'changes' | 'present' | null;
  /** A group must have a member. */
  readonly demandsMember: boolean;
  readonly hasPosixGroups: boolean;
  /** What is written to disable a user; null where the server has nothing for it as it is delivered. */
  readonly disabling: readonly [attribute: string, value: string] | null;
  readonly owner: 'owner' | 'managedBy';
}

export interface ReaderLimit {
  readonly name: string;
  /** Lets the account have so few entries that no read comes to its end; resolves with what takes that back. */
  set(server: ThrowAwayDirectory): Promise<() => Promise<void>>;
  /** What the failed read says of it. */
  readonly said: RegExp;
}

export interface ReaderServer {
  readonly differences: ReaderDifferences;
  /** With the example company in it. */
  start(): Promise<ThrowAwayDirectory>;
  admin(server: ThrowAwayDirectory): DirectoryAdmin;
  /** Limits of the account that a read of everything meets; none where the server has none for reads in pages. */
  readonly limits: readonly ReaderLimit[];
}

/** A server that runs, and a reader of it. */
export interface ReaderWorld {
  readonly differences: ReaderDifferences;
  readonly server: ThrowAwayDirectory;
  readonly admin: DirectoryAdmin;
  readonly reader: DirectoryReader;
  readonly usersScope: Dn;
  readonly groupsScope: Dn;
  /** Beneath the base and outside both scopes. */
  readonly elsewhere: Dn;
  readerWith(changes: LdapReaderChanges): Promise<DirectoryReader>;
}

export async function openWorld({ differences, start, admin }: ReaderServer): Promise<ReaderWorld> {
  const server = await start();
  return {
    differences,
    server,
    admin: admin(server),
    reader: await ldapReader(server),
    usersScope: dn(server.usersScope),
    groupsScope: dn(server.groupsScope),
    elsewhere: dn(`ou=contractors,${server.baseDn}`),
    readerWith: (changes) => ldapReader(server, changes),
  };
}

export const never = new AbortController().signal;

export interface Made {
  readonly id: EntryId;
  readonly dn: Dn;
  readonly name: string;
}

export function userDn({ differences, usersScope }: ReaderWorld, name: string, under = usersScope): Dn {
  return child({ type: differences.userRdn, value: name }, under);
}

export async function makeUser(world: ReaderWorld, under?: Dn, name = unique('reader')): Promise<Made> {
  const at = userDn(world, name, under);
  await world.admin.addUser({ dn: at, uids: [name], mails: [`${name}@example.test`] });
  return { id: await world.admin.idOf(at), dn: at, name };
}

export async function makeGroup(world: ReaderWorld, values: readonly string[], under = world.groupsScope): Promise<Made> {
  const name = unique('team');
  const at = child({ type: 'cn', value: name }, under);
  await world.admin.addGroup({ dn: at, name, attribute: 'member', values });
  return { id: await world.admin.idOf(at), dn: at, name };
}

/** A container of that name. */
export async function makeUnit(world: ReaderWorld, under: Dn): Promise<Dn> {
  const name = unique('unit');
  const at = child({ type: 'ou', value: name }, under);
  await world.server.modify(
    record(at, 'add', [
      ['objectClass', 'organizationalUnit'],
      ['ou', name],
    ]),
  );
  return at;
}

export async function replace(world: ReaderWorld, at: Dn, attribute: string, value: string): Promise<void> {
  await world.server.modify(
    record(at, 'modify', [
      ['replace', attribute],
      [attribute, value],
    ]),
  );
}

/**
 * A delta on top of an earlier picture. A user whose name changes, who comes or who goes changes groups which the server does not
 * count as changed where members are links: those are read again, as whoever keeps the picture must.
 */
export async function deltaOn({ reader }: ReaderWorld, before: Read): Promise<Read> {
  const delta = await readChanges(reader, before);
  assert.ok('picture' in delta, `a full read is needed: ${'reason' in delta ? delta.reason : ''}`);
  const names = new Set<string>();
  for (const id of new Set([...before.picture.users.keys(), ...delta.picture.users.keys()])) {
    const [was, is] = [before.picture.users.get(id)?.dn, delta.picture.users.get(id)?.dn];
    if (was !== is) for (const name of [was, is]) if (name !== undefined) names.add(name);
  }
  // Whoever comes may be one of those who were members by a name that meant nobody, and had another before.
  const known = new Set<string>([...before.picture.users.values()].map((user) => user.dn));
  const hasNewcomers = [...delta.picture.users.keys()].some((id) => !before.picture.users.has(id));
  const isTouched = (value: string): boolean => names.has(value) || (hasNewcomers && !known.has(value));
  const groups = [...delta.picture.groups.values()].filter(({ members }) => members.some(isTouched));
  const again = hearing();
  await reader.readGroups(
    groups.map(({ id }) => id),
    again.sink,
    never,
  );
  return { ...delta, picture: { ...delta.picture, groups: new Map([...delta.picture.groups, ...again.heard.picture.groups]) } };
}

/** The delta after a full read and what was done since: it must come to what a fresh full read finds. */
export async function deltaAfter(
  world: ReaderWorld,
  change: () => Promise<void>,
): Promise<{ before: Read; delta: Read; fresh: Read }> {
  const before = await readAll(world.reader);
  await change();
  const delta = await deltaOn(world, before);
  const fresh = await readAll(world.reader);
  assert.deepEqual(shownPicture(delta.picture), shownPicture(fresh.picture));
  return { before, delta, fresh };
}
