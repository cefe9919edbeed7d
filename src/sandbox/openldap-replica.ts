import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeCertificates } from './certificates.ts';
import { type OpenLdap, openLdapPlace, serveOpenLdap } from './openldap.ts';
import { slapdConfig } from './slapd-config.ts';
import type { ThrowAwayDirectory } from './throw-away-directory.ts';

export type OpenLdapReplica = OpenLdap & {
  /** Resolves once it has all that the provider had at the time of the call, or rejects after half a minute. */
  caughtUp(): Promise<void>;
};

const catchUpWithinMs = 30_000;

/**
 * Starts a slapd that follows another, which was started with `replicated`, and has its accounts. It answers searches; whoever wants
 * to change something gets a referral to the provider (result 10), the administrator too. Resolves once it has caught up.
 */
export async function startOpenLdapReplica(provider: OpenLdap): Promise<OpenLdapReplica> {
  const { baseDn, adminPassword, ldapsUrl: providerUrl, caFile: providerCaFile } = provider;
  const place = await openLdapPlace({ suffix: baseDn });
  const { folder, program, env, adminDn, connectorDn } = place;
  const { dir } = folder;
  const caughtUpAfter = (replica: Pick<ThrowAwayDirectory, 'search'>) => catchUp(provider, replica);
  try {
    await mkdir(join(dir, 'db'), { mode: 0o700 });
    await writeFile(join(dir, 'admin-password'), adminPassword, { mode: 0o600 });
    await copyFile(provider.connectorPasswordFile, join(dir, 'connector-password'));
    const certificates = await makeCertificates({ openssl: program('openssl'), folder: dir, env });
    const config = slapdConfig({
      slapd: program('slapd'),
      dir,
      suffix: baseDn,
      adminDn,
      adminPassword,
      connectorDn,
      certificates,
      requireTls: true,
      memberof: false,
      idleTimeoutSeconds: 0,
      replication: { role: 'replica', providerUrl, providerCaFile },
    });
    await writeFile(join(dir, 'slapd.conf'), config, { mode: 0o600 });
    const replica = await serveOpenLdap(place, caughtUpAfter);
    return Object.assign(replica, { caughtUp: () => caughtUpAfter(replica) });
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

type Searched = Pick<ThrowAwayDirectory, 'search'>;

async function catchUp(provider: Pick<OpenLdap, 'search' | 'baseDn'>, replica: Searched): Promise<void> {
  const { baseDn } = provider;
  const wanted = await lastChange(provider, baseDn);
  const deadline = performance.now() + catchUpWithinMs;
  // The replica's first search finds no base yet. Of one provider's change numbers the greater text is the later one.
  for (let found = ''; found < wanted; found = await lastChange(replica, baseDn)) {
    if (performance.now() > deadline) throw new Error(`The replica has "${found}", and the provider "${wanted}".`);
    await sleep(25);
  }
}

/** The greatest change sequence number that a server has seen: `contextCSN` of the suffix. */
async function lastChange(server: Searched, baseDn: string): Promise<string> {
  const [entry] = await server.search({ base: baseDn, scope: 'base', filter: '(objectClass=*)', attributes: ['contextCSN'] });
  return (entry?.attributes.get('contextcsn') ?? []).toSorted().at(-1) ?? '';
}
