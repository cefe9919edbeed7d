import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { makeCertificates } from './certificates.ts';
import { type ChildProgram, startChildProgram } from './child-program.ts';
import { ds389Config } from './ds389-config.ts';
import { type Ds389Programs, ds389Programs } from './ds389-programs.ts';
import { exampleDirectory, examplePersonDn } from './example-directory.ts';
import { type OpenLdapPrograms, openLdapPrograms } from './openldap-programs.ts';
import type { Program } from './programs.ts';
import { runProgram } from './run-program.ts';
import { hashedPassword } from './slapd-config.ts';
import {
  type Ports,
  randomPassword,
  type ServerFolder,
  serveDirectory,
  serverFolder,
  type ThrowAwayDirectory,
  type ThrowAwayDirectoryOptions,
} from './throw-away-directory.ts';

export type Ds389Options = ThrowAwayDirectoryOptions & {
  /** Whether memberOf is kept, and member values follow a rename or a delete. Default false. */
  memberof?: boolean;
  /** Whether all changes are numbered, and tombstones are left of what is deleted (plug-in USN). Default false. */
  usn?: boolean;
};

type Place = {
  program: OpenLdapPrograms;
  ds: Ds389Programs;
  folder: ServerFolder;
  configDir: string;
  env: NodeJS.ProcessEnv;
  baseDn: string;
  adminDn: string;
  connectorDn: string;
};

/**
 * Starts a real 389 Directory Server, as `startOpenLdap` starts slapd. Its installer is not used: the server runs straight from a
 * configuration made of its own template, beneath one folder, as whoever runs this.
 */
export async function startDs389(options: Ds389Options = {}): Promise<ThrowAwayDirectory> {
  const [program, ds] = await Promise.all([openLdapPrograms(), ds389Programs()]);
  const baseDn = options.suffix ?? 'dc=example,dc=test';
  const folder = await serverFolder({ dir: options.dir, name: '389ds' });
  const { dir } = folder;
  const env = { PATH: process.env['PATH'], HOME: dir, LC_ALL: 'C' };
  const names = { adminDn: 'cn=Directory Manager', connectorDn: `cn=latchkey,ou=system,${baseDn}` };
  const place: Place = { program, ds, folder, configDir: join(dir, instanceName(dir)), env, baseDn, ...names };
  try {
    const lateLdif = existsSync(join(dir, 'complete')) ? '' : await buildFolder(place, options);
    return await serveDirectory({
      ...place,
      flavour: '389ds',
      usersScope: `ou=people,${baseDn}`,
      groupsScope: `ou=groups,${baseDn}`,
      personDn: (uid) => examplePersonDn(uid, baseDn),
      groupDn: (cn) => `cn=${cn},ou=groups,${baseDn}`,
      launch: (ports) => launch(place, ports),
      // Its counters for SNMP, which it opens once; nobody else does here, and nobody would remove it after a SIGKILL.
      tidy: () => rm(semaphoreOf(dir), { force: true }),
      // In order it takes 3 s to end, which a folder that goes anyway is not worth.
      stopSignal: folder.isTemporary ? 'SIGKILL' : 'SIGTERM',
      fill: async (admin) => {
        if (lateLdif !== '') await admin.add(lateLdif);
      },
    });
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** Where the server of this folder has its counters for SNMP, named after its instance. */
export function semaphoreOf(dir: string): string {
  return `/dev/shm/sem.${instanceName(dir)}.stats`;
}

/** Servers of one machine must not share it. */
function instanceName(dir: string): string {
  return `slapd-latchkey-${createHash('sha256').update(dir).digest('hex').slice(0, 12)}`;
}

async function launch(place: Place, ports: Ports): Promise<ChildProgram> {
  const { configDir, env } = place;
  const { dir } = place.folder;
  const server = place.ds('ns-slapd');
  const dse = join(configDir, 'dse.ldif');
  const text = (await readFile(dse, 'utf8'))
    .replace(/^nsslapd-port:.*$/im, `nsslapd-port: ${ports.ldap}`)
    .replace(/^nsslapd-securePort:.*$/im, `nsslapd-securePort: ${ports.ldaps}`);
  await writeFile(dse, text, { mode: 0o600 });
  // After SIGKILL its lock stays, and while the old process id is known the new server ends without a word.
  await rm(join(dir, 'lock'), { recursive: true, force: true });
  await mkdir(join(dir, 'lock'), { mode: 0o700 });
  return await startChildProgram({
    path: server.path,
    args: ['-D', configDir, '-i', join(dir, 'run', 'pid'), '-d', '0'],
    env: { ...env, ...server.env },
    cwd: dir,
    logFile: join(dir, 'ns-slapd.log'),
  });
}

/** Fills a new folder; resolves with the LDIF that must be added once the server runs, since plug-ins see only that. */
async function buildFolder(place: Place, options: Ds389Options): Promise<string> {
  const { program, ds, configDir, env, baseDn, adminDn, connectorDn } = place;
  const { dir } = place.folder;
  const file = (name: string) => join(dir, name);
  const server = ds('ns-slapd');
  const folders = ['lock', 'tmp', 'ldif', 'bak', 'run', 'log', 'db', 'dbhome'].map(file);
  // A folder that was left half built is built again.
  await Promise.all([...folders, configDir].map((path) => rm(path, { recursive: true, force: true })));
  await Promise.all([...folders, configDir].map((path) => mkdir(path, { mode: 0o700 })));

  const passwords = { admin: randomPassword(), connector: randomPassword() };
  await writeFile(file('admin-password'), passwords.admin, { mode: 0o600 });
  await writeFile(file('connector-password'), passwords.connector, { mode: 0o600 });
  await makeCertificates({ openssl: program('openssl'), folder: dir, env });
  await fillCertificateStore(place);
  await cp(join(server.root, '/usr/share/dirsrv/schema'), join(configDir, 'schema'), { recursive: true });
  const shipped = join(server.root, '/etc/dirsrv/config');
  for (const name of await readdir(shipped)) {
    if (name.endsWith('.conf')) await copyFile(join(shipped, name), join(configDir, name));
  }
  const { requireTls = true, memberof = false, usn = false } = options;
  const settings = { server, dir, configDir, suffix: baseDn, user: userName(), adminDn, requireTls, memberof, usn };
  const config = await ds389Config({ ...settings, adminPassword: passwords.admin });
  await writeFile(join(configDir, 'dse.ldif'), config, { mode: 0o600 });

  const { tree, groups } = exampleDirectory({
    suffix: baseDn,
    extraPeople: options.people ?? 0,
    connectorPassword: hashedPassword(passwords.connector),
    personPassword: hashedPassword(randomPassword()),
  });
  const more = `${groups}${options.ldif ?? ''}`;
  const entries = withRights(tree, { baseDn, connectorDn });
  await importEntries({ place, server, ldif: memberof ? entries : `${entries}${more}` });
  return memberof ? more : '';
}

async function importEntries(options: { place: Place; server: Program; ldif: string }): Promise<void> {
  const { place, server, ldif } = options;
  const { dir } = place.folder;
  const path = join(dir, 'base.ldif');
  await writeFile(path, ldif, { mode: 0o600 });
  const args = ['ldif2db', '-D', place.configDir, '-n', 'userRoot', '-i', path];
  const env = { ...place.env, ...server.env };
  const result = await runProgram({ path: server.path, args, env, cwd: dir, timeoutMs: 300_000 });
  const log = await readFile(join(dir, 'log', 'errors'), 'utf8').catch(() => '');
  const said = `${result.stdout}${result.stderr}${log}`;
  // It ends well where it has left out an entry: without a word, even, where that is beneath another suffix.
  const taken = Number(/Import complete\. +Processed (\d+) entries/.exec(said)?.[1] ?? 0);
  const given = ldif.match(/^dn:/gim)?.length ?? 0;
  if (result.code !== 0 || taken !== given) {
    const reasons = said.split('\n').filter((line) => / - (?:ERR|WARN|CRIT|EMERG) - /.test(line));
    throw new Error(`389 Directory Server refused the entries: it took ${taken} of ${given}. ${reasons.join(' ')}`);
  }
  await rm(path);
}

/** An NSS store with an empty password, so that the server asks nobody for one. */
async function fillCertificateStore(place: Place): Promise<void> {
  const { program, ds, configDir } = place;
  const { dir } = place.folder;
  const run = async (tool: Program, ...args: string[]) => {
    const env = { ...place.env, ...tool.env };
    const result = await runProgram({ path: tool.path, args, env, cwd: dir });
    if (result.code !== 0) throw new Error(`${tool.path} ${args.join(' ')}: ${result.stdout}${result.stderr}`.trim());
  };
  const store = `sql:${configDir}`;
  const bundle = join(dir, 'server.p12');
  await run(ds('certutil'), '-N', '-d', store, '--empty-password');
  const pair = ['-in', join(dir, 'server.pem'), '-inkey', join(dir, 'server.key')];
  await run(program('openssl'), 'pkcs12', '-export', ...pair, '-name', 'Server-Cert', '-passout', 'pass:x', '-out', bundle);
  await run(ds('pk12util'), '-i', bundle, '-d', store, '-W', 'x', '-K', '');
  await run(ds('certutil'), '-A', '-d', store, '-n', 'CA', '-t', 'CT,,', '-i', join(dir, 'ca.pem'));
  await rm(bundle);
}

/** The connector's rights are the least that its work needs, and an example to copy: as those in slapd's configuration. */
function withRights(tree: string, names: { baseDn: string; connectorDn: string }): string {
  const { baseDn, connectorDn } = names;
  const allow = (name: string, target: string, rights: string) =>
    `aci: (targetattr${target})(version 3.0; acl "latchkey ${name}"; allow (${rights}) userdn="ldap:///${connectorDn}";)\n`;
  const members = allow('members', '="member || uniqueMember || memberUid"', 'read,search,compare,write');
  const reading = allow('reading', '!="userPassword || aci"', 'read,search,compare');
  // Everywhere: enough to find an entry by its stable id after it has left the scopes, and no more.
  const finding = allow('finding', '="objectClass || nsUniqueId || entryUUID"', 'read,search,compare');
  // And to be told in which groups a group is, so that none which is nested in a protected one is granted.
  const nesting = allow('nesting', '="member || uniqueMember"', 'search,compare');
  // The limits of this account: no more than 500 entries unless they are read in pages, however many there are.
  const limits = 'nsSizeLimit: 500\nnsPagedSizeLimit: -1\nnsLookThroughLimit: -1\nnsPagedLookThroughLimit: -1\n';
  const added = [
    [baseDn, `${finding}${nesting}`],
    [`ou=people,${baseDn}`, reading],
    [`ou=groups,${baseDn}`, `${reading}${members}`],
    [connectorDn, limits],
  ] as const;
  return added.reduce((text, [dn, lines]) => text.replace(`dn: ${dn}\n`, `dn: ${dn}\n${lines}`), tree);
}

/** A number in a container has no name; the server then looks up nobody's, and does not become another user either way. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'nobody';
  }
}
