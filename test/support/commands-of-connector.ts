import { type LdapCommands, ldapCommands } from '../../src/sandbox/ldap-commands.ts';
import { openLdapPrograms } from '../../src/sandbox/openldap-programs.ts';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';

/** OpenLDAP's own programs, bound as the account of the connector, or as another that has its password. */
export async function commandsOfConnector(
  server: ThrowAwayDirectory,
  url: string,
  bindDn = server.connectorDn,
): Promise<LdapCommands> {
  const { dir, caFile, connectorPasswordFile: passwordFile } = server;
  const env = { PATH: process.env['PATH'], HOME: dir };
  return ldapCommands({ program: await openLdapPrograms(), env, cwd: dir, url, caFile, bindDn, passwordFile });
}
