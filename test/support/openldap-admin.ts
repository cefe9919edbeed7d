import assert from 'node:assert/strict';
import { type Dn, formatDn, leafRdn, parentDn } from '../../src/access/dn.ts';
import { parseEntryId } from '../../src/access/ids.ts';
import type { OpenLdap } from '../../src/sandbox/openldap.ts';
import type { DirectoryAdmin } from './directory-contract.ts';

const ACCESS = 'olcDatabase={1}mdb,cn=config';

/** The administrator of a running slapd, by OpenLDAP's own programs: nothing of the client under test. */
export function openLdapAdmin(server: OpenLdap): DirectoryAdmin {
  let rules = 0;
  const addRule = async (rule: string): Promise<void> => {
    await server.configModify(
      record(ACCESS, 'modify', [
        ['add', 'olcAccess'],
        ['olcAccess', `{0}${rule}`],
      ]),
    );
    rules += 1;
  };
  return {
    addUser: ({ dn, uids, mails }) => {
      const names = leafRdn(dn).map(({ type, value }) => [type, String(value)] as const);
      const cn = names.some(([type]) => type === 'cn') ? [] : [['cn', uids[0] ?? 'nobody'] as const];
      const named = new Set(names.map(([, value]) => value));
      return server.modify(
        record(dn, 'add', [
          ['objectClass', 'inetOrgPerson'],
          ['sn', 'Person'],
          ...names,
          ...cn,
          ...uids.filter((uid) => !named.has(uid)).map((uid) => ['uid', uid] as const),
          ...mails.map((mail) => ['mail', mail] as const),
        ]),
      );
    },
    addGroup: ({ dn, name, attribute, values }) =>
      server.modify(
        record(dn, 'add', [
          ['objectClass', { member: 'groupOfNames', uniqueMember: 'groupOfUniqueNames', memberUid: 'posixGroup' }[attribute]],
          ['cn', name],
          ...(attribute === 'memberUid' ? [['gidNumber', '30500'] as const] : []),
          ...values.map((value) => [attribute, value] as const),
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
      const search = { base: dn, scope: 'base', filter: '(objectClass=*)', attributes: ['entryUUID'] } as const;
      const [entry] = await server.search(search);
      const id = parseEntryId(entry?.attributes.get('entryuuid')?.[0] ?? '');
      assert.ok(id.ok, `no entry "${dn}"`);
      return id.value;
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
    // Without the right to authenticate, the connector's own bind would be refused.
    hide: (dn) => addRule(`to dn.subtree="${quoted(dn)}" by anonymous auth by * none`),
    hideMembers: (dn) => addRule(`to dn.base="${quoted(dn)}" attrs=member,uniqueMember,memberUid by * none`),
    async showAll() {
      for (; rules > 0; rules -= 1) {
        await server.configModify(
          record(ACCESS, 'modify', [
            ['delete', 'olcAccess'],
            ['olcAccess', '{0}'],
          ]),
        );
      }
    },
  };
}

function quoted(dn: Dn): string {
  return dn.replace(/["\\]/g, '\\$&');
}

/** An LDIF change record (RFC 2849); every value in base64, so that none needs care. Null separates two changes. */
function record(dn: string, changeType: string, lines: readonly (readonly [string, string] | null)[]): string {
  const encoded = (name: string, value: string) => `${name}:: ${Buffer.from(value).toString('base64')}`;
  const plain = new Set(['add', 'delete', 'replace']);
  const body = lines.map((line) => {
    if (line === null) return '-';
    const [name, value] = line;
    return plain.has(name) ? `${name}: ${value}` : value === '' ? `${name}:` : encoded(name, value);
  });
  return `${[encoded('dn', dn), `changetype: ${changeType}`, ...body].join('\n')}\n`;
}
