import type { Dn } from '../../src/access/dn.ts';
import { nsUniqueId } from '../../src/directory/ldap/flavours/stable-id.ts';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';
import type { DirectoryAdmin } from './directory-contract/world.ts';
import { ldifAdmin, record, rfcGroupLines, rfcUserLines } from './ldif-admin.ts';
import type { ReaderLimit } from './reader-contract/world.ts';

const limitOf = (name: string, { attribute, usual, said }: { attribute: string; usual: string; said: RegExp }): ReaderLimit => ({
  name,
  said,
  async set(server) {
    const write = (value: string) =>
      server.modify(
        record(server.connectorDn, 'modify', [
          ['replace', attribute],
          [attribute, value],
        ]),
      );
    await write('5');
    return () => write(usual);
  },
});

/** Of the account's own, as it binds. */
export const LIMITS_OF_DS389: readonly ReaderLimit[] = [
  limitOf('a size limit', { attribute: 'nsPagedSizeLimit', usual: '-1', said: /sizeLimitExceeded|limit of entries/ }),
  limitOf('an administrative limit', {
    attribute: 'nsPagedLookThroughLimit',
    usual: '-1',
    said: /adminLimitExceeded|LDAP_PAGE_SIZE/,
  }),
];

/** The administrator of a running 389 Directory Server. */
export function ds389Admin(server: ThrowAwayDirectory): DirectoryAdmin {
  const rules: { dn: Dn; aci: string }[] = [];
  const addRule = async (dn: Dn, aci: string): Promise<void> => {
    await server.modify(
      record(dn, 'modify', [
        ['add', 'aci'],
        ['aci', aci],
      ]),
    );
    rules.push({ dn, aci });
  };
  const connector = `userdn="ldap:///${server.connectorDn}"`;
  return ldifAdmin(server, {
    userLines: rfcUserLines,
    groupLines: rfcGroupLines,
    idAttribute: 'nsUniqueId',
    readId: (value) => nsUniqueId('nsUniqueId').read(Buffer.from(value)),
    hide: (dn) => addRule(dn, `(targetattr="*")(version 3.0; acl "hidden"; deny (all) ${connector};)`),
    hideMembers: (dn) =>
      addRule(
        dn,
        `(targetattr="member || uniqueMember || memberUid")(version 3.0; acl "members hidden"; deny (all) ${connector};)`,
      ),
    async showAll() {
      for (const { dn, aci } of rules.splice(0).toReversed())
        await server.modify(
          record(dn, 'modify', [
            ['delete', 'aci'],
            ['aci', aci],
          ]),
        );
    },
  });
}
