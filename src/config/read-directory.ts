import { type Dn, isBeneath, sameDn } from '../access/dn.ts';
import type { Instant } from '../access/instant.ts';
import type { DirectoryBind, DirectoryConfig, DirectorySecurity, DirectoryServer } from './config.ts';
import { isLoopback } from './host.ts';
import { type ConfigWarning, shown } from './problem.ts';
import { readClientCertificateFiles } from './read-client-certificate.ts';
import { readSecret, type VaultWhereNeeded } from './read-secret.ts';
import type { VariableReader } from './variable-reader.ts';

interface Reading {
  readonly reader: VariableReader;
  readonly warnings: ConfigWarning[];
  readonly now: () => Instant;
  readonly vault: VaultWhereNeeded;
}

/** Where the directory is, how it is spoken to, and where in it to look; undefined where a problem leaves no answer. */
export function readDirectory(reading: Reading): DirectoryConfig | undefined {
  const { reader } = reading;
  const transport = readTransport(reading);
  const bind = readBind(reading, transport);
  const baseDn = readBase(reader);
  const scopes = {
    groupsScope: readScope('LDAP_GROUPS_SCOPE', baseDn, reader),
    usersScope: readScope('LDAP_USERS_SCOPE', baseDn, reader),
  };
  const others = {
    groupFilter: reader.optional('LDAP_GROUP_FILTER') ?? null,
    userFilter: reader.optional('LDAP_USER_FILTER') ?? null,
    flavour: reader.optional('LDAP_FLAVOUR') ?? null,
    usernameAttribute: reader.optional('LDAP_USERNAME_ATTRIBUTE') ?? null,
    groupNameAttribute: reader.optional('LDAP_GROUP_NAME_ATTRIBUTE') ?? null,
    fullNameAttribute: reader.optional('LDAP_FULL_NAME_ATTRIBUTE') ?? null,
    ownerAttribute: reader.optional('LDAP_OWNER_ATTRIBUTE') ?? null,
    managerAttribute: reader.orDefault('LDAP_MANAGER_ATTRIBUTE'),
    memberAttribute: reader.optional('LDAP_MEMBER_ATTRIBUTE') ?? null,
    userEmailAttribute: reader.orDefault('LDAP_USER_EMAIL_ATTRIBUTE'),
    placeholderMember: reader.orDefault('LDAP_PLACEHOLDER_MEMBER'),
    referrals: reader.orDefault('LDAP_REFERRALS'),
    connectTimeoutMs: reader.orDefault('LDAP_CONNECT_TIMEOUT'),
    readTimeoutMs: reader.orDefault('LDAP_READ_TIMEOUT'),
    pageSize: reader.orDefault('LDAP_PAGE_SIZE'),
  };
  if (transport === undefined || bind === undefined) return undefined;
  return { ...transport, bind, baseDn, ...scopes, ...others };
}

type Transport = Pick<DirectoryConfig, 'servers' | 'ca' | 'pins' | 'clientCertificate'>;

function readTransport({ reader, warnings, now }: Reading): Transport | undefined {
  const addresses = reader.required('LDAP_URL');
  const startTls = reader.orDefault('LDAP_START_TLS');
  const allowCleartext = reader.orDefault('LDAP_ALLOW_CLEARTEXT');
  const ca = reader.optional('LDAP_CA_FILE') ?? null;
  const pins = reader.optional('LDAP_PIN') ?? [];
  const clientCertificate = readClientCertificateFiles({
    certVariable: 'LDAP_CERT_FILE',
    keyVariable: 'LDAP_KEY_FILE',
    reader,
    warnings,
    now,
  });
  if (addresses === undefined) return undefined;
  if (startTls && addresses.every(({ scheme }) => scheme === 'ldaps'))
    reader.problem({
      variable: 'LDAP_START_TLS',
      found: 'true, and LDAP_URL is ldaps://, which is TLS from the first byte',
      expected: 'false, or an ldap:// URL',
    });
  const servers: DirectoryServer[] = addresses.map(({ scheme, host, port }) => {
    const security: DirectorySecurity = scheme === 'ldaps' ? 'tls' : startTls ? 'start_tls' : 'none';
    return { host, port, security };
  });
  const inClear = servers.filter(({ security }) => security === 'none');
  if (pins.length > 0 && inClear.length > 0)
    reader.problem({
      variable: 'LDAP_PIN',
      found: `set, and ${inClear.map(({ host }) => host).join(' and ')} is spoken to without TLS, where no key is shown`,
      expected: 'ldaps:// URLs, or LDAP_START_TLS=true, or no pin',
    });
  const readable = inClear.filter(({ host }) => !isLoopback(host));
  if (readable.length > 0 && !allowCleartext)
    reader.problem({
      variable: 'LDAP_URL',
      found: 'ldap:// without StartTLS to an address that is not loopback, which shows the password to the network',
      expected: 'an ldaps:// URL, LDAP_START_TLS=true, or LDAP_ALLOW_CLEARTEXT=true',
    });
  if (readable.length > 0 && allowCleartext)
    warnings.push({
      variable: 'LDAP_ALLOW_CLEARTEXT',
      message: `the bind password and all that is read and written go to ${readable.map(({ host }) => host).join(' and ')} unencrypted`,
    });
  if (inClear.length === servers.length)
    for (const [variable, isSet] of [
      ['LDAP_CA_FILE', ca !== null],
      ['LDAP_CERT_FILE', clientCertificate !== null],
    ] as const) {
      if (isSet) warnings.push({ variable, message: 'it has no effect: the connection to the directory is without TLS' });
    }
  return { servers, ca, pins, clientCertificate };
}

function readBind({ reader, warnings, vault }: Reading, transport: Transport | undefined): DirectoryBind | undefined {
  const mechanism = reader.orDefault('LDAP_BIND');
  if (mechanism === 'external') {
    const account = reader.optional('LDAP_BIND_DN') ?? null;
    if (!reader.isSet('LDAP_CERT_FILE'))
      reader.problem({
        variable: 'LDAP_CERT_FILE',
        found: 'not set, and LDAP_BIND is external',
        expected: 'the client certificate that stands for the account, with its LDAP_KEY_FILE',
      });
    if (transport?.servers.some(({ security }) => security === 'none') === true)
      reader.problem({
        variable: 'LDAP_URL',
        found: 'ldap:// without StartTLS, and LDAP_BIND is external',
        expected: 'ldaps:// URLs, or LDAP_START_TLS=true: without TLS no certificate is shown',
      });
    for (const variable of ['LDAP_BIND_PASSWORD', 'LDAP_BIND_PASSWORD_FILE'] as const) {
      if (reader.isSet(variable)) warnings.push({ variable, message: 'it has no effect: LDAP_BIND is external' });
    }
    return { mechanism, account };
  }
  const account = reader.required('LDAP_BIND_DN');
  const password = readSecret({
    variable: 'LDAP_BIND_PASSWORD',
    reader,
    vault,
  });
  return account === undefined || password === undefined ? undefined : { mechanism, account, password };
}

function readBase(reader: VariableReader): Dn | null {
  const domainDn = reader.optional('LDAP_DOMAIN') ?? null;
  const baseDn = reader.optional('LDAP_BASE_DN') ?? null;
  if (domainDn !== null && baseDn !== null && !sameDn(domainDn, baseDn))
    reader.problem({
      variable: 'LDAP_BASE_DN',
      found: `${shown(baseDn)}, and LDAP_DOMAIN says ${shown(domainDn)}`,
      expected: 'only one of the two',
    });
  return baseDn ?? domainDn;
}

function readScope(
  variable: 'LDAP_GROUPS_SCOPE' | 'LDAP_USERS_SCOPE',
  baseDn: Dn | null,
  reader: VariableReader,
): readonly Dn[] | null {
  const scope = reader.optional(variable) ?? null;
  const outside = baseDn === null ? undefined : scope?.find((dn) => !isBeneath(dn, baseDn));
  if (outside !== undefined)
    reader.problem({
      variable,
      found: `${shown(outside)}, which is not beneath ${shown(baseDn ?? '')}`,
      expected: 'names beneath the base DN',
    });
  return scope;
}
