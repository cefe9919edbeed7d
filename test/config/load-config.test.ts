import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { rootCertificates } from 'node:tls';
import { inspect } from 'node:util';
import { loadConfig } from '../../src/config/load-config.ts';
import { makeClientCertificate } from '../support/client-certificate.ts';
import { configFolder, configOf, MINIMAL, problemsOf } from '../support/minimal-config.ts';

const { folder, file } = configFolder();

type Variables = Readonly<Record<string, string | undefined>>;
const load = (variables: Variables, dotenvText?: string) =>
  loadConfig({ environment: { ...MINIMAL, ...variables }, dotenvText: dotenvText ?? null, terminal: false });

/** Asserts that exactly one problem is found, about this variable. */
function refused(variables: Variables, variable: string, about = /./): void {
  const problems = problemsOf(load(variables));
  assert.equal(problems.length, 1, inspect(problems));
  assert.match(problems[0] ?? '', new RegExp(`^${variable}: `));
  assert.match(problems[0] ?? '', about);
}

test('the required variables are enough, and everything else has the documented default', async () => {
  const loaded = load({});
  const config = configOf(loaded);
  assert.ok(loaded.ok);
  assert.deepEqual(loaded.warnings, []);
  const { token, ...controlPlane } = config.controlPlane;
  const { bind, ...directory } = config.directory;
  assert.deepEqual(controlPlane, {
    url: 'wss://control.example.com/connect',
    ca: null,
    pins: [],
    clientCertificate: null,
    proxy: null,
    jobKeys: null,
    connectorId: null,
    name: null,
  });
  assert.deepEqual(directory, {
    servers: [{ host: 'ldap.example.com', port: 636, security: 'tls' }],
    ca: null,
    pins: [],
    clientCertificate: null,
    referrals: 'ignore',
    flavour: null,
    usernameAttribute: null,
    groupNameAttribute: null,
    fullNameAttribute: null,
    ownerAttribute: null,
    managerAttribute: 'manager',
    pageSize: 1_000,
    memberAttribute: null,
    baseDn: null,
    groupsScope: null,
    usersScope: null,
    groupFilter: null,
    userFilter: null,
    userEmailAttribute: 'mail',
    placeholderMember: '',
    connectTimeoutMs: 5_000,
    readTimeoutMs: 10_000,
  });
  assert.deepEqual(config.policy, {
    maxGrantMs: 604_800_000,
    maxGrantsPerMinute: 600,
    file: null,
    maxPendingMs: 900_000,
    protectedGroups: [],
    unprotectedGroups: [],
    drift: 'report',
  });
  assert.deepEqual(config.sync, { schedule: '0 * * * *', fullSchedule: '0 0 * * *', timezone: 'UTC', maxRemovedPercent: 30 });
  assert.deepEqual(config.process, {
    stateDir: './state',
    backupDir: null,
    retentionMs: 7_776_000_000,
    http: { host: '127.0.0.1', port: 9464 },
    logLevel: 'info',
    logFormat: 'json',
    shutdownGraceMs: 8_000,
  });
  assert.equal((await token()).reveal(), 'control-plane-token');
  assert.ok(bind.mechanism === 'simple');
  assert.equal(bind.account.text, 'cn=latchkey,dc=example,dc=com');
  assert.equal((await bind.password()).reveal(), 'bind-password');
});

test('without any variable, every required one is named at once', () => {
  const problems = problemsOf(loadConfig({ environment: {}, terminal: true }));
  assert.deepEqual(
    problems.map((problem) => problem.split(':')[0]),
    ['LATCHKEY_CONTROL_PLANE_URL', 'LATCHKEY_CONTROL_PLANE_TOKEN', 'LDAP_URL', 'LDAP_BIND_DN', 'LDAP_BIND_PASSWORD'],
  );
});

test('every value takes effect', () => {
  const pem = file('ca.pem', `text before\n${rootCertificates[0]}\n${rootCertificates[1]}\n`);
  const config = configOf(
    load({
      LATCHKEY_CONTROL_PLANE_URL: 'ws://127.0.0.1:9000',
      LATCHKEY_CONTROL_PLANE_CA_FILE: pem,
      LATCHKEY_CONNECTOR_ID: 'berlin-1',
      LATCHKEY_NAME: 'Berlin ☂',
      LDAP_URL: 'ldap://[2001:db8::1]:1389/',
      LDAP_START_TLS: 'true',
      LDAP_CA_FILE: pem,
      LDAP_BIND: 'simple',
      LDAP_DOMAIN: 'corp.example.com',
      LDAP_BASE_DN: 'DC=corp, DC=example, DC=com',
      LDAP_GROUPS_SCOPE: 'ou=a\\;b,dc=corp,dc=example,dc=com; ou=c,dc=corp,dc=example,dc=com;',
      LDAP_USERS_SCOPE: 'ou=people,dc=corp,dc=example,dc=com',
      LDAP_GROUP_FILTER: '(cn=app-*)',
      LDAP_USER_FILTER: '(employeeType=\\ff\\fe)',
      LDAP_USER_EMAIL_ATTRIBUTE: 'mailPrimaryAddress',
      LDAP_PLACEHOLDER_MEMBER: 'cn=nobody',
      LDAP_CONNECT_TIMEOUT: '500ms',
      LDAP_READ_TIMEOUT: '1m',
      LATCHKEY_MAX_GRANT: '8h',
      LATCHKEY_MAX_PENDING: '30s',
      LATCHKEY_DRIFT: 'restore',
      LATCHKEY_MAX_GRANTS_PER_MINUTE: '60',
      LATCHKEY_POLICY_FILE: file('policy.json', '{"perUser":{"rate":{"grants":1,"per":"1h"}}}'),
      LATCHKEY_PROTECTED_GROUPS: 'cn=admins,dc=x; Domain Admins;6BA7B810-9dad-11d1-80b4-00c04fd430c8',
      LATCHKEY_STATE_DIR: '/var/lib/latchkey',
      LATCHKEY_RETENTION: '31d',
      LATCHKEY_HTTP_ADDR: '[::]:0',
      LATCHKEY_LOG_LEVEL: 'trace',
      LATCHKEY_LOG_FORMAT: 'json',
      LATCHKEY_SHUTDOWN_GRACE: '20s',
    }),
  );
  assert.equal(config.controlPlane.url, 'ws://127.0.0.1:9000/');
  assert.equal(config.controlPlane.ca?.pem.match(/BEGIN/g)?.length, 2);
  assert.deepEqual([config.controlPlane.connectorId, config.controlPlane.name], ['berlin-1', 'Berlin ☂']);
  const { servers, baseDn, groupsScope, groupFilter, placeholderMember, connectTimeoutMs } = config.directory;
  assert.deepEqual(servers, [{ host: '2001:db8::1', port: 1389, security: 'start_tls' }]);
  assert.equal(baseDn, 'DC=corp, DC=example, DC=com');
  assert.deepEqual(groupsScope, ['ou=a\\;b,dc=corp,dc=example,dc=com', 'ou=c,dc=corp,dc=example,dc=com']);
  assert.deepEqual(groupFilter, { kind: 'substrings', attribute: 'cn', initial: 'app-', any: [], final: '' });
  assert.deepEqual([placeholderMember, connectTimeoutMs], ['cn=nobody', 500]);
  assert.deepEqual(config.policy, {
    maxGrantMs: 28_800_000,
    maxGrantsPerMinute: 60,
    file: config.policy.file,
    maxPendingMs: 30_000,
    protectedGroups: [
      { by: 'dn', dn: 'cn=admins,dc=x' },
      { by: 'name', name: 'Domain Admins' },
      { by: 'id', id: '6ba7b810-9dad-11d1-80b4-00c04fd430c8' },
    ],
    unprotectedGroups: [],
    drift: 'restore',
  });
  assert.deepEqual(config.policy.file?.rules.userRate?.value, { grants: 1, perMs: 3_600_000 });
  assert.deepEqual(config.process.http, { host: '::', port: 0 });
  assert.deepEqual([config.process.retentionMs, config.process.logLevel], [31 * 86_400_000, 'trace']);
});

test('the configuration is frozen all through and shows no secret when it is inspected', () => {
  const config = configOf(load({ LDAP_PROTECTED: undefined, LATCHKEY_PROTECTED_GROUPS: 'a' }));
  for (const part of [config, ...Object.values(config), config.policy.protectedGroups, config.policy.protectedGroups[0]])
    assert.ok(Object.isFrozen(part));
  assert.doesNotMatch(
    inspect(config, { depth: 10, showHidden: true }) + JSON.stringify(config),
    /bind-password|control-plane-token/,
  );
});

test('the environment wins over the .env file, and the file fills what it leaves open', () => {
  const dotenv = '# comment\nexport LDAP_BASE_DN="dc=file" # c\nLATCHKEY_MAX_GRANT=1h\nPATH=/x\n';
  const config = configOf(load({ LATCHKEY_MAX_GRANT: '2h', LDAP_DOMAIN: undefined }, dotenv));
  assert.deepEqual([config.directory.baseDn, config.policy.maxGrantMs], ['dc=file', 7_200_000]);
});

test('a value of the .env file that would be cut at a "#" is a problem, not a protected group that is lost', () => {
  const cut = (line: string) => (loadedFrom(line).ok ? null : problemsOf(loadedFrom(line)).join());
  const loadedFrom = (line: string) => load({}, `${line}\n`);
  for (const value of ['C# Admins;Payroll', "C#'Payroll'", '#1;Payroll'])
    assert.match(cut(`LATCHKEY_PROTECTED_GROUPS=${value}`) ?? '', /^LATCHKEY_PROTECTED_GROUPS: a "#" in the \.env file/, value);
  for (const value of ['"C# Admins;Payroll"', "'C#;Payroll' # both", '`C#`', 'Payroll # of Berlin', 'C\t#x'])
    assert.equal(cut(`export LATCHKEY_PROTECTED_GROUPS = ${value}`), null, value);
  assert.equal(cut('SOMETHING_ELSE=C#'), null);
  const secret = problemsOf(load({ LDAP_BIND_PASSWORD: undefined }, 'LDAP_BIND_PASSWORD=open#sesame\n')).join();
  assert.match(secret, /^LDAP_BIND_PASSWORD: a "#"/);
  assert.doesNotMatch(secret, /open|sesame/);
});

test('a variable that stands twice in the .env file is a problem: the first line would be lost', () => {
  const twice = 'LATCHKEY_PROTECTED_GROUPS=Payroll\nexport LATCHKEY_PROTECTED_GROUPS=Domain Admins\n';
  assert.match(problemsOf(load({}, twice)).join(), /^LATCHKEY_PROTECTED_GROUPS: more than one line in the \.env file/);
  assert.ok(load({ LATCHKEY_PROTECTED_GROUPS: 'Payroll' }, twice).ok, 'the environment wins over both');
  assert.ok(load({}, 'OTHER=1\nOTHER=2\n#LDAP_DOMAIN=a.example\nLDAP_DOMAIN=b.example\n').ok);
});

test('a variable of ours in small letters, or with other marks between its words, is a problem, not ignored', () => {
  for (const name of ['latchkey_protected_groups', 'LATCHKEY-PROTECTED-GROUPS', 'Latchkey.Protected.Groups']) {
    refused({ [name]: 'Payroll' }, name, /did you mean LATCHKEY_PROTECTED_GROUPS\?/);
  }
  assert.ok(load({ ldap_host: 'x', latchkey: 'y' }).ok, 'names that mean nothing to us');
});

test('a line of the .env file that cannot be read is a problem, not a lost scope', () => {
  assert.match(problemsOf(load({}, 'LDAP_USERS_SCOPE ou=people,dc=x\n')).join(), /^LDAP_USERS_SCOPE: a line in the \.env file/);
});

test('an unknown name is a problem that tells the nearest known one', () => {
  refused({ LDAP_USER_SCOPE: 'ou=x' }, 'LDAP_USER_SCOPE', /did you mean LDAP_USERS_SCOPE\?$/);
  refused({ LATCHKEY_CONTROLPLANE_TOKEN: 'x' }, 'LATCHKEY_CONTROLPLANE_TOKEN', /did you mean LATCHKEY_CONTROL_PLANE_TOKEN\?$/);
  refused({ SYNC_MAX_REMOVD: '5%' }, 'SYNC_MAX_REMOVD', /did you mean SYNC_MAX_REMOVED\?$/);
});

test('a command that asks the directory alone needs no word of the control plane, and looks at none', () => {
  const directory = { ...MINIMAL, LATCHKEY_CONTROL_PLANE_URL: undefined, LATCHKEY_CONTROL_PLANE_TOKEN: undefined };
  const alone = { terminal: false, needsControlPlane: false } as const;
  configOf(loadConfig({ environment: directory, ...alone }));
  configOf(loadConfig({ environment: { ...directory, LATCHKEY_CONTROL_PLANE_TOKEN_FILE: join(folder, 'not-there') }, ...alone }));
  assert.deepEqual(
    problemsOf(loadConfig({ environment: { ...directory, LDAP_URL: undefined }, ...alone })).map(
      (problem) => problem.split(':')[0],
    ),
    ['LDAP_URL'],
  );
  assert.equal(problemsOf(loadConfig({ environment: directory, terminal: false })).length, 2);
});

test('a sync runs by word or by cron expression, in a time zone, and removes no more than a share', () => {
  const { sync } = configOf(
    load({
      SYNC_SCHEDULE: '*/20 * * * * *',
      SYNC_FULL_SCHEDULE: 'off',
      SYNC_TIMEZONE: 'Europe/Berlin',
      SYNC_MAX_REMOVED: '5 %',
    }),
  );
  assert.deepEqual(sync, { schedule: '*/20 * * * * *', fullSchedule: null, timezone: 'Europe/Berlin', maxRemovedPercent: 5 });
  assert.equal(configOf(load({ SYNC_SCHEDULE: 'daily' })).sync.schedule, '0 0 * * *');
  for (const wrong of ['', 'weekly', '* * * *', '61 * * * *', '0 0 31 2 *', '0 0 1 * 1', '* * * * * * *', 'x'.repeat(300)])
    refused({ SYNC_SCHEDULE: wrong }, 'SYNC_SCHEDULE', /expected|off, hourly, daily/);
  // Counted out, such a range would hold up the start for a minute, and then end it for want of memory.
  for (const wrong of ['0-9999999999 * * * *', '* 0-999999 * * *', '*/100 * * * *'])
    refused({ SYNC_SCHEDULE: wrong }, 'SYNC_SCHEDULE', /more than two digits/);
  refused({ SYNC_FULL_SCHEDULE: '0 0 1 * 1' }, 'SYNC_FULL_SCHEDULE', /give one of them/);
  for (const wrong of ['Mars/Olympus', '', '+99:00']) refused({ SYNC_TIMEZONE: wrong }, 'SYNC_TIMEZONE');
  const { directory } = configOf(load({ LDAP_PAGE_SIZE: '250', LDAP_OWNER_ATTRIBUTE: 'managedBy' }));
  assert.deepEqual([directory.pageSize, directory.ownerAttribute], [250, 'managedBy']);
  for (const wrong of ['0', '9', '10001', '1e3', 'many']) refused({ LDAP_PAGE_SIZE: wrong }, 'LDAP_PAGE_SIZE');
  for (const wrong of ['30', '101%', '-1%', '3.5%', 'all']) refused({ SYNC_MAX_REMOVED: wrong }, 'SYNC_MAX_REMOVED');
});

test('names that Kubernetes injects for services are passed over', () => {
  const names = ['SERVICE_HOST', 'SERVICE_PORT', 'SERVICE_PORT_LDAPS', 'PORT', 'PORT_636_TCP', 'PORT_636_TCP_ADDR'];
  for (const prefix of ['LDAP', 'LATCHKEY', 'LATCHKEY_CONTROL_PLANE', 'SYNC_WORKER'])
    configOf(load(Object.fromEntries(names.map((name) => [`${prefix}_${name}`, 'tcp://10.0.0.1:636']))));
});

test('a secret may come from a file, and from one place only', async () => {
  const path = file('token', 'from-a-file\n');
  const token = { LATCHKEY_CONTROL_PLANE_TOKEN: undefined, LATCHKEY_CONTROL_PLANE_TOKEN_FILE: path };
  assert.equal((await configOf(load(token)).controlPlane.token()).reveal(), 'from-a-file');
  refused({ LATCHKEY_CONTROL_PLANE_TOKEN_FILE: path }, 'LATCHKEY_CONTROL_PLANE_TOKEN', /only one of the two/);
  refused({ LDAP_BIND_PASSWORD_FILE: path }, 'LDAP_BIND_PASSWORD', /only one of the two/);
});

test('a secret that cannot be used is refused at the start, without showing it', () => {
  const password = { LDAP_BIND_PASSWORD: undefined };
  refused({ LDAP_BIND_PASSWORD: '' }, 'LDAP_BIND_PASSWORD', /RFC 4513/);
  refused({ LATCHKEY_CONTROL_PLANE_TOKEN: 'two words' }, 'LATCHKEY_CONTROL_PLANE_TOKEN', /something else \(not shown\)/);
  refused({ ...password, LDAP_BIND_PASSWORD_FILE: join(folder, 'absent') }, 'LDAP_BIND_PASSWORD_FILE', /does not exist/);
  refused({ ...password, LDAP_BIND_PASSWORD_FILE: folder }, 'LDAP_BIND_PASSWORD_FILE', /cannot be read as a file/);
  refused({ ...password, LDAP_BIND_PASSWORD_FILE: file('empty', '\n') }, 'LDAP_BIND_PASSWORD_FILE', /is empty/);
  refused({ ...password, LDAP_BIND_PASSWORD_FILE: 'Passw0rd' }, 'LDAP_BIND_PASSWORD_FILE', /^(?!.*Passw0rd)/);
});

test('durations are positive, bounded, and carry a unit', () => {
  for (const wrong of ['', '0s', '-1s', '10', '1.5h', '1 h', '1w', '99999d', '1e3s', '9'.repeat(40)])
    refused({ LATCHKEY_MAX_PENDING: wrong }, 'LATCHKEY_MAX_PENDING', /such as 500ms/);
});

test('records are kept for at least the longest grant and 30 days more', () => {
  refused({ LATCHKEY_MAX_PENDING: '1y' }, 'LATCHKEY_MAX_PENDING', /"1y": not as expected/);
  configOf(load({ LATCHKEY_MAX_GRANT: '60d' }));
  refused({ LATCHKEY_MAX_GRANT: '61d' }, 'LATCHKEY_RETENTION', /90d, the default .* 91d/);
  refused({ LATCHKEY_MAX_GRANT: '1s', LATCHKEY_RETENTION: '30d' }, 'LATCHKEY_RETENTION', /2592001s/);
});

test('the control plane is reached over TLS, or on this machine', () => {
  for (const url of ['ws://127.8.9.1', 'ws://[::1]:1/x', 'ws://LOCALHOST:1', 'wss://h:8443/a/b'])
    configOf(load({ LATCHKEY_CONTROL_PLANE_URL: url }));
  for (const url of [
    '',
    'control.example.com',
    'https://h',
    'ws://h',
    'ws://127.0.0.1.example.com',
    'ws://[::2]',
    'wss://u:p@h',
    'wss://@h',
    'wss://h?t=1',
    'wss://h/#x',
    'wss://',
    'wss://h:0',
    'wss:h',
  ])
    refused({ LATCHKEY_CONTROL_PLANE_URL: url }, 'LATCHKEY_CONTROL_PLANE_URL');
});

test('the directory is reached over TLS, on this machine, or in clear text by an explicit word', () => {
  const clear = { LDAP_URL: 'ldap://h' };
  refused(clear, 'LDAP_URL', /shows the password to the network/);
  const securities = (variables: Variables) => configOf(load(variables)).directory.servers.map(({ security }) => security);
  assert.deepEqual(securities({ ...clear, LDAP_START_TLS: 'true' }), ['start_tls']);
  assert.deepEqual(securities({ LDAP_URL: 'ldap://127.0.0.1:10389' }), ['none']);
  const loaded = load({ ...clear, LDAP_ALLOW_CLEARTEXT: 'true' });
  assert.ok(loaded.ok);
  assert.deepEqual(loaded.config.directory.servers, [{ host: 'h', port: 389, security: 'none' }]);
  assert.match(loaded.warnings.map(({ variable }) => variable).join(), /^LDAP_ALLOW_CLEARTEXT$/);
  refused({ LDAP_START_TLS: 'true' }, 'LDAP_START_TLS', /first byte/);
  for (const url of [
    'h',
    'ldapi:///x',
    'ldaps://',
    'ldaps://h/dc=x',
    'ldaps://h??sub',
    'ldaps://u:p@h',
    'ldaps://h:70000',
    'ldaps://a b',
  ])
    refused({ LDAP_URL: url }, 'LDAP_URL');
  refused({ LDAP_URL: ' ' }, 'LDAP_URL');
  refused({ LDAP_URL: 'ldaps://a ldaps://b/x' }, 'LDAP_URL', /path/);
});

test('certificates are read and parsed before anything starts', () => {
  for (const [name, content, about] of [
    ['none.pem', 'no certificate', /holds no PEM certificate/],
    ['broken.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', /number 1, that cannot be parsed/],
  ] as const)
    refused({ LDAP_CA_FILE: file(name, content) }, 'LDAP_CA_FILE', about);
  refused({ LATCHKEY_CONTROL_PLANE_CA_FILE: join(folder, 'absent') }, 'LATCHKEY_CONTROL_PLANE_CA_FILE', /does not exist/);
  refused({ LDAP_CA_FILE: folder }, 'LDAP_CA_FILE', /not a regular file/);
});

test('names and filters are parsed before anything starts', () => {
  refused({ LDAP_BIND_DN: 'latchkey' }, 'LDAP_BIND_DN', /attribute=value/);
  refused({ LDAP_BIND_DN: ' ' }, 'LDAP_BIND_DN', /empty name/);
  refused({ LDAP_BASE_DN: '' }, 'LDAP_BASE_DN', /an empty value/);
  refused({ LDAP_GROUPS_SCOPE: ' ; ' }, 'LDAP_GROUPS_SCOPE', /empty list/);
  refused({ LDAP_USERS_SCOPE: 'ou=a;people' }, 'LDAP_USERS_SCOPE', /people/);
  refused({ LDAP_USER_FILTER: '(cn=a' }, 'LDAP_USER_FILTER');
  refused({ LDAP_USER_EMAIL_ATTRIBUTE: 'mail)(x=*' }, 'LDAP_USER_EMAIL_ATTRIBUTE');
  refused({ LDAP_DOMAIN: 'corp..example' }, 'LDAP_DOMAIN');
  refused({ LATCHKEY_PROTECTED_GROUPS: 'admins;cn=x,oops' }, 'LATCHKEY_PROTECTED_GROUPS', /oops/);
  assert.equal(configOf(load({ LDAP_PLACEHOLDER_MEMBER: '' })).directory.placeholderMember, '');
});

test('what differs between directories follows from the server, unless it is said', () => {
  const least = configOf(load({}));
  const { flavour, usernameAttribute, groupNameAttribute, memberAttribute } = least.directory;
  assert.deepEqual([flavour, usernameAttribute, groupNameAttribute, memberAttribute], [null, null, null, null]);
  assert.deepEqual(least.policy.unprotectedGroups, []);
  const said = configOf(
    load({
      LDAP_FLAVOUR: 'active-directory',
      LDAP_USERNAME_ATTRIBUTE: 'userPrincipalName',
      LDAP_GROUP_NAME_ATTRIBUTE: 'sAMAccountName',
      LDAP_MEMBER_ATTRIBUTE: 'memberUid',
      LATCHKEY_UNPROTECTED_GROUPS: 'DnsAdmins; cn=Backup Operators,cn=Builtin,dc=x',
    }),
  );
  const { directory, policy } = said;
  assert.deepEqual(
    [directory.flavour, directory.usernameAttribute, directory.groupNameAttribute, directory.memberAttribute],
    ['active-directory', 'userPrincipalName', 'sAMAccountName', 'memberUid'],
  );
  assert.deepEqual(
    policy.unprotectedGroups.map(({ by }) => by),
    ['name', 'dn'],
  );
  refused({ LDAP_FLAVOUR: 'edirectory' }, 'LDAP_FLAVOUR', /openldap, 389ds, active-directory, generic/);
  refused({ LDAP_MEMBER_ATTRIBUTE: 'memberOf' }, 'LDAP_MEMBER_ATTRIBUTE', /member, uniqueMember, memberUid/);
  refused({ LDAP_USERNAME_ATTRIBUTE: 'uid)(x=*' }, 'LDAP_USERNAME_ATTRIBUTE');
});

test('domain and base agree, and scopes lie beneath the base', () => {
  assert.equal(configOf(load({ LDAP_DOMAIN: 'corp.example.com' })).directory.baseDn, 'dc=corp,dc=example,dc=com');
  refused({ LDAP_DOMAIN: 'a.b', LDAP_BASE_DN: 'dc=b' }, 'LDAP_BASE_DN', /only one of the two/);
  refused({ LDAP_DOMAIN: 'a.b', LDAP_USERS_SCOPE: 'ou=x,dc=a,dc=b;ou=x,dc=b' }, 'LDAP_USERS_SCOPE', /"ou=x,dc=b"/);
  refused({ LDAP_BASE_DN: 'dc=b', LDAP_GROUPS_SCOPE: 'dc=c' }, 'LDAP_GROUPS_SCOPE', /beneath the base/);
});

test('several servers of the directory are tried in order, each by its own scheme', () => {
  const { servers } = configOf(
    load({ LDAP_URL: ' ldaps://a  ldap://b:1389 ldaps://[::1]:1636', LDAP_START_TLS: 'true' }),
  ).directory;
  assert.deepEqual(servers, [
    { host: 'a', port: 636, security: 'tls' },
    { host: 'b', port: 1389, security: 'start_tls' },
    { host: '::1', port: 1636, security: 'tls' },
  ]);
  refused({ LDAP_URL: 'ldaps://a ldap://b' }, 'LDAP_URL', /shows the password/);
  refused({ LDAP_URL: Array.from({ length: 17 }, (_, i) => `ldaps://h${i}`).join(' ') }, 'LDAP_URL', /at most 16/);
  assert.equal(configOf(load({ LDAP_REFERRALS: 'follow' })).directory.referrals, 'follow');
  refused({ LDAP_REFERRALS: 'chase' }, 'LDAP_REFERRALS');
});

test('the account of the directory is a DN, a user principal name or DOMAIN and user', () => {
  const formOf = (name: string) => {
    const { bind } = configOf(load({ LDAP_BIND_DN: name })).directory;
    return `${bind.account?.form}: ${bind.account?.text}`;
  };
  assert.equal(formOf(' cn=a\\, b,dc=x '), 'dn: cn=a\\, b,dc=x');
  assert.equal(formOf('cn=a@b,dc=x'), 'dn: cn=a@b,dc=x');
  assert.equal(formOf('latchkey@corp.example.com'), 'principal: latchkey@corp.example.com');
  assert.equal(formOf('CORP\\latch key'), 'domain_user: CORP\\latch key');
  for (const name of ['latchkey', '@corp', 'CORP\\', '\\latchkey', ' ', 'a@b@c', 'CORP\\a\\b'])
    refused({ LDAP_BIND_DN: name }, 'LDAP_BIND_DN', /DOMAIN/);
});

test('a bind by the client certificate needs the certificate and TLS, and no password', async () => {
  const { chain, key } = makeClientCertificate();
  const variables = {
    LDAP_BIND: 'external',
    LDAP_BIND_DN: undefined,
    LDAP_BIND_PASSWORD: undefined,
    LDAP_CERT_FILE: file('ldap-client.pem', chain),
    LDAP_KEY_FILE: file('ldap-client.key', key),
  };
  const { bind, clientCertificate } = configOf(load(variables)).directory;
  assert.deepEqual(bind, { mechanism: 'external', account: null });
  const read = await clientCertificate?.();
  assert.ok(read?.ok === true && read.value.key.reveal() === key.trimEnd());
  const named = configOf(load({ ...variables, LDAP_BIND_DN: 'cn=a,dc=x' })).directory.bind;
  assert.equal(named.account?.text, 'cn=a,dc=x');
  refused({ ...variables, LDAP_CERT_FILE: undefined, LDAP_KEY_FILE: undefined }, 'LDAP_CERT_FILE', /external/);
  refused({ ...variables, LDAP_URL: 'ldap://127.0.0.1' }, 'LDAP_URL', /no certificate is shown/);
  const loaded = load({ ...variables, LDAP_BIND_PASSWORD: 'of no use' });
  assert.ok(loaded.ok);
  assert.deepEqual(
    loaded.warnings.map(({ variable }) => variable),
    ['LDAP_BIND_PASSWORD'],
  );
});

test('a client certificate for the directory that cannot be used is refused, and its key is never shown', () => {
  const mine = makeClientCertificate();
  const other = makeClientCertificate();
  const old = makeClientCertificate({ expiresAtMs: Date.now() - 1_000 });
  const files = (chain: string, key: string) => ({
    LDAP_CERT_FILE: file('directory-client.pem', chain),
    LDAP_KEY_FILE: file('directory-client.key', key),
  });
  refused(files(mine.chain, other.key), 'LDAP_KEY_FILE', /is not the key of the first certificate/);
  const late = load(files(old.chain, old.key));
  assert.ok(
    late.ok && late.warnings.some(({ variable, message }) => variable === 'LDAP_CERT_FILE' && /expired at/.test(message)),
  );
  refused({ LDAP_CERT_FILE: file('alone.pem', mine.chain) }, 'LDAP_KEY_FILE', /both of them, or none/);
  refused({ ...files(mine.chain, mine.key), LDAP_KEY_FILE: join(folder, 'none') }, 'LDAP_KEY_FILE', /does not exist/);
  for (const problem of problemsOf(load(files(mine.chain, `${other.key} `))))
    assert.ok(!problem.includes(other.key.slice(40, 80)));
});

test('what this version cannot do is refused and never passed over', () => {
  refused({ LDAP_BIND: 'none' }, 'LDAP_BIND', /one of simple, external/);
  refused({ LATCHKEY_LOG_FORMAT: 'text' }, 'LATCHKEY_LOG_FORMAT', /\| one of json, pretty, ecs$/);
});

test('a log is for people where a person reads it, and for machines elsewhere, unless it is said', () => {
  const formatOf = (terminal: boolean, variables: Variables = {}) =>
    configOf(loadConfig({ environment: { ...MINIMAL, ...variables }, terminal })).process.logFormat;
  assert.deepEqual([formatOf(true), formatOf(false)], ['pretty', 'json']);
  for (const format of ['json', 'pretty', 'ecs'])
    for (const terminal of [true, false]) assert.equal(formatOf(terminal, { LATCHKEY_LOG_FORMAT: format }), format);
});

test('a switch that turns certificate checks off is refused', () => {
  refused({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, 'NODE_TLS_REJECT_UNAUTHORIZED', /LDAP_CA_FILE/);
  configOf(load({ NODE_TLS_REJECT_UNAUTHORIZED: '1' }));
});

test('the environment tells Node.js how much memory to take, and not to load code, to be inspected or to print what is sent', () => {
  for (const taken of [
    '',
    '--max-old-space-size=256 --use-system-ca',
    '--max_old_space_size 256',
    '--dns-result-order=ipv4first',
  ])
    configOf(load({ NODE_OPTIONS: taken }));
  for (const refusedOption of [
    '--inspect',
    '--inspect-brk=0.0.0.0:9229',
    '--require ./x.js',
    '-r ./x.js',
    '--import=./x.js',
    '--experimental-loader ./x.js',
    '--allow-fs-write=*',
    '--no-permission',
    '--report-on-signal',
    '--heapsnapshot-signal=SIGUSR2',
    '--tls-keylog=/tmp/keys',
    '--tls-min-v1.0',
    '--cpu-prof',
    '--max-old-space-size=256 --inspect',
    '"--inspect"',
    '--max-old-space-size=256 "\\--require" "./x.js"',
  ])
    refused({ NODE_OPTIONS: refusedOption }, 'NODE_OPTIONS', /loads code, opens an inspector/);
  refused({ NODE_DEBUG: 'http' }, 'NODE_DEBUG', /secrets included/);
});

test('addresses, ids, names, levels and switches have one form', () => {
  assert.equal(configOf(load({ LATCHKEY_HTTP_ADDR: 'off' })).process.http, null);
  for (const wrong of ['', ':9464', '9464', 'h:', 'h:65536', '::1:80', 'a b:1'])
    refused({ LATCHKEY_HTTP_ADDR: wrong }, 'LATCHKEY_HTTP_ADDR');
  refused({ LATCHKEY_CONNECTOR_ID: 'a b' }, 'LATCHKEY_CONNECTOR_ID');
  refused({ LATCHKEY_NAME: 'x'.repeat(65) }, 'LATCHKEY_NAME');
  refused({ LATCHKEY_NAME: 'a\u202Eb' }, 'LATCHKEY_NAME');
  refused({ LATCHKEY_LOG_LEVEL: 'verbose' }, 'LATCHKEY_LOG_LEVEL', /trace, debug/);
  refused({ LDAP_START_TLS: 'yes' }, 'LDAP_START_TLS', /true or false/);
  refused({ LATCHKEY_STATE_DIR: '' }, 'LATCHKEY_STATE_DIR');
});
