import { type Dn, leafRdn } from '../../src/access/dn.ts';
import { guidBytes } from '../../src/directory/ldap/flavours/stable-id.ts';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';
import type { DirectoryAdmin } from './directory-contract/world.ts';
import { ldifAdmin, record } from './ldif-admin.ts';
import { withDenial } from './security-descriptor.ts';

/** schemaIDGUID of `member` ([MS-ADA2] §2.43). */
const MEMBER = 'bf9679c0-0de6-11d0-a285-00aa003049e2';

/** The administrator of a running Samba AD DC. */
export function sambaAdAdmin(server: ThrowAwayDirectory): DirectoryAdmin {
  let serial = 0;
  const taken = new Set<string>();
  const descriptors: { dn: Dn; descriptor: Buffer }[] = [];

  const binaryAt = async (dn: string, attribute: string): Promise<Buffer> => {
    const search = { base: dn, scope: 'base', filter: '(objectClass=*)', attributes: [attribute] } as const;
    const [entry] = await server.search(search);
    const [value] = entry?.attributes.get(attribute.toLowerCase()) ?? [];
    if (value === undefined) throw new Error(`"${dn}" has no ${attribute}`);
    return Buffer.from(value, 'base64');
  };
  const writeDescriptor = (dn: Dn, descriptor: Buffer) =>
    server.modify(
      record(dn, 'modify', [
        ['replace', 'nTSecurityDescriptor'],
        ['nTSecurityDescriptor', descriptor],
      ]),
    );
  const deny = async (dn: Dn, attribute: string | null): Promise<void> => {
    const descriptor = await binaryAt(dn, 'nTSecurityDescriptor');
    const sid = await binaryAt(server.connectorDn, 'objectSid');
    descriptors.push({ dn, descriptor });
    await writeDescriptor(dn, withDenial(descriptor, { sid, attribute }));
  };

  return ldifAdmin(server, {
    userLines: ({ dn, uids, mails }) => {
      // A domain has each account name once, whatever else a test gives to two users.
      serial += 1;
      const uid = uids[0] ?? `nobody-${serial}`;
      const account = taken.has(uid) ? `account-${serial}` : uid;
      taken.add(uid);
      return [
        ['objectClass', 'user'],
        ...leafRdn(dn).map(({ type, value }) => [type, String(value)] as const),
        ['sAMAccountName', account],
        // Enabled, and without the need of a password ([MS-ADTS] §2.2.16).
        ['userAccountControl', String(0x200 + 0x20)],
        ...uids.map((value) => ['uid', value] as const),
        ...mails.map((mail) => ['mail', mail] as const),
      ];
    },
    groupLines: ({ name }) => {
      serial += 1;
      return [
        ['objectClass', 'group'],
        ['cn', name],
        ['sAMAccountName', `group-account-${serial}`],
      ];
    },
    idAttribute: 'objectGUID',
    readId: (value) => guidBytes('objectGUID').read(Buffer.from(value, 'base64')),
    // What an entry allows itself wins over what it inherits, and whoever may not list a container sees nothing right beneath it.
    async hide(dn) {
      const units = { base: dn, scope: 'sub', filter: '(objectClass=organizationalUnit)', attributes: ['1.1'] } as const;
      const found = (await server.search(units)).map((entry) => entry.dn as Dn);
      for (const one of new Set([dn, ...found])) await deny(one, null);
    },
    hideMembers: (dn) => deny(dn, MEMBER),
    async showAll() {
      for (const { dn, descriptor } of descriptors.splice(0).toReversed()) await writeDescriptor(dn, descriptor);
    },
  });
}
