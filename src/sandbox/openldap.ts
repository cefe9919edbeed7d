import { randomBytes } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeCertificates } from './certificates.ts';
import { type ChildProgram, startChildProgram } from './child-program.ts';
import { exampleDirectory } from './example-directory.ts';
import { type LdapCommands, ldapCommands, type SearchOptions } from './ldap-commands.ts';
import type { Entry } from './ldif.ts';
import { freePorts, isFreePort, servesTls } from './loopback.ts';
import { type OpenLdapPrograms, openLdapPrograms } from './openldap-programs.ts';
import { runProgram } from './run-program.ts';
import { hashedPassword, slapdConfig } from './slapd-config.ts';

export type OpenLdapOptions = {
  /** Kept on stop; one that holds a server's folder already is served as it is. Default: a temporary folder, removed on stop. */
  dir?: string;
  /** How many people uNNNN to generate beside the named ones. Default 0. */
  people?: number;
  /** Whether memberOf is kept, and member values follow a rename or a delete. Default false. */
  memberof?: boolean;
  /** A DN that begins with dc=. Default `dc=example,dc=test`. */
  suffix?: string;
  /** More entries, as LDIF, loaded after the others. */
  ldif?: string;
  /** After how many idle seconds the server closes a connection. Default 0: never. */
  idleTimeoutSeconds?: number;
  /** Whether a simple bind in clear is refused (result 13). Default true. */
  requireTls?: boolean;
};

export type OpenLdap = AsyncDisposable & {
  readonly ldapUrl: string;
  readonly ldapsUrl: string;
  readonly caFile: string;
  readonly baseDn: string;
  readonly usersScope: string;
  readonly groupsScope: string;
  readonly connectorDn: string;
  readonly connectorPassword: string;
  /** Mode 0600, and without a line end. */
  readonly connectorPasswordFile: string;
  readonly adminDn: string;
  readonly adminPassword: string;
  readonly dir: string;
  /** Undefined while it does not run. */
  readonly pid: number | undefined;
  /** Starts it again, after `kill`, on the same folder and ports. Throws with its output when it does not serve. */
  start(): Promise<void>;
  /** Resolves once the signal is sent (SIGSTOP, SIGCONT), or, for any other, once the server has ended; its folder stays. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** SIGINT, after 5 s SIGKILL; then the folder goes, unless it was given. May be called again. */
  stop(): Promise<void>;
  /** What `ldapsearch` finds as the directory's administrator; nothing where the base is not there (result 32). */
  search(options: SearchOptions): Promise<Entry[]>;
  /** Runs `ldapmodify` as the directory's administrator. Throws with what it says when a change is refused. */
  modify(ldif: string): Promise<void>;
  /** The same on cn=config, such as olcReadOnly of `olcDatabase={1}mdb,cn=config`. Such a change is lost at the next start. */
  configModify(ldif: string): Promise<void>;
  /** The values of member, uniqueMember and memberUid of a group. */
  members(groupDn: string): Promise<string[]>;
};

type Place = {
  program: OpenLdapPrograms;
  dir: string;
  env: NodeJS.ProcessEnv;
  suffix: string;
  adminDn: string;
  connectorDn: string;
};

// A loaded two-core machine has been seen to take 0.6 s; a minute is for a stopped or swapping one.
const startWithinMs = 60_000;
const portAttempts = 5;

/**
 * Starts a real slapd on loopback ports, with TLS and an example company in it, for tests and the demo. Nothing is installed: where
 * the machine has no OpenLDAP, Debian's packages are unpacked into the user's cache. Throws with the server's output when it does
 * not serve, and with one sentence on what to install when there is no OpenLDAP to be had.
 */
export async function startOpenLdap(options: OpenLdapOptions = {}): Promise<OpenLdap> {
  const program = await openLdapPrograms();
  const suffix = options.suffix ?? 'dc=example,dc=test';
  const dir = options.dir === undefined ? await mkdtemp(join(tmpdir(), 'latchkey-openldap-')) : resolve(options.dir);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  // HOME and the working folder are ours, so that no ldaprc(5) of the user's is read.
  const env = { PATH: process.env['PATH'], HOME: dir, LC_ALL: 'C' };
  const place: Place = {
    program,
    dir,
    env,
    suffix,
    adminDn: `cn=admin,${suffix}`,
    connectorDn: `cn=latchkey,ou=system,${suffix}`,
  };
  const isTemporary = options.dir === undefined;
  const removeAtExit = () => rmSync(dir, { recursive: true, force: true });
  if (isTemporary) process.once('exit', removeAtExit);
  const removeOwnFolder = async () => {
    process.off('exit', removeAtExit);
    if (isTemporary) await rm(dir, { recursive: true, force: true });
  };

  try {
    const lateLdif = existsSync(join(dir, 'complete')) ? '' : await buildFolder(place, options);
    const { server, ports } = await serveOnFreePorts(place);
    try {
      if (lateLdif !== '') await commandsAs(place, ports, place.adminDn).add(lateLdif);
      await writeFile(join(dir, 'complete'), '');
      return await openLdapObject({ place, server, ports, removeOwnFolder });
    } catch (error) {
      await server.kill('SIGKILL');
      throw error;
    }
  } catch (error) {
    await removeOwnFolder();
    throw error;
  }
}

/** Fills a new folder; resolves with the LDIF that must be added once the server runs, since overlays see only that. */
async function buildFolder(place: Place, options: OpenLdapOptions): Promise<string> {
  const { program, dir, env, suffix, adminDn, connectorDn } = place;
  const file = (name: string) => join(dir, name);
  // A folder that was left half built is built again.
  await rm(file('db'), { recursive: true, force: true });
  await mkdir(file('db'), { mode: 0o700 });

  const passwords = { admin: randomPassword(), connector: randomPassword() };
  await writeFile(file('admin-password'), passwords.admin, { mode: 0o600 });
  await writeFile(file('connector-password'), passwords.connector, { mode: 0o600 });
  const certificates = await makeCertificates({ openssl: program('openssl'), folder: dir, env });
  const { requireTls = true, memberof = false, idleTimeoutSeconds = 0 } = options;
  const slapd = program('slapd');
  const names = { suffix, adminDn, connectorDn, adminPassword: passwords.admin };
  const config = slapdConfig({ slapd, dir, ...names, certificates, requireTls, memberof, idleTimeoutSeconds });
  await writeFile(file('slapd.conf'), config, { mode: 0o600 });

  const { tree, groups } = exampleDirectory({
    suffix,
    extraPeople: options.people ?? 0,
    connectorPassword: hashedPassword(passwords.connector),
    personPassword: hashedPassword(randomPassword()),
  });
  const more = `${groups}${options.ldif ?? ''}`;
  await writeFile(file('base.ldif'), memberof ? tree : `${tree}${more}`, { mode: 0o600 });
  const args = ['-T', 'add', '-q', '-f', file('slapd.conf'), '-b', suffix, '-l', file('base.ldif')];
  const load = await runProgram({ path: slapd.path, args, env: { ...env, ...slapd.env }, cwd: dir, timeoutMs: 300_000 });
  if (load.code !== 0) throw new Error(`slapadd refused the entries: ${load.stderr.trim()}`);
  await rm(file('base.ldif'));
  return memberof ? more : '';
}

type Ports = { ldap: number; ldaps: number };

async function serveOnFreePorts(place: Place): Promise<{ server: ChildProgram; ports: Ports }> {
  for (let attempt = 1; ; attempt += 1) {
    const [ldap = 0, ldaps = 0] = await freePorts(2);
    try {
      return { server: await serve(place, { ldap, ldaps }), ports: { ldap, ldaps } };
    } catch (error) {
      // Only a port that somebody took in the meantime is a reason to try others.
      const wereTaken = !(await isFreePort(ldap)) || !(await isFreePort(ldaps));
      if (!wereTaken || attempt === portAttempts) throw error;
    }
  }
}

/** Starts slapd and waits until it completes a TLS handshake that the folder's own authority vouches for. */
async function serve(place: Place, ports: Ports): Promise<ChildProgram> {
  const { program, dir } = place;
  const slapd = program('slapd');
  const urls = `ldap://127.0.0.1:${ports.ldap} ldaps://127.0.0.1:${ports.ldaps}`;
  const server = await startChildProgram({
    path: slapd.path,
    // Any -d keeps it in the foreground; this level prints only why it cannot go on.
    args: ['-f', join(dir, 'slapd.conf'), '-h', urls, '-d', 'none'],
    env: { ...place.env, ...slapd.env },
    cwd: dir,
    logFile: join(dir, 'slapd.log'),
  });
  const ca = await readFile(join(dir, 'ca.pem'), 'utf8');
  const deadline = performance.now() + startWithinMs;
  while (!server.ended.aborted && performance.now() < deadline) {
    if (await servesTls(ports.ldaps, ca)) return server;
    await sleep(10);
  }
  const what = server.ended.aborted ? 'ended before it served' : `did not serve within ${startWithinMs} ms`;
  await server.kill('SIGKILL');
  throw new Error(`slapd ${what}: ${server.output().trim()}`);
}

async function openLdapObject(options: {
  place: Place;
  server: ChildProgram;
  ports: Ports;
  removeOwnFolder: () => Promise<void>;
}): Promise<OpenLdap> {
  const { place, ports, removeOwnFolder } = options;
  const { dir, suffix, adminDn, connectorDn } = place;
  const file = (name: string) => join(dir, name);
  const admin = commandsAs(place, ports, adminDn);
  const configAdmin = commandsAs(place, ports, 'cn=admin,cn=config');
  let server = options.server;

  const stop = async () => {
    await server.kill('SIGINT');
    await removeOwnFolder();
  };

  return {
    ldapUrl: `ldap://127.0.0.1:${ports.ldap}`,
    ldapsUrl: ldapsUrl(ports),
    caFile: file('ca.pem'),
    baseDn: suffix,
    usersScope: `ou=people,${suffix}`,
    groupsScope: `ou=groups,${suffix}`,
    connectorDn,
    connectorPassword: await readFile(file('connector-password'), 'utf8'),
    connectorPasswordFile: file('connector-password'),
    adminDn,
    adminPassword: await readFile(file('admin-password'), 'utf8'),
    dir,
    get pid() {
      return server.ended.aborted ? undefined : server.pid;
    },
    async start() {
      if (!server.ended.aborted) throw new Error('slapd is running already.');
      server = await serve(place, ports);
    },
    kill: (signal) => server.kill(signal),
    stop,
    search: admin.search,
    modify: admin.modify,
    configModify: configAdmin.modify,
    async members(groupDn) {
      const names = ['member', 'uniqueMember', 'memberUid'];
      const [group] = await admin.search({ base: groupDn, scope: 'base', filter: '(objectClass=*)', attributes: names });
      return names.flatMap((name) => group?.attributes.get(name.toLowerCase()) ?? []);
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** Both administrators, of the entries and of cn=config, have the same password. */
function commandsAs(place: Place, ports: Ports, bindDn: string): LdapCommands {
  const { program, dir, env } = place;
  const passwordFile = join(dir, 'admin-password');
  return ldapCommands({ program, env, cwd: dir, url: ldapsUrl(ports), caFile: join(dir, 'ca.pem'), bindDn, passwordFile });
}

function ldapsUrl(ports: Ports): string {
  return `ldaps://127.0.0.1:${ports.ldaps}`;
}

function randomPassword(): string {
  return randomBytes(18).toString('base64url');
}
