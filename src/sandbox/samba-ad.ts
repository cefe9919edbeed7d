import { constants, existsSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeCertificates } from './certificates.ts';
import { startChildProgram } from './child-program.ts';
import { activeDirectoryPersonDn, exampleActiveDirectory, generatedActiveDirectoryPeople } from './example-active-directory.ts';
import { type OpenLdapPrograms, openLdapPrograms } from './openldap-programs.ts';
import { preparedFolder } from './prepared-folder.ts';
import { runProgram } from './run-program.ts';
import { type PortMapping, portMapping } from './samba-ports.ts';
import { type SambaPrograms, sambaPrograms } from './samba-programs.ts';
import {
  randomPassword,
  type ServerFolder,
  serveDirectory,
  serverFolder,
  type ThrowAwayDirectory,
  type ThrowAwayDirectoryOptions,
} from './throw-away-directory.ts';

export type SambaAdOptions = ThrowAwayDirectoryOptions & {
  /** Default: whichever this machine can do, the faster one first. */
  ports?: PortMapping;
};

export type SambaAd = ThrowAwayDirectory & {
  /** The connector's account as `user@domain`. */
  readonly connectorUpn: string;
  /** The connector's account as `DOMAIN\user`. */
  readonly connectorDownLevelName: string;
};

type Place = {
  program: OpenLdapPrograms;
  samba: SambaPrograms;
  folder: ServerFolder;
  env: NodeJS.ProcessEnv;
  baseDn: string;
  dnsDomain: string;
  /** NetBIOS's name of the domain. */
  domain: string;
};

const script = fileURLToPath(new URL('samba/provision.py', import.meta.url));

/**
 * Starts a real Samba AD DC, as `startOpenLdap` starts slapd; of its services only LDAP runs. The domain is provisioned once and kept
 * in the user's cache, since that takes several seconds; each server runs on a copy, with the passwords of the first and a
 * certificate of its own. MemberOf and referential integrity are always on.
 */
export async function startSambaAd(options: SambaAdOptions = {}): Promise<SambaAd> {
  const [place, wordsForPorts] = await Promise.all([sambaPlace(options), portMapping(options.ports)]);
  const { samba, folder, env, baseDn, dnsDomain, domain } = place;
  const { dir } = folder;
  try {
    if (!existsSync(join(dir, 'complete'))) await buildFolder(place, options);
    const directory = await serveDirectory({
      ...place,
      flavour: 'active-directory',
      usersScope: `OU=people,${baseDn}`,
      groupsScope: `OU=groups,${baseDn}`,
      adminDn: `CN=Administrator,CN=Users,${baseDn}`,
      connectorDn: `CN=latchkey,OU=system,${baseDn}`,
      personDn: (uid) => activeDirectoryPersonDn(uid, baseDn),
      groupDn: (cn) => `CN=${cn},OU=groups,${baseDn}`,
      launch: (ports) => {
        const server = ['/usr/sbin/samba', '-s', join(dir, 'smb.conf'), '-i', '-M', 'single', '--no-process-group', '-d', '1'];
        const command = samba.command(dir, [...wordsForPorts(ports), ...server]);
        return startChildProgram({ ...command, env, cwd: dir, logFile: join(dir, 'samba.log') });
      },
      tidy: async () => undefined,
      stopSignal: folder.isTemporary ? 'SIGKILL' : 'SIGTERM',
      fill: async () => undefined,
    });
    const names = { connectorUpn: `latchkey@${dnsDomain}`, connectorDownLevelName: `${domain}\\latchkey` };
    return Object.assign(directory, names);
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** Does once and for all what takes long; resolves when a server can start at once. */
export async function prepareSambaAd(): Promise<void> {
  const [place] = await Promise.all([sambaPlace({}), portMapping(undefined)]);
  try {
    await provisionedDomain(place);
  } finally {
    await place.folder.remove();
  }
}

async function sambaPlace(options: Pick<SambaAdOptions, 'dir' | 'suffix'>): Promise<Place> {
  const [program, samba] = await Promise.all([openLdapPrograms(), sambaPrograms()]);
  const baseDn = (options.suffix ?? 'dc=example,dc=test').replace(/\bdc=/gi, 'DC=');
  const dnsDomain = baseDn.slice('DC='.length).replaceAll(',DC=', '.').toLowerCase();
  const domain = dnsDomain.replace(/\..*/, '').toUpperCase().slice(0, 15);
  const folder = await serverFolder({ dir: options.dir, name: 'samba' });
  const env = { PATH: process.env['PATH'], HOME: folder.dir, LC_ALL: 'C', SMB_CONF_PATH: '/dev/null' };
  return { program, samba, folder, env, baseDn, dnsDomain, domain };
}

async function buildFolder(place: Place, options: SambaAdOptions): Promise<void> {
  const { program, env } = place;
  const { dir } = place.folder;
  const prepared = await populatedDomain(place, options.people ?? 0);
  // A folder that was left half built is built again.
  await rm(join(dir, 'private'), { recursive: true, force: true });
  await copyFolder(prepared, dir);
  await mkdir(join(dir, 'run'), { recursive: true, mode: 0o700 });
  await makeCertificates({ openssl: program('openssl'), folder: dir, env });
  if (options.ldif !== undefined) await runScript({ place, words: ['add', dir], ldif: options.ldif });
  await writeFile(join(dir, 'smb.conf'), smbConf(place, options.requireTls ?? true), { mode: 0o600 });
}

async function provisionedDomain(place: Place): Promise<string> {
  const { baseDn, dnsDomain } = place;
  const ldif = exampleActiveDirectory({ baseDn, dnsDomain });
  return await preparedFolder({
    name: 'samba-domain',
    madeFrom: await origin(place, ldif),
    env: process.env,
    prepare: async (folder) => {
      await writeFile(join(folder, 'admin-password'), randomPassword(), { mode: 0o600 });
      await writeFile(join(folder, 'connector-password'), randomPassword(), { mode: 0o600 });
      await runScript({ place, words: ['new', folder, dnsDomain], ldif });
    },
  });
}

/** With generated people too: of them a thousand take longer than the domain itself. */
async function populatedDomain(place: Place, people: number): Promise<string> {
  const { baseDn, dnsDomain } = place;
  const domain = await provisionedDomain(place);
  if (people === 0) return domain;
  const ldif = generatedActiveDirectoryPeople({ baseDn, dnsDomain, count: people });
  return await preparedFolder({
    name: 'samba-populated-domain',
    madeFrom: [domain, ...(await origin(place, ldif))],
    env: process.env,
    prepare: async (folder) => {
      await copyFolder(domain, folder);
      await runScript({ place, words: ['add', folder], ldif });
    },
  });
}

async function origin({ samba, dnsDomain }: Place, ldif: string): Promise<string[]> {
  return [samba.root, await readFile(script, 'utf8'), dnsDomain, ldif];
}

async function copyFolder(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true, mode: constants.COPYFILE_FICLONE });
}

async function runScript(options: { place: Place; words: readonly string[]; ldif: string }): Promise<void> {
  const { place, words, ldif } = options;
  const { dir } = place.folder;
  const command = place.samba.command(dir, ['/usr/bin/python3', script, ...words]);
  const result = await runProgram({ ...command, env: place.env, cwd: dir, input: ldif, timeoutMs: 300_000 });
  if (result.code !== 0) throw new Error(`Samba refused the entries: ${result.stderr.trim()}`);
}

/** The text of smb.conf(5), whole: what provisioning writes takes in the machine's own where there is one. */
function smbConf(place: Place, requireTls: boolean): string {
  const { dnsDomain, domain } = place;
  const { dir } = place.folder;
  return `[global]
workgroup = ${domain}
realm = ${dnsDomain.toUpperCase()}
netbios name = DC1
server role = active directory domain controller
server services = ldap
idmap_ldb:use rfc2307 = yes
interfaces = 127.0.0.1
bind interfaces only = yes
disable netbios = yes
dsdb event notification = no
tls enabled = yes
tls keyfile = ${dir}/server.key
tls certfile = ${dir}/server.pem
tls cafile = ${dir}/ca.pem
ldap server require strong auth = ${requireTls ? 'allow_sasl_over_tls' : 'no'}
private dir = ${dir}/private
state directory = ${dir}/state
cache directory = ${dir}/cache
lock directory = ${dir}/lock
binddns dir = ${dir}/bind-dns
pid directory = ${dir}/run
ncalrpc dir = ${dir}/run/ncalrpc
ntp signd socket directory = ${dir}/run/ntp
winbindd socket directory = ${dir}/run/winbindd
usershare path = ${dir}/run/usershare
log file = ${dir}/samba-other.log
`;
}
