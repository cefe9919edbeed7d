import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChildProgram } from './child-program.ts';
import { type LdapCommands, ldapCommands, type SearchOptions } from './ldap-commands.ts';
import type { Entry } from './ldif.ts';
import { freePorts, isFreePort, servesTls } from './loopback.ts';
import type { OpenLdapPrograms } from './openldap-programs.ts';

export type ThrowAwayDirectoryOptions = {
  /** Kept on stop; one that holds a server's folder already is served as it is. Default: a temporary folder, removed on stop. */
  dir?: string;
  /** How many people uNNNN to generate beside the named ones. Default 0. */
  people?: number;
  /** A DN that begins with dc=. Default `dc=example,dc=test`. */
  suffix?: string;
  /** More entries, as LDIF, loaded after the others. */
  ldif?: string;
  /** Whether a simple bind in clear is refused. Default true. */
  requireTls?: boolean;
};

/** A real server on loopback ports with TLS and the example company in it; the same shape whatever the server. */
export type ThrowAwayDirectory = AsyncDisposable & {
  readonly flavour: 'openldap' | '389ds' | 'active-directory';
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
  /** The DN of a person of the users scope, by uid, spelt as the server spells it. */
  personDn(uid: string): string;
  /** The DN of a group of the groups scope, by cn. */
  groupDn(cn: string): string;
  /** Starts it again, after `kill`, on the same folder and ports. Throws with its output when it does not serve. */
  start(): Promise<void>;
  /** Resolves once the signal is sent (SIGSTOP, SIGCONT), or, for any other, once the server has ended; its folder stays. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Ends it, after 5 s with SIGKILL; then the folder goes, unless it was given. May be called again. */
  stop(): Promise<void>;
  /** What `ldapsearch` finds as the directory's administrator; nothing where the base is not there (result 32). */
  search(options: SearchOptions): Promise<Entry[]>;
  /** Runs `ldapmodify` as the directory's administrator. Throws with what it says when a change is refused. */
  modify(ldif: string): Promise<void>;
  /** The values of member, uniqueMember and memberUid of a group. */
  members(groupDn: string): Promise<string[]>;
};

export type Ports = { ldap: number; ldaps: number };

/** Where a server lives: it is private, and `remove` takes it away if it is temporary. */
export type ServerFolder = { readonly dir: string; readonly isTemporary: boolean; remove(): Promise<void> };

/** What tells one server from another. */
export type ServedDirectory = {
  flavour: ThrowAwayDirectory['flavour'];
  folder: ServerFolder;
  program: OpenLdapPrograms;
  env: NodeJS.ProcessEnv;
  baseDn: string;
  usersScope: string;
  groupsScope: string;
  adminDn: string;
  connectorDn: string;
  personDn: (uid: string) => string;
  groupDn: (cn: string) => string;
  launch: (ports: Ports) => Promise<ChildProgram>;
  /** Default: free ones. */
  ports?: Ports;
  /** Removes what the server has outside its folder, once it serves and needs it no more, or has failed. */
  tidy: () => Promise<void>;
  /** Ends the server in order. */
  stopSignal: NodeJS.Signals;
  /** Once it serves for the first time. */
  fill: (admin: LdapCommands) => Promise<void>;
};

// A loaded two-core machine has been seen to take 9 s for the slowest of them; a minute is for a stopped or swapping one.
const startWithinMs = 60_000;
const portAttempts = 5;

/** A new temporary folder, which goes when this process ends, if not before; or the one that was given, which stays. */
export async function serverFolder(options: { dir: string | undefined; name: string }): Promise<ServerFolder> {
  const isTemporary = options.dir === undefined;
  const dir = options.dir === undefined ? await mkdtemp(join(tmpdir(), `latchkey-${options.name}-`)) : resolve(options.dir);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const removeAtExit = () => rmSync(dir, { recursive: true, force: true });
  // Each server has two listeners, and Node.js takes more than ten for a leak.
  process.setMaxListeners(Math.max(process.getMaxListeners(), 64));
  if (isTemporary) process.once('exit', removeAtExit);
  return {
    dir,
    isTemporary,
    async remove() {
      process.off('exit', removeAtExit);
      if (isTemporary) await rm(dir, { recursive: true, force: true });
    },
  };
}

/** A password that every one of the servers accepts: Active Directory wants three kinds of characters. */
export function randomPassword(): string {
  return `Aa1${randomBytes(18).toString('base64url')}`;
}

/**
 * Serves a folder that holds `ca.pem`, `admin-password` and `connector-password`. When it does not serve, the error
 * has the server's output, and no process is left.
 */
export async function serveDirectory(served: ServedDirectory): Promise<ThrowAwayDirectory> {
  const { server, ports } =
    served.ports === undefined
      ? await serveOnFreePorts(served)
      : { server: await serve(served, served.ports), ports: served.ports };
  try {
    await served.fill(commandsAs(served, ports, served.adminDn));
    await writeFile(join(served.folder.dir, 'complete'), '');
    return await directoryObject({ served, server, ports });
  } catch (error) {
    await server.kill('SIGKILL');
    throw error;
  }
}

/** OpenLDAP's commands on a server, bound as an account that has the administrator's password. */
export function commandsAs(
  served: Pick<ServedDirectory, 'program' | 'env' | 'folder'>,
  ports: Pick<Ports, 'ldaps'>,
  bindDn: string,
): LdapCommands {
  const { program, env } = served;
  const { dir } = served.folder;
  const passwordFile = join(dir, 'admin-password');
  return ldapCommands({ program, env, cwd: dir, url: ldapsUrl(ports), caFile: join(dir, 'ca.pem'), bindDn, passwordFile });
}

async function serveOnFreePorts(served: ServedDirectory): Promise<{ server: ChildProgram; ports: Ports }> {
  for (let attempt = 1; ; attempt += 1) {
    const [ldap = 0, ldaps = 0] = await freePorts(2);
    try {
      return { server: await serve(served, { ldap, ldaps }), ports: { ldap, ldaps } };
    } catch (error) {
      // Only a port that somebody took in the meantime is a reason to try others.
      const wereTaken = !(await isFreePort(ldap)) || !(await isFreePort(ldaps));
      if (!wereTaken || attempt === portAttempts) throw error;
    }
  }
}

/** Starts the server and waits until it completes a TLS handshake that the folder's own authority vouches for. */
async function serve(served: ServedDirectory, ports: Ports): Promise<ChildProgram> {
  const server = await served.launch(ports);
  const ca = await readFile(join(served.folder.dir, 'ca.pem'), 'utf8');
  const deadline = performance.now() + startWithinMs;
  while (!server.ended.aborted && performance.now() < deadline) {
    if (await servesTls(ports.ldaps, ca)) {
      await served.tidy();
      return server;
    }
    await sleep(10);
  }
  const what = server.ended.aborted ? 'ended before it served' : `did not serve within ${startWithinMs} ms`;
  await server.kill('SIGKILL');
  await served.tidy();
  throw new Error(`The ${served.flavour} server ${what}: ${server.output().trim()}`);
}

async function directoryObject(options: {
  served: ServedDirectory;
  server: ChildProgram;
  ports: Ports;
}): Promise<ThrowAwayDirectory> {
  const { served, ports } = options;
  const { folder } = served;
  const file = (name: string) => join(folder.dir, name);
  const admin = commandsAs(served, ports, served.adminDn);
  let server = options.server;

  const stop = async () => {
    await server.kill(served.stopSignal);
    await folder.remove();
  };

  return {
    flavour: served.flavour,
    ldapUrl: `ldap://127.0.0.1:${ports.ldap}`,
    ldapsUrl: ldapsUrl(ports),
    caFile: file('ca.pem'),
    baseDn: served.baseDn,
    usersScope: served.usersScope,
    groupsScope: served.groupsScope,
    connectorDn: served.connectorDn,
    connectorPassword: await readFile(file('connector-password'), 'utf8'),
    connectorPasswordFile: file('connector-password'),
    adminDn: served.adminDn,
    adminPassword: await readFile(file('admin-password'), 'utf8'),
    dir: folder.dir,
    get pid() {
      return server.ended.aborted ? undefined : server.pid;
    },
    personDn: served.personDn,
    groupDn: served.groupDn,
    async start() {
      if (!server.ended.aborted) throw new Error('The server is running already.');
      server = await serve(served, ports);
    },
    kill: (signal) => server.kill(signal),
    stop,
    search: admin.search,
    modify: admin.modify,
    async members(groupDn) {
      const names = ['member', 'uniqueMember', 'memberUid'];
      const [group] = await admin.search({ base: groupDn, scope: 'base', filter: '(objectClass=*)', attributes: names });
      return names.flatMap((name) => group?.attributes.get(name.toLowerCase()) ?? []);
    },
    [Symbol.asyncDispose]: stop,
  };
}

function ldapsUrl(ports: Pick<Ports, 'ldaps'>): string {
  return `ldaps://127.0.0.1:${ports.ldaps}`;
}
