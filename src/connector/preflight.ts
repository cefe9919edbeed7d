import type { Parsed } from '../access/brand.ts';
import type { CheckStep } from '../access/event.ts';
import type { Config } from '../config/config.ts';
import { DirectoryError } from '../directory/directory.ts';
import type { DirectoryReader } from '../directory/directory-reader.ts';
import { accessRules } from '../directory/ldap/access-rules.ts';
import type { LoginTried } from '../directory/ldap/check/login.ts';
import { directoryGate, openLdapDirectory } from '../directory/ldap/open-ldap-directory.ts';
import { openLdapReader } from '../directory/ldap/reader/open-ldap-reader.ts';
import { systemClock } from '../engine/system-clock.ts';
import { checkBackupDirectory } from '../ledger/sqlite/check-backup-directory.ts';
import { checkStateDirectory } from '../ledger/sqlite/check-state-directory.ts';
import { lookAtPause } from '../ledger/sqlite/look-at-pause.ts';
import { checkControlPlane } from '../link/check-control-plane.ts';
import type { Logger } from '../observability/logger.ts';
import { learning, learningCredentials, learningKey } from '../secrets/learning.ts';
import type { Learn } from '../secrets/secret-source.ts';
import { directoryOptions, readerOptions } from './directory-options.ts';
import { jobKeySteps } from './job-key-step.ts';
import { pauseSteps } from './pause-step.ts';
import { keptSteps, meansStep } from './sync-told.ts';

export interface PreflightOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly learnSecret: Learn;
}

/** Two minutes: a large directory is read in pages to be counted. */
const DEADLINE_MS = 120_000;

/** Runs every check for a person. It opens no ledger and says no hello, so a connector that runs is not disturbed. */
export async function preflight(options: PreflightOptions & { login: LoginTried | null }): Promise<readonly CheckStep[]> {
  const { config, log, learnSecret } = options;
  const ldap = optionsOf(options);
  const gate = directoryGate(ldap);
  const directory = openLdapDirectory({ ...ldap, gate });
  const reader = openLdapReader({ ...readerOptions(config, ldap), gate });
  const { controlPlane } = config;
  const { proxy } = controlPlane;
  try {
    const directorySteps = await directory.check(AbortSignal.timeout(DEADLINE_MS));
    return [
      ...directorySteps,
      // What keeps the directory from being read is said once, by the step that found it.
      ...(directorySteps.some(({ status }) => status === 'fail') ? [] : [await changesStep(reader)]),
      await checkStateDirectory(config.process.stateDir),
      ...jobKeySteps(controlPlane.jobKeys),
      ...(await checkBackupDirectory(config.process)),
      ...pauseSteps(lookAtPause(config.process.stateDir)),
      ...keptSteps({ folder: config.process.stateDir, log, now: systemClock.wall() }),
      ...(await checkControlPlane({
        url: controlPlane.url,
        token: learning(controlPlane.token, { learn: learnSecret, kind: 'LATCHKEY_CONTROL_PLANE_TOKEN' }),
        ca: controlPlane.ca?.pem ?? null,
        pins: controlPlane.pins,
        clientCertificate: learningKey(controlPlane.clientCertificate, {
          learn: learnSecret,
          kind: 'LATCHKEY_CONTROL_PLANE_KEY_FILE',
        }),
        proxy:
          proxy === null
            ? null
            : { ...proxy, credentials: learningCredentials(proxy.credentials, { learn: learnSecret, kind: 'HTTPS_PROXY' }) },
        clock: systemClock,
        logger: log,
      })),
    ];
  } finally {
    await directory.close();
  }
}

async function changesStep(reader: DirectoryReader): Promise<CheckStep> {
  try {
    return meansStep(await reader.means(AbortSignal.timeout(DEADLINE_MS)));
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    return { step: 'changes', status: 'fail', detail: error.message };
  }
}

/** The least rights that the configured account needs, in the server's own language; a problem says why they cannot be told. */
export async function leastRights(options: PreflightOptions): Promise<Parsed<string>> {
  return await accessRules(optionsOf({ ...options, login: null }), AbortSignal.timeout(DEADLINE_MS));
}

function optionsOf(options: PreflightOptions & { login: LoginTried | null }) {
  return directoryOptions({
    ...options,
    clock: systemClock,
    random: Math.random,
    failPoints: () => undefined,
    ledger: null,
  });
}
