import { setImmediate } from 'node:timers/promises';
import { type LdapDirectoryOptions, openLdapDirectory } from '../../src/directory/ldap/open-ldap-directory.ts';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';
import type { DirectoryAdmin, DirectoryUnderTest } from './directory-contract/world.ts';
import { dn, ldapDirectoryOptions, untilState } from './ldap-directory-under-test.ts';
import { startTcpProxy } from './tcp-proxy.ts';

/** A real server under the contract: the adapter reaches it through a proxy that can lose an answer. Closing stops the server. */
export async function directoryWorld<Server extends ThrowAwayDirectory>(
  server: Server,
  {
    admin,
    transport,
    changes = {},
  }: {
    admin: (server: Server) => DirectoryAdmin;
    transport: 'ldaps' | 'StartTLS';
    changes?: Partial<LdapDirectoryOptions>;
  },
): Promise<DirectoryUnderTest> {
  const serverUrl = new URL(transport === 'ldaps' ? server.ldapsUrl : server.ldapUrl);
  const proxy = await startTcpProxy(Number(serverUrl.port));
  const url = `${serverUrl.protocol}//127.0.0.1:${proxy.port}`;
  const directory = openLdapDirectory(
    await ldapDirectoryOptions(server, { url, startTls: transport === 'StartTLS', ...changes }),
  );
  directory.start();
  await untilState(directory, 'up');
  return {
    directory,
    admin: admin(server),
    baseDn: dn(server.baseDn),
    usersScope: dn(server.usersScope),
    groupsScope: dn(server.groupsScope),
    elsewhere: dn(`${server.usersScope.slice(0, 2)}=contractors,${server.baseDn}`),
    loseNextAnswer: () => proxy.loseNextAnswer(),
    async untilUp() {
      // The adapter hears of the close in the turn in which the change was rejected.
      await setImmediate();
      await untilState(directory, 'up');
    },
    async close() {
      await directory.close();
      await proxy.close();
      await server.stop();
    },
  };
}
