import type { Dn } from '../../src/access/dn.ts';
import { parseEntryId } from '../../src/access/ids.ts';
import type { OpenLdap } from '../../src/sandbox/openldap.ts';
import type { DirectoryAdmin } from './directory-contract/world.ts';
import { ldifAdmin, record, rfcGroupLines, rfcUserLines } from './ldif-admin.ts';
import type { ReaderLimit } from './reader-contract/world.ts';

const ACCESS = 'olcDatabase={1}mdb,cn=config';

/** The administrator of a running slapd. */
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
  return ldifAdmin(server, {
    userLines: rfcUserLines,
    groupLines: rfcGroupLines,
    idAttribute: 'entryUUID',
    readId: (value) => {
      const id = parseEntryId(value);
      return id.ok ? id.value : undefined;
    },
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
  });
}

/** The account gets so few entries, however it asks for them. */
export const SIZE_LIMIT_OF_OPENLDAP: ReaderLimit = {
  name: 'a size limit',
  said: /sizeLimitExceeded|limit of entries/,
  async set(server) {
    const { configModify, connectorDn } = server as OpenLdap;
    const write = (limits: string) =>
      configModify(
        record(ACCESS, 'modify', [
          ['replace', 'olcLimits'],
          ['olcLimits', `dn.exact="${connectorDn}" ${limits}`],
        ]),
      );
    await write('size.soft=5 size.hard=5 size.pr=unlimited size.prtotal=5');
    // As the sandbox has it.
    return () => write('size.soft=500 size.hard=500 size.pr=500 size.prtotal=unlimited');
  },
};

/** What is written at the provider, and has come to the replica; what the replica shows to whom is its own. */
export function replicatedAdmin({
  provider,
  replica,
  caughtUp,
}: {
  provider: DirectoryAdmin;
  replica: DirectoryAdmin;
  caughtUp: () => Promise<void>;
}): DirectoryAdmin {
  const arrived = async (written: Promise<void>): Promise<void> => {
    await written;
    await caughtUp();
  };
  return {
    ...replica,
    addUser: (user) => arrived(provider.addUser(user)),
    addUsers: (users) => arrived(provider.addUsers(users)),
    addGroup: (group) => arrived(provider.addGroup(group)),
    rename: (dn, newDn) => arrived(provider.rename(dn, newDn)),
    delete: (dn) => arrived(provider.delete(dn)),
    change: (group, change) => arrived(provider.change(group, change)),
  };
}

function quoted(dn: Dn): string {
  return dn.replace(/["\\]/g, '\\$&');
}
