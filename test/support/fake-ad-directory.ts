import assert from 'node:assert/strict';
import type { Dn } from '../../src/access/dn.ts';
import type { EntryId } from '../../src/access/ids.ts';
import { type Directory, DirectoryError } from '../../src/directory/directory.ts';
import { openLdapDirectory } from '../../src/directory/ldap/open-ldap-directory.ts';
import type { DirectoryAdmin, NewUser } from './directory-contract/world.ts';
import type { FakeAd } from './fake-ad.ts';
import type { AdRequest } from './fake-ad-messages.ts';
import { dn, type LdapDirectoryChanges, ldapDirectoryOptions, untilState } from './ldap-directory-under-test.ts';

/** The adapter before a fake Active Directory. */
export async function adDirectory(ad: FakeAd, changes: LdapDirectoryChanges = {}): Promise<Directory & AsyncDisposable> {
  const directory = openLdapDirectory(await ldapDirectoryOptions(ad, changes));
  return { ...directory, [Symbol.asyncDispose]: () => directory.close() };
}

/** The same, started and up. */
export async function upDirectory(ad: FakeAd, changes: LdapDirectoryChanges = {}): Promise<Directory & AsyncDisposable> {
  const directory = await adDirectory(ad, changes);
  directory.start();
  await untilState(directory, 'up');
  return directory;
}

/** Why it is down, once it is for a reason. */
export async function whyDown(directory: Directory): Promise<DirectoryError> {
  const { promise, resolve } = Promise.withResolvers<DirectoryError>();
  directory.onChange((status) => {
    if (status.state === 'down') resolve(status.error);
  });
  return await promise;
}

export interface Person {
  readonly id: EntryId;
  readonly dn: Dn;
  readonly mail: string;
}

export function addPerson(ad: FakeAd, name: string, mail = `${name}@example.test`): Person {
  const at = dn(`CN=${name},${ad.usersScope}`);
  return { id: ad.tree.add({ kind: 'user', dn: at, uids: [name], mails: [mail] }), dn: at, mail };
}

export function addTeam(ad: FakeAd, name: string, values: readonly Dn[] = []): { id: EntryId; dn: Dn } {
  const at = dn(`CN=${name},${ad.groupsScope}`);
  return { id: ad.tree.add({ kind: 'group', dn: at, name, attribute: 'member', values }), dn: at };
}

/** The requests of a kind, from the one with this number on. */
export function requestsOf<Kind extends AdRequest['kind']>(
  ad: FakeAd,
  kind: Kind,
  from = 0,
): readonly (AdRequest & { kind: Kind })[] {
  return ad.requests.slice(from).filter((request): request is AdRequest & { kind: Kind } => request.kind === kind);
}

/** The error of a call that must fail with the port's own. */
export async function failureOf(work: Promise<unknown>): Promise<DirectoryError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof DirectoryError);
    return error;
  }
  throw new Error('it did not fail');
}

/** Somebody with all rights in a fake Active Directory. */
export function fakeAdAdmin({ tree, hide, hideMembers, showAll }: FakeAd): DirectoryAdmin {
  const addUser = async (user: NewUser) => void tree.add({ kind: 'user', ...user });
  return {
    addUser,
    async addUsers(users) {
      for (const user of users) await addUser(user);
    },
    addGroup: async (group) => void tree.add({ kind: 'group', ...group }),
    rename: async (from, to) => tree.rename(from, to),
    delete: async (name) => tree.delete(name),
    async idOf(name) {
      const entry = tree.at(name);
      assert.ok(entry !== null, `no entry "${name}"`);
      return entry.id;
    },
    members: async (group) => tree.group(group)?.values ?? [],
    async change(group, { attribute, add = [], remove = [] }) {
      assert.equal(tree.apply({ group, attribute, add, remove }), 0);
    },
    hide: async (name) => hide(name),
    hideMembers: async (group) => hideMembers(group),
    showAll: async () => showAll(),
  };
}
