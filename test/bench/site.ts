import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Dn } from '../../src/access/dn.ts';
import { parseEntryId } from '../../src/access/ids.ts';
import type { EntryRef } from '../../src/access/reference.ts';
import { ldapCommands } from '../../src/sandbox/ldap-commands.ts';
import { type OpenLdap, startOpenLdap } from '../../src/sandbox/openldap.ts';
import { openLdapPrograms } from '../../src/sandbox/openldap-programs.ts';
import { type Child, startChild } from '../support/child.ts';
import { directoryEnv } from '../support/directory-env.ts';
import { groupEntry } from '../support/told.ts';
import { benchControlPlane } from './bench-control-plane.ts';
import { CONNECTOR_ID } from './filled-ledger.ts';

const CONNECTOR = new URL('./connector-under-bench.ts', import.meta.url).pathname;
const SUFFIX = 'dc=example,dc=test';

/** A group of the bench: who is in it from the start, by DN. */
export interface BenchGroup {
  readonly cn: string;
  readonly members: readonly string[];
}

/** Whoever stands in every group, so that none is ever without a member. */
export const KEEPER = `uid=rosa,ou=people,${SUFFIX}`;

export const personDn = (number: number): string => `uid=u${String(number).padStart(4, '0')},ou=people,${SUFFIX}`;
export const groupDn = (cn: string): string => `cn=${cn},ou=groups,${SUFFIX}`;

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
  people,
  groups,
  serverSyncs,
}: {
  people: number;
  groups: readonly BenchGroup[];
  /** Whether the server has each write on disk before it answers, as it does where nobody tells it not to. */
  serverSyncs: boolean;
}) {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-bench-'));
  const removeAtExit = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeAtExit);
  const ldap = await startOpenLdap({
    people,
    ldif: groups.map(({ cn, members }) => groupEntry(cn, { members: [KEEPER, ...members] })).join(''),
  });
  const controlPlane = await benchControlPlane();
  let connector: Child | null = null;
  if (serverSyncs) await syncEachWrite(ldap);
  const byConnectorsAccount = await commandsOf(ldap);

  const stopConnector = async (): Promise<void> => {
    await connector?.end();
    connector = null;
  };

  return {
    ldap,
    controlPlane,
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
      await byConnectorsAccount.modify(ldif);
      return performance.now() - began;
    },
    /** Name and stable id of every person u… and of every group, by DN. */
    async entries(): Promise<ReadonlyMap<string, EntryRef>> {
      const found = new Map<string, EntryRef>();
      for (const base of [ldap.usersScope, ldap.groupsScope]) {
        for (const { dn, attributes } of await ldap.search({
          base,
          scope: 'one',
          filter: '(objectClass=*)',
          attributes: ['entryUUID'],
        })) {
          const id = parseEntryId(attributes.get('entryuuid')?.[0] ?? '');
          if (id.ok) found.set(dn, { id: id.value, dn: dn as Dn });
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

export type Site = Awaited<ReturnType<typeof startSite>>;

/** The entry that a map of the site's entries must have. */
export function entryOf(entries: ReadonlyMap<string, EntryRef>, dn: string): EntryRef {
  const entry = entries.get(dn);
  if (entry === undefined) throw new Error(`the directory has no ${dn}`);
  return entry;
}

/** The sandbox spares the disk (dbnosync), which no server does that people rely on. */
async function syncEachWrite(ldap: OpenLdap): Promise<void> {
  await ldap.configModify('dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\nreplace: olcDbNoSync\nolcDbNoSync: FALSE\n');
}

async function commandsOf({ dir, ldapsUrl, caFile, connectorDn, connectorPasswordFile }: OpenLdap) {
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

/** As the product runs by default; only the protected group is the sandbox's. */
function connectorEnv(ldap: OpenLdap, stateDir: string, controlPlaneUrl: string): NodeJS.ProcessEnv {
  return {
    LATCHKEY_CONTROL_PLANE_URL: controlPlaneUrl,
    LATCHKEY_CONTROL_PLANE_TOKEN: 'asked-for-by-nobody',
    LATCHKEY_CONNECTOR_ID: CONNECTOR_ID,
    ...directoryEnv(ldap),
    LATCHKEY_STATE_DIR: stateDir,
    LATCHKEY_HTTP_ADDR: 'off',
  };
}
