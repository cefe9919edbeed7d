import { setImmediate } from 'node:timers/promises';
import { openLdapDirectory } from '../../src/directory/ldap/open-ldap-directory.ts';
import { startOpenLdap } from '../../src/sandbox/openldap.ts';
import { directoryContract } from '../support/directory-contract.ts';
import { dn, ldapDirectoryOptions, untilState } from '../support/ldap-directory-under-test.ts';
import { openLdapAdmin } from '../support/openldap-admin.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

for (const { transport, memberof } of [
  { transport: 'ldaps', memberof: false },
  { transport: 'StartTLS', memberof: true },
] as const) {
  directoryContract(`OpenLDAP over ${transport}${memberof ? ', with memberof and refint' : ''}`, async () => {
    const server = await startOpenLdap({ memberof });
    const serverUrl = new URL(transport === 'ldaps' ? server.ldapsUrl : server.ldapUrl);
    const proxy = await startTcpProxy(Number(serverUrl.port));
    const url = `${serverUrl.protocol}//127.0.0.1:${proxy.port}`;
    const directory = openLdapDirectory(await ldapDirectoryOptions(server, { url, startTls: transport === 'StartTLS' }));
    directory.start();
    await untilState(directory, 'up');
    return {
      directory,
      admin: openLdapAdmin(server),
      baseDn: dn(server.baseDn),
      usersScope: dn(server.usersScope),
      groupsScope: dn(server.groupsScope),
      elsewhere: dn(`ou=contractors,${server.baseDn}`),
      hasReferentialIntegrity: memberof,
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
  });
}
