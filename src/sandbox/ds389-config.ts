import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Program } from './programs.ts';
import { hashedPassword } from './slapd-config.ts';

type Ds389Settings = {
  server: Program;
  /** Of the server's own, such as the database's. */
  dir: string;
  /** Where dse.ldif, the schema and the certificate store lie. */
  configDir: string;
  suffix: string;
  user: string;
  adminDn: string;
  adminPassword: string;
  requireTls: boolean;
  memberof: boolean;
  usn: boolean;
};

type ConfigEntry = { dn: string; lines: string[] };

/**
 * The text of dse.ldif, made from the server's own template as its installer does it. An unpacked copy is told where its plug-ins
 * are, because their folder is compiled in.
 */
export async function ds389Config(settings: Ds389Settings): Promise<string> {
  const { server, suffix } = settings;
  const templates = join(server.root, '/usr/share/dirsrv/data');
  const read = (name: string) => readFile(join(templates, name), 'utf8');
  const text = `${await read('template-dse.ldif')}\n\n${await read('template-suffix-db.ldif')}`;
  const entries = parseEntries(filledIn(text, placeholders(settings)));

  const set = (dn: string, attributes: Readonly<Record<string, string | readonly string[]>>) => {
    const entry = entries.find((one) => one.dn.replaceAll(', ', ',') === dn.toLowerCase());
    if (entry === undefined) throw new Error(`389 Directory Server's template has no entry ${dn}.`);
    const names = Object.keys(attributes).map((name) => name.toLowerCase());
    entry.lines = [
      ...entry.lines.filter((line) => !names.includes(line.replace(/:.*/s, '').trim().toLowerCase())),
      ...Object.entries(attributes).flatMap(([name, values]) => [values].flat().map((value) => `${name}: ${value}`)),
    ];
  };
  set('cn=config', {
    'nsslapd-security': 'on',
    // Both ports are put in at each start.
    'nsslapd-securePort': '636',
    'nsslapd-listenhost': '127.0.0.1',
    'nsslapd-securelistenhost': '127.0.0.1',
    'nsslapd-require-secure-binds': settings.requireTls ? 'on' : 'off',
    'nsslapd-defaultnamingcontext': suffix,
    'nsslapd-sizelimit': '500',
    // Nobody reads it, and it is a write to the disk for each operation.
    'nsslapd-accesslog-logging-enabled': 'off',
  });
  // By default each takes a share of the machine's memory, and an import spends most of its time on making that ready.
  set('cn=config,cn=ldbm database,cn=plugins,cn=config', {
    'nsslapd-cache-autosize': '0',
    'nsslapd-dbcachesize': '10000000',
    'nsslapd-import-cache-autosize': '0',
    'nsslapd-import-cachesize': '20000000',
  });
  if (settings.memberof) {
    set('cn=MemberOf Plugin,cn=plugins,cn=config', {
      'nsslapd-pluginEnabled': 'on',
      memberOfGroupAttr: ['member', 'uniqueMember'],
      memberOfAutoAddOC: 'nsMemberOf',
    });
    set('cn=referential integrity postoperation,cn=plugins,cn=config', { 'nsslapd-pluginEnabled': 'on' });
  }

  if (settings.usn) set('cn=USN,cn=plugins,cn=config', { 'nsslapd-pluginEnabled': 'on' });

  const plugins = server.root === '' ? undefined : pluginFolder(server);
  if (plugins !== undefined) {
    for (const entry of entries) {
      entry.lines = entry.lines.map((line) => line.replace(/^(nsslapd-pluginpath:) *(?=lib)/i, `$1 ${plugins}/`));
    }
    entries.push(...entryUuidPlugins(plugins));
  }
  entries.push(entryUuidIndex);
  return `${entries.map(({ lines }) => lines.join('\n')).join('\n\n')}\n`;
}

function placeholders(settings: Ds389Settings): Readonly<Record<string, string>> {
  const { dir, configDir, suffix } = settings;
  return {
    schema_dir: join(configDir, 'schema'),
    config_dir: configDir,
    cert_dir: configDir,
    lock_dir: join(dir, 'lock'),
    tmp_dir: join(dir, 'tmp'),
    ldif_dir: join(dir, 'ldif'),
    bak_dir: join(dir, 'bak'),
    run_dir: join(dir, 'run'),
    inst_dir: join(dir, 'run'),
    log_dir: join(dir, 'log'),
    db_dir: join(dir, 'db'),
    db_home_dir: join(dir, 'dbhome'),
    db_lib: 'bdb',
    fqdn: 'localhost',
    ds_port: '389',
    ds_user: settings.user,
    rootdn: settings.adminDn,
    ds_passwd: hashedPassword(settings.adminPassword),
    // Its socket's path may be longer than a socket's may be.
    ldapi_enabled: 'off',
    ldapi: join(dir, 'run', 'ldapi'),
    ldapi_autobind: 'off',
    ds_suffix: suffix,
    ds_bename: 'userRoot',
  };
}

function filledIn(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/%(\w+)%/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`389 Directory Server's template asks for ${whole}, which is not known here.`);
    return value;
  });
}

/** The server refuses a file with two empty lines on end, or with comments in it. */
function parseEntries(text: string): ConfigEntry[] {
  const unfolded = text.replace(/\n /g, '').replace(/^#.*\n/gm, '');
  return unfolded.split(/\n{2,}/).flatMap((record) => {
    const lines = record.split('\n').filter((line) => line !== '');
    const dn = /^dn: *(.*)$/i.exec(lines[0] ?? '')?.[1];
    return dn === undefined ? [] : [{ dn: dn.toLowerCase(), lines }];
  });
}

/** The one that the installer adds to those of the template. */
const entryUuidIndex: ConfigEntry = {
  dn: 'cn=entryUUID,cn=default indexes,cn=config,cn=ldbm database,cn=plugins,cn=config',
  lines: [
    'dn: cn=entryUUID,cn=default indexes,cn=config,cn=ldbm database,cn=plugins,cn=config',
    'objectClass: top',
    'objectClass: nsIndex',
    'cn: entryUUID',
    'nsSystemIndex: false',
    'nsIndexType: eq',
  ],
};

/** The server adds these two by itself when they are missing, but with the compiled-in folder, and then ends. */
function entryUuidPlugins(folder: string): ConfigEntry[] {
  const plugins = [
    { cn: 'entryuuid_syntax', library: 'libentryuuid-syntax-plugin', init: 'entryuuid_syntax_plugin_init', type: 'syntax' },
    { cn: 'entryuuid', library: 'libentryuuid-plugin', init: 'entryuuid_plugin_init', type: 'betxnpreoperation' },
  ];
  return plugins
    .filter(({ library }) => existsSync(join(folder, `${library}.so`)))
    .map(({ cn, library, init, type }) => ({
      dn: `cn=${cn},cn=plugins,cn=config`,
      lines: [
        `dn: cn=${cn},cn=plugins,cn=config`,
        'objectClass: top',
        'objectClass: nsSlapdPlugin',
        `cn: ${cn}`,
        `nsslapd-pluginPath: ${join(folder, library)}`,
        `nsslapd-pluginInitfunc: ${init}`,
        `nsslapd-pluginType: ${type}`,
        'nsslapd-pluginEnabled: on',
        `nsslapd-pluginId: ${cn}`,
        'nsslapd-pluginVersion: none',
        'nsslapd-pluginVendor: 389 Project',
        `nsslapd-pluginDescription: ${cn}`,
      ],
    }));
}

function pluginFolder(server: Program): string {
  const folders = (server.env['LD_LIBRARY_PATH'] ?? '').split(':');
  const found = folders.find((folder) => existsSync(join(folder, 'libback-ldbm.so')));
  if (found === undefined) throw new Error(`389 Directory Server's plug-ins are in none of ${folders.join(', ')}.`);
  return found;
}
