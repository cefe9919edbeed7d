import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificates } from './certificates.ts';
import type { Program } from './programs.ts';

type SlapdSettings = {
  slapd: Program;
  dir: string;
  suffix: string;
  adminDn: string;
  adminPassword: string;
  connectorDn: string;
  certificates: Certificates;
  requireTls: boolean;
  memberof: boolean;
  idleTimeoutSeconds: number;
  replication: Replication;
};

/** A replica follows its provider by syncrepl (RFC 4533), and refers whoever wants to change something to it. */
export type Replication =
  | { role: 'none' }
  | { role: 'provider'; sessionLog: boolean }
  | { role: 'replica'; providerUrl: string; providerCaFile: string };

/** The text of slapd.conf(5). The connector's rights are the least that its work needs, and an example to copy. */
export function slapdConfig(settings: SlapdSettings): string {
  const { slapd, dir, suffix, adminDn, connectorDn, certificates } = settings;
  const rootPassword = hashedPassword(settings.adminPassword);
  const connector = `by dn.exact="${connectorDn}"`;
  const schemas = firstFolder(['etc/ldap/schema', 'etc/openldap/schema'].map((path) => join(slapd.root, '/', path)));
  return `${['core', 'cosine', 'inetorgperson', 'nis'].map((name) => `include "${schemas}/${name}.schema"`).join('\n')}
${moduleLines(slapd, wantedModules(settings))}
pidfile "${dir}/slapd.pid"
argsfile "${dir}/slapd.args"
TLSCACertificateFile "${certificates.caFile}"
TLSCertificateFile "${certificates.certificateFile}"
TLSCertificateKeyFile "${certificates.keyFile}"
TLSVerifyClient never
${settings.requireTls ? 'security simple_bind=128' : ''}
sizelimit 500
idletimeout ${settings.idleTimeoutSeconds}

database config
rootdn cn=admin,cn=config
rootpw ${rootPassword}

database mdb
suffix "${suffix}"
rootdn "${adminDn}"
rootpw ${rootPassword}
directory "${dir}/db"
maxsize 1073741824
dbnosync
index objectClass,entryUUID,entryCSN,uid,cn,mail,member,uniqueMember,memberUid eq
limits dn.exact="${connectorDn}" size.soft=500 size.hard=500 size.pr=500 size.prtotal=unlimited
${replicaLines(settings)}
access to attrs=userPassword
  by anonymous auth
  by * none
# The only thing the connector may change.
access to dn.subtree="ou=groups,${suffix}" attrs=member,uniqueMember,memberUid
  ${connector} write
  by * none
access to dn.subtree="ou=groups,${suffix}"
  ${connector} read
  by * none
access to dn.subtree="ou=people,${suffix}"
  ${connector} read
  by * none
# Everywhere: enough to find an entry by its stable id after it has left the scopes, and no more.
access to dn.subtree="${suffix}" attrs=entry,objectClass,entryUUID
  ${connector} read
  by * none
# And to be told in which groups a group is, so that none which is nested in a protected one is granted.
access to dn.subtree="${suffix}" attrs=member,uniqueMember
  ${connector} search
  by * none
access to *
  by * none
${settings.memberof ? overlays : ''}${providerLines(settings)}`;
}

function wantedModules({ memberof, replication }: SlapdSettings): string[] {
  return ['back_mdb', ...(memberof ? ['memberof', 'refint'] : []), ...(replication.role === 'provider' ? ['syncprov'] : [])];
}

/** With a log of its sessions it tells what was deleted; without one, what is still there. */
function providerLines({ replication }: SlapdSettings): string {
  if (replication.role !== 'provider') return '';
  return `\noverlay syncprov\n${replication.sessionLog ? 'syncprov-sessionlog 10000\n' : ''}`;
}

function replicaLines({ replication, suffix, adminDn, adminPassword }: SlapdSettings): string {
  if (replication.role !== 'replica') return '';
  const { providerUrl, providerCaFile } = replication;
  // The administrator, since no limit of size holds for it. It is tried again each second for as long as the replica runs.
  return `syncrepl rid=001 provider=${providerUrl} type=refreshAndPersist retry="1 +" searchbase="${suffix}"
  bindmethod=simple binddn="${adminDn}" credentials="${adminPassword}" tls_cacert="${providerCaFile}" tls_reqcert=demand
updateref ${providerUrl}
`;
}

/** A userPassword value that slapd accepts and that does not show the password ({SSHA}). */
export function hashedPassword(password: string): string {
  const salt = randomBytes(8);
  const digest = createHash('sha1').update(password).update(salt).digest();
  return `{SSHA}${Buffer.concat([digest, salt]).toString('base64')}`;
}

// refint repairs member values on a rename or a delete; memberof must not do it as well.
const overlays = `
overlay memberof
memberof-refint FALSE
memberof-dangling ignore
overlay memberof
memberof-group-oc groupOfUniqueNames
memberof-member-ad uniqueMember
memberof-refint FALSE
memberof-dangling ignore
overlay refint
refint_attributes member uniqueMember
`;

/** Distributions differ in where modules lie, and some compile them in: what has no file is not loaded. */
function moduleLines(slapd: Program, modules: readonly string[]): string {
  const folders = ['usr/lib/ldap', 'usr/lib64/openldap', 'usr/lib/openldap'].map((path) => join(slapd.root, '/', path));
  const folder = folders.find((candidate) => existsSync(candidate));
  if (folder === undefined) return '';
  const present = modules.filter((name) => existsSync(join(folder, `${name}.so`)) || existsSync(join(folder, `${name}.la`)));
  return [`modulepath "${folder}"`, ...present.map((name) => `moduleload ${name}`)].join('\n');
}

function firstFolder(candidates: readonly string[]): string {
  const brew = ['/opt/homebrew/etc/openldap/schema', '/usr/local/etc/openldap/schema'];
  const found = [...candidates, ...brew].find((folder) => existsSync(folder));
  if (found === undefined) throw new Error(`OpenLDAP's schema files are in none of ${[...candidates, ...brew].join(', ')}.`);
  return found;
}
