import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Dn } from '../../src/access/dn.ts';
import type { EntryRef } from '../../src/access/reference.ts';
import { ldapCommands } from '../../src/sandbox/ldap-commands.ts';
import { openLdapPrograms } from '../../src/sandbox/openldap-programs.ts';
import type { ThrowAwayDirectory } from '../../src/sandbox/throw-away-directory.ts';
import { type Child, startChild } from '../support/child.ts';
import { directoryEnv } from '../support/directory-env.ts';
import { benchControlPlane } from './bench-control-plane.ts';
import { type BenchGroup, type BenchServer, groupDn, OPENLDAP_SERVER, type Population, startSlapd } from './bench-server.ts';
import { CONNECTOR_ID } from './filled-ledger.ts';

const CONNECTOR = new URL('./connector-under-bench.ts', import.meta.url).pathname;
/** LDIF that adds these values to a group or deletes them, `perRecord` at a time. */
export function changes(verb: 'add' | 'delete', { cn, members }: BenchGroup, perRecord: number): string {
  const records: string[] = [];
  for (let from = 0; from < members.length; from += perRecord) {
    const values = members.slice(from, from + perRecord).map((value) => `member: ${value}\n`);
    records.push(`dn: ${groupDn(cn)}\nchangetype: modify\n${verb}: member\n${values.join('')}\n`);
  }
  return records.join('');
}

/** A real slapd with the people and groups that a figure needs, a control plane, and connectors as processes of their own. */
export async function startSite({
  serverSyncs,
  ...population
}: Population & {
  /** Whether the server has each write on disk before it answers, as it does where nobody tells it not to. */
  serverSyncs: boolean;
}) {
  return await siteOn(OPENLDAP_SERVER, await startSlapd(population, { syncs: serverSyncs }));
}

/** The same on a server of any kind; each write is on its disk before it answers. */
export async function startSiteOn(server: BenchServer, population: Population): Promise<Site> {
  return await siteOn(server, await server.start(population));
}

async function siteOn<Server extends ThrowAwayDirectory>(server: BenchServer, ldap: Server) {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-bench-'));
  const removeAtExit = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeAtExit);
  const controlPlane = await benchControlPlane();
  let connector: Child | null = null;
  const byConnectorsAccount = await commandsOf(ldap);

  const stopConnector = async (): Promise<void> => {
    await connector?.end();
    connector = null;
  };

  return {
    ldap,
    controlPlane,
    /** A text with the server's own names of the bench's people. */
    spelt: server.spelt,
    newStateDir: () => mkdtemp(join(folder, 'state-')),
    /** Starts a connector on a state directory; resolves when it is welcomed, and, unless told not to wait, its directory up. */
    async startConnector({
      stateDir,
      env = {},
      awaitsDirectory = true,
    }: {
      stateDir: string;
      env?: NodeJS.ProcessEnv;
      awaitsDirectory?: boolean;
    }): Promise<Child> {
      const ups = controlPlane.ups();
      const child = startChild({
        script: CONNECTOR,
        cwd: folder,
        env: { ...connectorEnv(ldap, stateDir, controlPlane.url), ...env },
      });
      connector = child;
      const ready = controlPlane.until('the connector is ready', () =>
        awaitsDirectory ? controlPlane.ups() > ups : controlPlane.isConnected(),
      );
      const died = child.ended.then((how) => {
        throw new Error(`the connector ended (${how}):\n${child.lines.slice(-20).join('\n')}`);
      });
      await Promise.race([ready, died]);
      died.catch(() => undefined);
      return child;
    },
    stopConnector,
    /** Runs `ldapmodify` with the connector's account and rights; how long the program took from start to end, in milliseconds. */
    async ldapmodify(ldif: string): Promise<number> {
      const began = performance.now();
      await byConnectorsAccount.modify(server.spelt(ldif));
      return performance.now() - began;
    },
    /** Makes changes as the directory's administrator. */
    modify: (ldif: string): Promise<void> => ldap.modify(server.spelt(ldif)),
    /** Name and stable id of every person u… and of every group, by the bench's DN. */
    async entries(): Promise<ReadonlyMap<string, EntryRef>> {
      const found = new Map<string, EntryRef>();
      for (const base of [ldap.usersScope, ldap.groupsScope]) {
        for (const { dn, attributes } of await ldap.search({
          base,
          scope: 'one',
          filter: server.filter,
          attributes: [server.idAttribute],
        })) {
          const id = server.readId(attributes.get(server.idAttribute.toLowerCase())?.[0] ?? '');
          if (id !== undefined) found.set(server.unspelt(dn), { id, dn: dn as Dn });
        }
      }
      return found;
    },
    async [Symbol.asyncDispose]() {
      await connector?.[Symbol.asyncDispose]();
      await controlPlane.close();
      await ldap.stop();
      process.off('exit', removeAtExit);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type SlapdSite = Awaited<ReturnType<typeof startSite>>;
export type Site = Awaited<ReturnType<typeof siteOn<ThrowAwayDirectory>>>;

/** The entry that a map of the site's entries must have. */
export function entryOf(entries: ReadonlyMap<string, EntryRef>, dn: string): EntryRef {
  const entry = entries.get(dn);
  if (entry === undefined) throw new Error(`the directory has no ${dn}`);
  return entry;
}

async function commandsOf({ dir, ldapsUrl, caFile, connectorDn, connectorPasswordFile }: ThrowAwayDirectory) {
  return ldapCommands({
    program: await openLdapPrograms(),
    env: { PATH: process.env['PATH'], HOME: dir, LC_ALL: 'C' },
    cwd: dir,
    url: ldapsUrl,
    caFile,
    bindDn: connectorDn,
    passwordFile: connectorPasswordFile,
  });
}

/** As the product runs by default, but for the rate of grants. */
function connectorEnv(ldap: ThrowAwayDirectory, stateDir: string, controlPlaneUrl: string): NodeJS.ProcessEnv {
  return {
    LATCHKEY_CONTROL_PLANE_URL: controlPlaneUrl,
    LATCHKEY_CONTROL_PLANE_TOKEN: 'asked-for-by-nobody',
    LATCHKEY_CONNECTOR_ID: CONNECTOR_ID,
    ...directoryEnv(ldap),
    LATCHKEY_STATE_DIR: stateDir,
    // What is measured is how fast grants can be, not how fast a policy lets them be.
    LATCHKEY_MAX_GRANTS_PER_MINUTE: '1000000',
    // What is measured is not a sync that happens to begin.
    SYNC_SCHEDULE: 'off',
    SYNC_FULL_SCHEDULE: 'off',
    LATCHKEY_HTTP_ADDR: 'off',
  };
}
