import { setImmediate } from 'node:timers/promises';
import type { Dn } from '../../src/access/dn.ts';
import { nsUniqueId } from '../../src/directory/ldap/flavours/stable-id.ts';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';
import { commandsOfConnector } from './commands-of-connector.ts';
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
  const rules: { dn: Dn; aci: string; isSeen: boolean }[] = [];
  /** What the account is shown of an entry, as a text. */
  const shown = async (dn: Dn): Promise<string> => {
    const attributes = ['cn', 'member', 'uniqueMember', 'memberUid'];
    const account = await commandsOfConnector(server, server.ldapsUrl);
    const entries = await account.search({ base: dn, scope: 'base', filter: '(objectClass=*)', attributes });
    return JSON.stringify(entries.map((entry) => [...entry.attributes]));
  };
  /** The server answers, and then begins to heed a rule: a question right behind the answer is still judged by those of before. */
  const changed = async (dn: Dn, { lines, isSeen }: { lines: readonly (readonly [string, string])[]; isSeen: boolean }) => {
    const before = await shown(dn);
    await server.modify(record(dn, 'modify', lines));
    while (isSeen && (await shown(dn)) === before) await setImmediate();
  };
  /** `hidden`: what the account is shown where the rule hides something. */
  const addRule = async (dn: Dn, aci: string, hidden: RegExp): Promise<void> => {
    const isSeen = hidden.test(await shown(dn));
    await changed(dn, {
      lines: [
        ['add', 'aci'],
        ['aci', aci],
      ],
      isSeen,
    });
    rules.push({ dn, aci, isSeen });
  };
  const connector = `userdn="ldap:///${server.connectorDn}"`;
  return ldifAdmin(server, {
    userLines: rfcUserLines,
    groupLines: rfcGroupLines,
    idAttribute: 'nsUniqueId',
    readId: (value) => nsUniqueId('nsUniqueId').read(Buffer.from(value)),
    hide: (dn) => addRule(dn, `(targetattr="*")(version 3.0; acl "hidden"; deny (all) ${connector};)`, /\[\[/),
    hideMembers: (dn) =>
      addRule(
        dn,
        `(targetattr="member || uniqueMember || memberUid")(version 3.0; acl "members hidden"; deny (all) ${connector};)`,
        /\["(?:unique)?member(?:uid)?",/,
      ),
    async showAll() {
      for (const { dn, aci, isSeen } of rules.splice(0).toReversed())
        await changed(dn, {
          lines: [
            ['delete', 'aci'],
            ['aci', aci],
          ],
          isSeen,
        });
    },
  });
}
