import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';

/** The settings that point a connector at the example directory, with the account, the scopes and the protected group made for it. */
export function directoryEnv(ldap: ThrowAwayDirectory): NodeJS.ProcessEnv {
  return {
    LDAP_URL: ldap.ldapsUrl,
    LDAP_CA_FILE: ldap.caFile,
    LDAP_BIND_DN: ldap.connectorDn,
    LDAP_BIND_PASSWORD_FILE: ldap.connectorPasswordFile,
    LDAP_BASE_DN: ldap.baseDn,
    LDAP_USERS_SCOPE: ldap.usersScope,
    LDAP_GROUPS_SCOPE: ldap.groupsScope,
    LATCHKEY_PROTECTED_GROUPS: 'domain-admins',
  };
}
