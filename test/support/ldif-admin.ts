import assert from 'node:assert/strict';
import { type Dn, formatDn, leafRdn, parentDn } from '../../src/access/dn.ts';
import type { EntryId } from '../../src/access/ids.ts';
import type { MemberAttribute } from '../../src/access/membership.ts';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';
import type { DirectoryAdmin, NewUser } from './directory-contract/world.ts';

type Lines = readonly (readonly [name: string, value: string])[];

/** What a kind of server wants to be told differently. */
export interface AdminDialect {
  /** The attributes of a new user, those of its name included. */
  userLines(user: NewUser): Lines;
  /** The attributes of a new group, without its members. */
  groupLines(group: { dn: Dn; name: string; attribute: MemberAttribute }): Lines;
  readonly idAttribute: string;
  /** From a value as `ldapsearch` told it. */
  readId(value: string): EntryId | undefined;
  hide(dn: Dn): Promise<void>;
  hideMembers(dn: Dn): Promise<void>;
  showAll(): Promise<void>;
}

/** The administrator of a running server, by OpenLDAP's own programs: nothing of the client under test. */
export function ldifAdmin(
  server: Pick<ThrowAwayDirectory, 'modify' | 'search' | 'members'>,
  dialect: AdminDialect,
): DirectoryAdmin {
  const userRecord = (user: NewUser) => record(user.dn, 'add', dialect.userLines(user));
  return {
    addUser: (user) => server.modify(userRecord(user)),
    addUsers: (users) => server.modify(users.map(userRecord).join('\n')),
    addGroup: ({ values, ...group }) =>
      server.modify(
        record(group.dn, 'add', [
          ...dialect.groupLines(group),
          ...values.map((value): readonly [string, string] => [group.attribute, value]),
        ]),
      ),
    rename: (dn, newDn) =>
      server.modify(
        record(dn, 'modrdn', [
          ['newrdn', formatDn([leafRdn(newDn)])],
          ['deleteoldrdn', '1'],
          ['newsuperior', parentDn(newDn) ?? ''],
        ]),
      ),
    delete: (dn) => server.modify(record(dn, 'delete', [])),
    async idOf(dn) {
      const search = { base: dn, scope: 'base', filter: '(objectClass=*)', attributes: [dialect.idAttribute] } as const;
      const [entry] = await server.search(search);
      const id = dialect.readId(entry?.attributes.get(dialect.idAttribute.toLowerCase())?.[0] ?? '');
      assert.ok(id !== undefined, `no entry "${dn}"`);
      return id;
    },
    members: (group) => server.members(group),
    change: (group, { attribute, add = [], remove = [] }) =>
      server.modify(
        record(group, 'modify', [
          ...(add.length === 0 ? [] : [['add', attribute] as const, ...add.map((value) => [attribute, value] as const)]),
          ...(remove.length === 0 || add.length === 0 ? [] : [null]),
          ...(remove.length === 0 ? [] : [['delete', attribute] as const, ...remove.map((value) => [attribute, value] as const)]),
        ]),
      ),
    hide: dialect.hide,
    hideMembers: dialect.hideMembers,
    showAll: dialect.showAll,
  };
}

/** The attributes of a person whose class is `inetOrgPerson`, and of a group of the RFCs. */
export function rfcUserLines({ dn, uids, mails }: NewUser): Lines {
  const names = leafRdn(dn).map(({ type, value }) => [type, String(value)] as const);
  const cn = names.some(([type]) => type === 'cn') ? [] : [['cn', uids[0] ?? 'nobody'] as const];
  const named = new Set(names.map(([, value]) => value));
  return [
    ['objectClass', 'inetOrgPerson'],
    ['sn', 'Person'],
    ...names,
    ...cn,
    ...uids.filter((uid) => !named.has(uid)).map((uid) => ['uid', uid] as const),
    ...mails.map((mail) => ['mail', mail] as const),
  ];
}

const CLASSES = { member: 'groupOfNames', uniqueMember: 'groupOfUniqueNames', memberUid: 'posixGroup' } as const;

export function rfcGroupLines({ name, attribute }: { name: string; attribute: MemberAttribute }): Lines {
  return [
    ['objectClass', CLASSES[attribute]],
    ['cn', name],
    ...(attribute === 'memberUid' ? [['gidNumber', '30500'] as const] : []),
  ];
}

/** An LDIF change record (RFC 2849); every value in base64, so that none needs care. Null separates two changes. */
export function record(
  dn: string,
  changeType: string,
  lines: readonly (readonly [string, string | Uint8Array] | null)[],
): string {
  const encoded = (name: string, value: string | Uint8Array) => `${name}:: ${Buffer.from(value).toString('base64')}`;
  const plain = new Set(['add', 'delete', 'replace']);
  const body = lines.map((line) => {
    if (line === null) return '-';
    const [name, value] = line;
    return plain.has(name) ? `${name}: ${String(value)}` : value === '' ? `${name}:` : encoded(name, value);
  });
  return `${[encoded('dn', dn), `changetype: ${changeType}`, ...body].join('\n')}\n`;
}
