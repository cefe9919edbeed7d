import type { Clock, Random } from '../access/clock.ts';
import type { FailPoints } from '../access/fail-point.ts';
import type { GroupRef } from '../access/reference.ts';
import type { Config, DirectoryServer } from '../config/config.ts';
import type { ProtectionRules } from '../directory/directory-reader.ts';
import type { LoginTried } from '../directory/ldap/check/login.ts';
import type { LdapDirectoryOptions } from '../directory/ldap/open-ldap-directory.ts';
import type { LdapReaderOptions } from '../directory/ldap/reader/open-ldap-reader.ts';
import { LOOK_BACK_MS } from '../engine/after-failover.ts';
import { protectedBySpelling } from '../engine/protected-groups.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Logger } from '../observability/logger.ts';
import { learning, learningKey } from '../secrets/learning.ts';
import type { Learn } from '../secrets/secret-source.ts';

export interface DirectoryParts {
  readonly config: Config;
  /** Told each secret as it is read, so that no line ever shows it. */
  readonly learnSecret: Learn;
  readonly clock: Clock;
  readonly random: Random;
  readonly failPoints: FailPoints;
  readonly log: Logger;
  /** Null where no refusal of a bind can be remembered. */
  readonly ledger: Ledger | null;
  /** Whose password `check` tries; left out for nobody's. */
  readonly login?: LoginTried | null;
}

/** The directory that the configuration is about, as its adapter is told of it. */
export function directoryOptions(parts: DirectoryParts): LdapDirectoryOptions {
  const { config, learnSecret, clock, random, failPoints, log, ledger, login = null } = parts;
  const { directory } = config;
  const { bind, servers } = directory;
  const rules = spelledProtection(config);
  return {
    url: servers.map(urlOf).join(' '),
    startTls: servers.some(({ security }) => security === 'start_tls'),
    ca: directory.ca?.pem ?? null,
    pins: directory.pins,
    clientCertificate: learningKey(directory.clientCertificate, { learn: learnSecret, kind: 'LDAP_KEY_FILE' }),
    bind:
      bind.mechanism === 'external'
        ? { mechanism: 'external', name: bind.account }
        : {
            mechanism: 'simple',
            name: bind.account,
            password: learning(bind.password, { learn: learnSecret, kind: 'LDAP_BIND_PASSWORD' }),
          },
    // Whether this may be in clear was decided where the configuration was read.
    allowCleartext: servers.some(({ security }) => security === 'none'),
    referrals: directory.referrals,
    flavour: directory.flavour,
    baseDn: directory.baseDn,
    usersScope: directory.usersScope ?? [],
    groupsScope: directory.groupsScope ?? [],
    userFilter: directory.userFilter,
    groupFilter: directory.groupFilter,
    emailAttribute: directory.userEmailAttribute,
    usernameAttribute: directory.usernameAttribute,
    groupNameAttribute: directory.groupNameAttribute,
    memberAttribute: directory.memberAttribute,
    connectTimeoutMs: directory.connectTimeoutMs,
    readTimeoutMs: directory.readTimeoutMs,
    clock,
    random,
    logger: log,
    failPoints,
    bindRefusals: {
      load: async () => (ledger === null ? null : ledger.bindRefusal()),
      save: async (refusal) => ledger?.saveBindRefusal(refusal),
    },
    ...(ledger === null
      ? {}
      : {
          keepBase: (found) => ledger.keepBase(found),
          keepServer: (server) => ledger.keepServer({ server, at: clock.wall(), lookBackMs: LOOK_BACK_MS }),
        }),
    checked: {
      protectedGroups: config.policy.protectedGroups.map(shownReference),
      ruleGroups: config.policy.file?.rules.groups.map(({ group }) => shownReference(group)) ?? [],
      isProtected: (group) => rules.protects(group) || rules.protectsBuiltIn(group),
      login,
    },
  };
}

/** How the same directory is read whole. */
export function readerOptions({ directory }: Config, ldap: LdapDirectoryOptions): LdapReaderOptions {
  const { fullNameAttribute, ownerAttribute, managerAttribute, pageSize, placeholderMember: placeholder } = directory;
  return { ...ldap, fullNameAttribute, ownerAttribute, managerAttribute, pageSize, placeholder };
}

function urlOf({ host, port, security }: DirectoryServer): string {
  return `${security === 'tls' ? 'ldaps' : 'ldap'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** As it was configured. */
export function shownReference(ref: GroupRef): string {
  switch (ref.by) {
    case 'dn':
      return ref.dn;
    case 'id':
      return ref.id;
    case 'name':
      return ref.name;
    default:
      return ref satisfies never;
  }
}

/** By what a group is protected, as far as the configuration tells without asking the directory. */
export function spelledProtection({ policy }: Config): ProtectionRules {
  return protectedBySpelling({
    configured: policy.protectedGroups.map(shownReference),
    unprotected: policy.unprotectedGroups.map(shownReference),
  });
}
