import { type Dn, isBeneath, parseDn, sameDn } from '../access/dn.ts';
import type { Instant } from '../access/instant.ts';
import { MEMBER_ATTRIBUTES } from '../access/membership.ts';
import { FLAVOUR_NAMES } from '../directory/ldap/flavours/names.ts';
import { directoryAddresses } from './address.ts';
import type { DirectoryBind, DirectoryConfig, DirectorySecurity, DirectoryServer } from './config.ts';
import { isLoopback } from './host.ts';
import { type ConfigWarning, shown } from './problem.ts';
import { readClientCertificateFiles } from './read-client-certificate.ts';
import { readSecret } from './read-secret.ts';
import * as values from './values.ts';
import type { VariableReader } from './variable-reader.ts';
import type { Variable } from './variables.ts';

interface Reading {
  readonly reader: VariableReader;
  readonly warnings: ConfigWarning[];
  readonly now: () => Instant;
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
    groupFilter: reader.optional('LDAP_GROUP_FILTER', values.filter) ?? null,
    userFilter: reader.optional('LDAP_USER_FILTER', values.filter) ?? null,
    flavour: reader.optional('LDAP_FLAVOUR', values.oneOf(FLAVOUR_NAMES)) ?? null,
    usernameAttribute: reader.optional('LDAP_USERNAME_ATTRIBUTE', values.attributeName) ?? null,
    groupNameAttribute: reader.optional('LDAP_GROUP_NAME_ATTRIBUTE', values.attributeName) ?? null,
    fullNameAttribute: reader.optional('LDAP_FULL_NAME_ATTRIBUTE', values.attributeName) ?? null,
    ownerAttribute: reader.optional('LDAP_OWNER_ATTRIBUTE', values.attributeName) ?? null,
    managerAttribute: reader.optional('LDAP_MANAGER_ATTRIBUTE', values.attributeName) ?? 'manager',
    memberAttribute: reader.optional('LDAP_MEMBER_ATTRIBUTE', values.oneOf(MEMBER_ATTRIBUTES)) ?? null,
    userEmailAttribute: reader.optional('LDAP_USER_EMAIL_ATTRIBUTE', values.attributeName) ?? 'mail',
    placeholderMember: reader.optional('LDAP_PLACEHOLDER_MEMBER', values.dnOrNobody) ?? emptyDn(),
    referrals: reader.optional('LDAP_REFERRALS', values.oneOf(['ignore', 'follow'])) ?? 'ignore',
    connectTimeoutMs: reader.optional('LDAP_CONNECT_TIMEOUT', values.duration('100ms', '5m')) ?? 5_000,
    readTimeoutMs: reader.optional('LDAP_READ_TIMEOUT', values.duration('100ms', '10m')) ?? 10_000,
    pageSize: reader.optional('LDAP_PAGE_SIZE', values.pageSize) ?? 1_000,
  };
  if (transport === undefined || bind === undefined) return undefined;
  return { ...transport, bind, baseDn, ...scopes, ...others };
}

type Transport = Pick<DirectoryConfig, 'servers' | 'ca' | 'clientCertificate'>;

function readTransport({ reader, warnings, now }: Reading): Transport | undefined {
  const addresses = reader.required('LDAP_URL', directoryAddresses);
  const startTls = reader.optional('LDAP_START_TLS', values.switchValue) ?? false;
  const allowCleartext = reader.optional('LDAP_ALLOW_CLEARTEXT', values.switchValue) ?? false;
  const ca = reader.optional('LDAP_CA_FILE', values.certificateFile) ?? null;
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
  return { servers, ca, clientCertificate };
}

function readBind({ reader, warnings }: Reading, transport: Transport | undefined): DirectoryBind | undefined {
  const mechanism = reader.optional('LDAP_BIND', values.oneOf(['simple', 'external'])) ?? 'simple';
  if (mechanism === 'external') {
    const account = reader.optional('LDAP_BIND_DN', values.accountName) ?? null;
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
  const account = reader.required('LDAP_BIND_DN', values.accountName);
  const password = readSecret({
    variable: 'LDAP_BIND_PASSWORD',
    fileVariable: 'LDAP_BIND_PASSWORD_FILE',
    kind: values.password,
    reader,
  });
  return account === undefined || password === undefined ? undefined : { mechanism, account, password };
}

function readBase(reader: VariableReader): Dn | null {
  const domainDn = reader.optional('LDAP_DOMAIN', values.domain) ?? null;
  const baseDn = reader.optional('LDAP_BASE_DN', values.dn) ?? null;
  if (domainDn !== null && baseDn !== null && !sameDn(domainDn, baseDn))
    reader.problem({
      variable: 'LDAP_BASE_DN',
      found: `${shown(baseDn)}, and LDAP_DOMAIN says ${shown(domainDn)}`,
      expected: 'only one of the two',
    });
  return baseDn ?? domainDn;
}

function readScope(variable: Variable, baseDn: Dn | null, reader: VariableReader): readonly Dn[] | null {
  const scope = reader.optional(variable, values.dnList) ?? null;
  const outside = baseDn === null ? undefined : scope?.find((dn) => !isBeneath(dn, baseDn));
  if (outside !== undefined)
    reader.problem({
      variable,
      found: `${shown(outside)}, which is not beneath ${shown(baseDn ?? '')}`,
      expected: 'names beneath the base DN',
    });
  return scope;
}

function emptyDn(): Dn {
  const parsed = parseDn('');
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}
