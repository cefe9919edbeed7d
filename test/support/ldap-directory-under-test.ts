import { readFile } from 'node:fs/promises';
import { parseAccountName } from '../../src/access/account-name.ts';
import type { Clock } from '../../src/access/clock.ts';
import { type Dn, parseDn } from '../../src/access/dn.ts';
import { instant } from '../../src/access/instant.ts';
import type { Directory, DirectoryStatus } from '../../src/directory/directory.ts';
import type { LdapDirectoryOptions } from '../../src/directory/ldap/open-ldap-directory.ts';
import type { LogFields, Logger } from '../../src/observability/logger.ts';
import type { OpenLdap } from '../../src/sandbox/openldap.ts';

/** The machine's own clock. */
export const realClock: Clock = {
  wall: () => instant(Date.now()),
  monotonicMs: () => performance.now(),
  timer(delayMs, fire) {
    const timeout = setTimeout(fire, delayMs);
    return () => clearTimeout(timeout);
  },
};

/** A logger that remembers its lines. */
export function memoryLogger(): { logger: Logger; lines: { level: string; fields: LogFields; message: string }[] } {
  const lines: { level: string; fields: LogFields; message: string }[] = [];
  const write = (level: string) => (fields: LogFields, message: string) => void lines.push({ level, fields, message });
  const logger: Logger = {
    trace: write('trace'),
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    fatal: write('fatal'),
    child: () => logger,
  };
  return { logger, lines };
}

/** A name that a test knows to be one. */
export function dn(text: string): Dn {
  const parsed = parseDn(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

/** A simple bind by a name in any of its forms; the password may change from one bind to the next. */
export function simpleBind(name: string, password: string | (() => string)): LdapDirectoryOptions['bind'] {
  const parsed = parseAccountName(name);
  if (!parsed.ok) throw new Error(parsed.problem);
  const reveal = () => (typeof password === 'string' ? password : password());
  return { mechanism: 'simple', name: parsed.value, password: async () => ({ reveal }) };
}

export type LdapDirectoryChanges = Partial<LdapDirectoryOptions>;

/** What there is to know of a server, real or fake. */
export type DirectoryServer = Pick<
  OpenLdap,
  'ldapsUrl' | 'caFile' | 'connectorDn' | 'connectorPassword' | 'baseDn' | 'usersScope' | 'groupsScope'
>;

/** The options of an adapter for a sandbox server, with what a test changes. */
export async function ldapDirectoryOptions(
  server: DirectoryServer,
  changes: LdapDirectoryChanges = {},
): Promise<LdapDirectoryOptions> {
  return {
    url: server.ldapsUrl,
    startTls: false,
    ca: await readFile(server.caFile, 'utf8'),
    clientCertificate: null,
    bind: simpleBind(server.connectorDn, server.connectorPassword),
    allowCleartext: false,
    referrals: 'ignore',
    baseDn: dn(server.baseDn),
    usersScope: [dn(server.usersScope)],
    groupsScope: [dn(server.groupsScope)],
    userFilter: null,
    groupFilter: null,
    emailAttribute: 'mail',
    flavour: null,
    usernameAttribute: null,
    groupNameAttribute: null,
    memberAttribute: null,
    connectTimeoutMs: 5_000,
    readTimeoutMs: 10_000,
    clock: realClock,
    random: Math.random,
    logger: memoryLogger().logger,
    bindRefusals: { load: async () => null, save: async () => undefined },
    ...changes,
  };
}

/** The next change to a state, or the state if it is that already. */
export async function untilState(directory: Directory, state: DirectoryStatus['state']): Promise<DirectoryStatus> {
  const now = directory.status();
  if (now.state === state) return now;
  const { promise, resolve } = Promise.withResolvers<DirectoryStatus>();
  directory.onChange((status) => {
    if (status.state === state) resolve(status);
  });
  return await promise;
}
