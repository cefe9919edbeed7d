import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { GrantChoice, OperatorNews, OperatorResult } from '../access/operator.ts';
import type { Config } from '../config/config.ts';
import type { Directory } from '../directory/directory.ts';
import { gatheredDirectory } from '../directory/gathered-directory.ts';
import { openLdapDirectory } from '../directory/ldap/open-ldap-directory.ts';
import { createEngine } from '../engine/engine.ts';
import { DEFAULT_TIMINGS, type EngineTimings } from '../engine/engine-parts.ts';
import type { EngineRequest } from '../engine/operator-commands.ts';
import { systemClock } from '../engine/system-clock.ts';
import { openSqliteLedger } from '../ledger/sqlite/open-sqlite-ledger.ts';
import type { Logger } from '../observability/logger.ts';
import type { Learn } from '../secrets/secret-source.ts';
import { directoryOptions } from './directory-options.ts';
import { enginePolicy } from './engine-policy.ts';

export interface BreakGlassOptions {
  readonly config: Config;
  readonly version: string;
  readonly log: Logger;
  readonly learnSecret: Learn;
  readonly request: EngineRequest;
  readonly tell: (news: OperatorNews) => void;
  readonly signal: AbortSignal;
  /** A parameter for tests. */
  readonly timings?: Partial<EngineTimings>;
}

/** How the directory is needed: not at all, to say whom a name means, or to take access away. */
type Need = 'nothing' | 'names' | 'endings';

/**
 * Does what a person asks where no connector runs: with the ledger for itself, on the same engine, without a control plane. What there
 * is to tell stays in the ledger for the next connector. No grant is begun. Rejects with a `LedgerError`; `no_ledger`: there is none.
 */
export async function breakGlass(options: BreakGlassOptions): Promise<OperatorResult | { readonly answer: 'no_ledger' }> {
  const { config, version, log, learnSecret, request, tell, signal } = options;
  const { stateDir, shutdownGraceMs } = config.process;
  // A state directory of a wrong name must not become one.
  if (!existsSync(join(stateDir, 'ledger.db'))) return { answer: 'no_ledger' };
  const clock = systemClock;
  const failPoints = (): void => undefined;
  const ledger = await openSqliteLedger({
    stateDir,
    connectorId: config.controlPlane.connectorId,
    defaultConnectorId: 'connector',
    now: () => clock.wall(),
    logger: log,
    backupDir: config.process.backupDir,
  });
  await using opened = new AsyncDisposableStack();
  opened.defer(() => ledger.close());
  const directory = openLdapDirectory(
    directoryOptions({ config, log, learnSecret, clock, random: Math.random, failPoints, ledger }),
  );
  opened.defer(() => directory.close());
  const engine = await createEngine({
    ledger,
    directory: gatheredDirectory({ directory, failPoints }),
    clock,
    random: Math.random,
    log,
    failPoints,
    policy: enginePolicy(config),
    timings: { ...DEFAULT_TIMINGS, ...options.timings },
    placeholder: config.directory.placeholderMember,
    endsOnly: true,
    identity: { name: 'break-glass', instanceId: 'break-glass', version, startedAt: clock.wall() },
  });
  const need = needOf(request);
  const known =
    need === 'nothing'
      ? Promise.resolve()
      : firstWord(directory, config.directory.connectTimeoutMs * config.directory.servers.length);
  if (need !== 'nothing') directory.start();
  if (need === 'endings') await engine.start();
  await known;
  try {
    return await engine.operate(request, tell, signal);
  } finally {
    await engine.stop(AbortSignal.timeout(shutdownGraceMs));
  }
}

function needOf(request: EngineRequest): Need {
  switch (request.request) {
    case 'revoke':
      return 'endings';
    case 'choose':
      return isNamed(request.choice) ? 'names' : 'nothing';
    case 'explain':
      return 'names';
    case 'grants':
    case 'show':
    case 'adopt':
    case 'pause':
    case 'resume':
    case 'accept_clock':
      return 'nothing';
    default:
      return request satisfies never;
  }
}

function isNamed(choice: GrantChoice): boolean {
  return choice.by === 'user' || choice.by === 'group';
}

/** Waits until the directory was reached or was not, and no longer than an attempt may take. */
async function firstWord(directory: Directory, patienceMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  directory.onChange(() => resolve());
  const cancel = systemClock.timer(patienceMs, resolve);
  await promise;
  cancel();
}
