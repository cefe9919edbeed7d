import { connect } from 'node:net';
import { bindGate } from '../../src/directory/ldap/bind-refusal.ts';
import { accountOf } from '../../src/directory/ldap/bind-session.ts';
import { trustOf } from '../../src/directory/ldap/dial.ts';
import { parseEndpoints } from '../../src/directory/ldap/endpoint.ts';
import { sessionOpener } from '../../src/directory/ldap/opener.ts';
import type { Session } from '../../src/directory/ldap/session.ts';
import { type DirectoryServer, type LdapDirectoryChanges, ldapDirectoryOptions } from '../support/ldap-directory-under-test.ts';

/** A session of the adapter with the connector's account: what its directory sends a modify with, and nothing around it. */
export async function adapterSession(server: DirectoryServer, changes: LdapDirectoryChanges = {}): Promise<Session> {
  const options = await ldapDirectoryOptions(server, changes);
  const { bindRefusals: refusals, bind, clock } = options;
  const opener = sessionOpener({
    ...options,
    endpoints: parseEndpoints(options.url, options.startTls),
    gate: bindGate({ refusals, waitMs: 0, account: accountOf(bind), clock }),
    openSocket: options.openSocket ?? ((target) => connect(target)),
    ...trustOf(options),
  });
  return await opener.open(AbortSignal.timeout(options.connectTimeoutMs));
}
