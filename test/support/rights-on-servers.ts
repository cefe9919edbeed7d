import { startDs389 } from '../../src/sandbox/ds389.ts';
import { startOpenLdap } from '../../src/sandbox/openldap.ts';
import { startSambaAd } from '../../src/sandbox/samba-ad.ts';
import { hashedPassword } from '../../src/sandbox/slapd-config.ts';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';
import { record } from './ldif-admin.ts';
import { withDelegation, withDenial } from './security-descriptor.ts';

/** A server with an account that nobody gave any right to. */
export interface ServerWithFreshAccount {
  readonly server: ThrowAwayDirectory;
  readonly account: string;
  readonly password: string;
  /** Does as an administrator what the printed text says. */
  paste(text: string): Promise<void>;
  /** Lets the account no longer write who is in one group, or no longer see it. */
  refuse(group: string, right: 'write' | 'see'): Promise<void>;
  /** Makes a right password not enough, after a wrong one was tried, and what is then said; null where that takes more than one change. */
  readonly trouble: { make(dn: string): Promise<void>; readonly says: RegExp } | null;
  /** Gives somebody a password. */
  setPassword(dn: string, password: string): Promise<void>;
}

/** schemaIDGUID of `member` ([MS-ADA2] §2.43). */
const MEMBER = 'bf9679c0-0de6-11d0-a285-00aa003049e2';
/** Long and of three kinds of characters, as Active Directory wants it. */
const PASSWORD = 'Aa1-fresh-account-of-a-test';

export const SERVERS: Readonly<Record<ThrowAwayDirectory['flavour'], () => Promise<ServerWithFreshAccount>>> = {
  async openldap() {
    const server = await startOpenLdap({ memberof: true });
    // The connector of the sandbox has its rights in the server's configuration; the fresh account is to have none.
    const account = await addRfcAccount(server);
    const refuse: ServerWithFreshAccount['refuse'] = (group, right) =>
      server.configModify(
        record('olcDatabase={1}mdb,cn=config', 'modify', [
          ['add', 'olcAccess'],
          [
            'olcAccess',
            `{0}to dn.base="${group}" attrs=member by dn.exact="${account.account}" ${right === 'write' ? 'read' : 'none'} by * break`,
          ],
        ]),
      );
    return { ...account, server, paste: server.configModify, refuse, trouble: null };
  },
  async '389ds'() {
    const server = await startDs389({ memberof: true });
    const account = await addRfcAccount(server);
    const refuse: ServerWithFreshAccount['refuse'] = (group, right) =>
      server.modify(
        record(group, 'modify', [
          ['add', 'aci'],
          [
            'aci',
            `(targetattr="member")(version 3.0; acl "none"; deny (${right === 'write' ? 'write' : 'all'}) userdn="ldap:///${account.account}";)`,
          ],
        ]),
      );
    const trouble = {
      make: () =>
        server.modify(
          record('cn=config', 'modify', [
            ['replace', 'passwordLockout'],
            ['passwordLockout', 'on'],
            null,
            ['replace', 'passwordMaxFailure'],
            ['passwordMaxFailure', '1'],
          ]),
        ),
      says: /the account is locked/,
    };
    return { ...account, server, paste: server.modify, refuse, trouble };
  },
  async 'active-directory'() {
    const server = await startSambaAd();
    const account = `CN=fresh,OU=system,${server.baseDn}`;
    const setPassword = (dn: string, password: string) =>
      server.modify(
        record(dn, 'modify', [
          ['replace', 'unicodePwd'],
          ['unicodePwd', Buffer.from(`"${password}"`, 'utf16le')],
        ]),
      );
    await server.modify(
      record(account, 'add', [
        ['objectClass', 'user'],
        ['sAMAccountName', 'fresh'],
        // Enabled, and without the need of a password until it has one ([MS-ADTS] §2.2.16).
        ['userAccountControl', String(0x200 + 0x20)],
      ]),
    );
    await setPassword(account, PASSWORD);
    const paste = (text: string) => delegate(server, text, account);
    const refuse: ServerWithFreshAccount['refuse'] = (group, right) =>
      rewrite(server, group, async (descriptor) =>
        withDenial(descriptor, { sid: await binaryAt(server, account, 'objectSid'), attribute: MEMBER, right }),
      );
    const trouble = {
      make: (dn: string) =>
        server.modify(
          record(dn, 'modify', [
            ['replace', 'pwdLastSet'],
            ['pwdLastSet', '0'],
          ]),
        ),
      says: /the password must be changed/,
    };
    return { server, account, password: PASSWORD, setPassword, paste, refuse, trouble };
  },
};

async function addRfcAccount(
  server: ThrowAwayDirectory,
): Promise<Pick<ServerWithFreshAccount, 'account' | 'password' | 'setPassword'>> {
  const account = `cn=fresh,ou=system,${server.baseDn}`;
  await server.modify(
    record(account, 'add', [
      ['objectClass', 'organizationalRole'],
      ['objectClass', 'simpleSecurityObject'],
      ['cn', 'fresh'],
      ['userPassword', hashedPassword(PASSWORD)],
    ]),
  );
  const setPassword = (dn: string, password: string) =>
    server.modify(
      record(dn, 'modify', [
        ['replace', 'userPassword'],
        ['userPassword', password],
      ]),
    );
  return { account, password: PASSWORD, setPassword };
}

/** What `samba-tool dsacl set` does, in the words of the printed commands. */
async function delegate(server: ThrowAwayDirectory, text: string, account: string): Promise<void> {
  const commands = [
    ...text.matchAll(/samba-tool dsacl set --objectdn='([^']+)' --sddl="\(OA;CIIO;RPWP;([\w-]+);([\w-]+);\$sid\)"/g),
  ];
  if (commands.length === 0) throw new Error(`no command for Samba in: ${text}`);
  for (const [, dn = '', attribute = '', objectClass = ''] of commands) {
    const sid = await binaryAt(server, account, 'objectSid');
    await rewrite(server, dn, async (descriptor) => withDelegation(descriptor, { sid, attribute, objectClass }));
  }
}

async function rewrite(server: ThrowAwayDirectory, dn: string, change: (descriptor: Buffer) => Promise<Buffer>): Promise<void> {
  const descriptor = await change(await binaryAt(server, dn, 'nTSecurityDescriptor'));
  await server.modify(
    record(dn, 'modify', [
      ['replace', 'nTSecurityDescriptor'],
      ['nTSecurityDescriptor', descriptor],
    ]),
  );
}

async function binaryAt(server: ThrowAwayDirectory, base: string, attribute: string): Promise<Buffer> {
  const [entry] = await server.search({ base, scope: 'base', filter: '(objectClass=*)', attributes: [attribute] });
  const [value] = entry?.attributes.get(attribute.toLowerCase()) ?? [];
  if (value === undefined) throw new Error(`"${base}" has no ${attribute}`);
  return Buffer.from(value, 'base64');
}
