import { readFile } from 'node:fs/promises';
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

export type LdapDirectoryChanges = Partial<LdapDirectoryOptions>;

/** The options of an adapter for a sandbox server, with what a test changes. */
export async function ldapDirectoryOptions(server: OpenLdap, changes: LdapDirectoryChanges = {}): Promise<LdapDirectoryOptions> {
  return {
    url: server.ldapsUrl,
    startTls: false,
    ca: await readFile(server.caFile, 'utf8'),
    bindDn: dn(server.connectorDn),
    bindPassword: async () => ({ reveal: () => server.connectorPassword }),
    allowCleartext: false,
    baseDn: dn(server.baseDn),
    usersScope: [dn(server.usersScope)],
    groupsScope: [dn(server.groupsScope)],
    userFilter: null,
    groupFilter: null,
    emailAttribute: 'mail',
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
