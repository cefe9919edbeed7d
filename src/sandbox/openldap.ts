import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeCertificates } from './certificates.ts';
import { startChildProgram } from './child-program.ts';
import { exampleDirectory, examplePersonDn } from './example-directory.ts';
import { type OpenLdapPrograms, openLdapPrograms } from './openldap-programs.ts';
import { runProgram } from './run-program.ts';
import { hashedPassword, type Replication, slapdConfig } from './slapd-config.ts';
import {
  commandsAs,
  type Ports,
  randomPassword,
  type ServedDirectory,
  type ServerFolder,
  serveDirectory,
  serverFolder,
  type ThrowAwayDirectory,
  type ThrowAwayDirectoryOptions,
} from './throw-away-directory.ts';

export type OpenLdapOptions = ThrowAwayDirectoryOptions & {
  /** Whether memberOf is kept, and member values follow a rename or a delete. Default false. */
  memberof?: boolean;
  /** After how many idle seconds the server closes a connection. Default 0: never. */
  idleTimeoutSeconds?: number;
  /** Whether replicas can follow it. Default false. */
  replicated?: boolean;
  /** Whether it remembers, while it runs, what was deleted, for those that follow it (`replicated`). Default false. */
  sessionLog?: boolean;
  /** For others than this machine: the address it listens at, its ports, and its name in the certificate. Default: loopback. */
  listen?: { address: string; name: string; ports: Ports };
};

export type OpenLdap = ThrowAwayDirectory & {
  /** `ldapmodify` on cn=config, such as olcReadOnly of `olcDatabase={1}mdb,cn=config`. Such a change is lost at the next start. */
  configModify(ldif: string): Promise<void>;
};

export type OpenLdapPlace = {
  program: OpenLdapPrograms;
  folder: ServerFolder;
  env: NodeJS.ProcessEnv;
  baseDn: string;
  adminDn: string;
  connectorDn: string;
};

/**
 * Starts a real slapd on loopback ports, with TLS and an example company in it, for tests and the demo. Nothing is installed: where
 * the machine has no OpenLDAP, Debian's packages are unpacked into the user's cache. Throws with the server's output when it does
 * not serve, and with one sentence on what to install when there is no OpenLDAP to be had.
 */
export async function startOpenLdap(options: OpenLdapOptions = {}): Promise<OpenLdap> {
  const place = await openLdapPlace(options);
  const { dir } = place.folder;
  try {
    const lateLdif = existsSync(join(dir, 'complete')) ? '' : await buildFolder(place, options);
    return await serveOpenLdap(place, (admin) => addIfAny(admin.add, lateLdif), options.listen);
  } catch (error) {
    await place.folder.remove();
    throw error;
  }
}

/** Where a slapd is to live, and its names. */
export async function openLdapPlace(options: { dir?: string; suffix?: string }): Promise<OpenLdapPlace> {
  const program = await openLdapPrograms();
  const baseDn = options.suffix ?? 'dc=example,dc=test';
  const folder = await serverFolder({ dir: options.dir, name: 'openldap' });
  // HOME and the working folder are ours, so that no ldaprc(5) of the user's is read.
  const env = { PATH: process.env['PATH'], HOME: folder.dir, LC_ALL: 'C' };
  return { program, folder, env, baseDn, adminDn: `cn=admin,${baseDn}`, connectorDn: `cn=latchkey,ou=system,${baseDn}` };
}

/** Serves a folder that has a slapd.conf. */
export async function serveOpenLdap(
  place: OpenLdapPlace,
  fill: ServedDirectory['fill'],
  listen?: OpenLdapOptions['listen'],
): Promise<OpenLdap> {
  const ports = listen === undefined ? {} : { ports: listen.ports };
  const directory = await serveDirectory({ ...servedBySlapd(place, listen?.address), ...ports, fill });
  const configAdmin = commandsAs(place, { ldaps: Number(new URL(directory.ldapsUrl).port) }, 'cn=admin,cn=config');
  return Object.assign(directory, { configModify: configAdmin.modify });
}

function servedBySlapd(place: OpenLdapPlace, address = '127.0.0.1'): Omit<ServedDirectory, 'fill'> {
  const { program, folder, env, baseDn } = place;
  const { dir } = folder;
  const slapd = program('slapd');
  return {
    ...place,
    flavour: 'openldap',
    usersScope: `ou=people,${baseDn}`,
    groupsScope: `ou=groups,${baseDn}`,
    personDn: (uid) => examplePersonDn(uid, baseDn),
    groupDn: (cn) => `cn=${cn},ou=groups,${baseDn}`,
    tidy: async () => undefined,
    stopSignal: 'SIGINT',
    launch: ({ ldap, ldaps }) =>
      startChildProgram({
        path: slapd.path,
        // Any -d keeps it in the foreground; this level prints only why it cannot go on.
        args: ['-f', join(dir, 'slapd.conf'), '-h', `ldap://${address}:${ldap} ldaps://${address}:${ldaps}`, '-d', 'none'],
        env: { ...env, ...slapd.env },
        cwd: dir,
        logFile: join(dir, 'slapd.log'),
      }),
  };
}

async function addIfAny(add: (ldif: string) => Promise<void>, ldif: string): Promise<void> {
  if (ldif !== '') await add(ldif);
}

/** Fills a new folder; resolves with the LDIF that must be added once the server runs, since overlays see only that. */
async function buildFolder(place: OpenLdapPlace, options: OpenLdapOptions): Promise<string> {
  const { program, env, baseDn, adminDn, connectorDn } = place;
  const { dir } = place.folder;
  const file = (name: string) => join(dir, name);
  // A folder that was left half built is built again.
  await rm(file('db'), { recursive: true, force: true });
  await mkdir(file('db'), { mode: 0o700 });

  const passwords = { admin: randomPassword(), connector: randomPassword() };
  await writeFile(file('admin-password'), passwords.admin, { mode: 0o600 });
  await writeFile(file('connector-password'), passwords.connector, { mode: 0o600 });
  const certificates = await makeCertificates({ openssl: program('openssl'), folder: dir, name: options.listen?.name, env });
  const { requireTls = true, memberof = false, idleTimeoutSeconds = 0 } = options;
  const { replicated = false, sessionLog = false } = options;
  const replication: Replication = replicated ? { role: 'provider', sessionLog } : { role: 'none' };
  const slapd = program('slapd');
  const names = { suffix: baseDn, adminDn, connectorDn, adminPassword: passwords.admin };
  const config = slapdConfig({ slapd, dir, ...names, certificates, requireTls, memberof, idleTimeoutSeconds, replication });
  await writeFile(file('slapd.conf'), config, { mode: 0o600 });

  const { tree, groups } = exampleDirectory({
    suffix: baseDn,
    extraPeople: options.people ?? 0,
    connectorPassword: hashedPassword(passwords.connector),
    personPassword: hashedPassword(randomPassword()),
  });
  const more = `${groups}${options.ldif ?? ''}`;
  await writeFile(file('base.ldif'), memberof ? tree : `${tree}${more}`, { mode: 0o600 });
  const args = ['-T', 'add', '-q', '-f', file('slapd.conf'), '-b', baseDn, '-l', file('base.ldif')];
  const load = await runProgram({ path: slapd.path, args, env: { ...env, ...slapd.env }, cwd: dir, timeoutMs: 300_000 });
  if (load.code !== 0) throw new Error(`slapadd refused the entries: ${load.stderr.trim()}`);
  await rm(file('base.ldif'));
  return memberof ? more : '';
}
