/** The directory of `docker/compose.yaml`: an OpenLDAP with the example company, until SIGTERM or SIGINT. */

import { once } from 'node:events';
import { copyFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { startOpenLdap } from './openldap.ts';

/** Kept over restarts. */
const FOLDER = '/var/lib/directory';
/** What the connector needs, and no more: its own password, and the authority of the certificate. */
const FOR_CONNECTOR = '/run/directory';
/** Others than those of the standard, which only root could take. */
const PORTS = { ldap: 1389, ldaps: 1636 };

const stopped = Promise.race((['SIGTERM', 'SIGINT'] as const).map((name) => once(process, name)));
const openLdap = await startOpenLdap({
  dir: FOLDER,
  memberof: true,
  listen: { address: '0.0.0.0', name: 'directory', ports: PORTS },
});
await give(openLdap.caFile, 'ldap-ca.pem');
await give(openLdap.connectorPasswordFile, 'ldap-password');
process.stdout.write(`directory ${openLdap.baseDn} at ldaps://directory:${PORTS.ldaps}, for ${openLdap.connectorDn}\n`);
// Whoever waits for a signal only would let Node.js end: the server does not keep it alive.
const awake = setInterval(() => undefined, 3_600_000);
await stopped;
clearInterval(awake);
await openLdap.stop();

/** Whole or not at all, since the connector may look meanwhile. */
async function give(from: string, name: string): Promise<void> {
  await copyFile(from, join(FOR_CONNECTOR, `${name}.new`));
  await rename(join(FOR_CONNECTOR, `${name}.new`), join(FOR_CONNECTOR, name));
}
