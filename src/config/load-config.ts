import { formatDuration } from '../access/duration.ts';
import { type Instant, instant } from '../access/instant.ts';
import type { Vault } from '../secrets/vault/vault.ts';
import type { Config, PolicyConfig, ProcessConfig, SyncConfig } from './config.ts';
import { withCredentials } from './credentials.ts';
import { readDotenv } from './dotenv.ts';
import { judgeNodeSwitches } from './node-switches.ts';
import type { ConfigWarning, Problem } from './problem.ts';
import { NO_CONTROL_PLANE, readControlPlane } from './read-control-plane.ts';
import { readDirectory } from './read-directory.ts';
import type { ConfigInput, Environment } from './read-environment.ts';
import { readPolicyFile } from './read-policy-file.ts';
import type { VaultWhereNeeded } from './read-secret.ts';
import { readVault } from './read-vault.ts';
import { defaultOf, type VariableReader, variableReader } from './variable-reader.ts';
import { judgeName } from './variables.ts';

/** What loading came to: a configuration, or every problem at once. */
export type LoadedConfig =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly ConfigWarning[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Ended grants must outlive the longest grant by this much (CONFIGURATION, Process). */
const RETENTION_MARGIN_MS = 30 * 86_400_000;

/**
 * Makes a configuration of variables: those of the environment, then those of a `.env` text. Besides what it is given it
 * reads only the files that variables name. `terminal`: whether a person reads the log, which
 * chooses its format where nothing else does. `now` tells whether a certificate has expired. With `needsControlPlane: false` what is said of the
 * control plane is not looked at, so it need not be there. Never throws for a value of the environment.
 */
export function loadConfig({
  environment,
  terminal,
  dotenvText = null,
  dotenvFault = null,
  now = () => instant(Date.now()),
  needsControlPlane = true,
}: Pick<ConfigInput, 'environment'> &
  Partial<ConfigInput> & {
    readonly terminal: boolean;
    readonly now?: () => Instant;
    readonly needsControlPlane?: boolean;
  }): LoadedConfig {
  const dotenv = readDotenv(dotenvText ?? '', environment);
  const merged: Environment = { ...dotenv.variables, ...definedOnly(environment) };
  const unresolved: Problem[] = [];
  const given = withCredentials(merged, (problem) => unresolved.push(problem));
  const reader = variableReader(given);
  for (const problem of [...dotenv.problems, ...unresolved]) reader.problem(problem);
  const warnings: ConfigWarning[] = [];
  if (dotenvFault !== null)
    reader.problem({
      variable: '.env',
      found: `a file that cannot be read (${dotenvFault})`,
      expected: 'a readable file, or none',
    });
  judgeNames(merged, reader);
  const vault = vaultOnce(reader, now);
  const controlPlane = needsControlPlane
    ? readControlPlane({ environment: given, reader, warnings, now, vault })
    : NO_CONTROL_PLANE;
  const directory = readDirectory({ reader, warnings, now, vault });
  const policy = readPolicy(reader);
  const sync = readSync(reader);
  const process = readProcess({ reader, maxGrantMs: policy.maxGrantMs, terminal });
  if (reader.problems.length > 0 || controlPlane === undefined || directory === undefined)
    return { ok: false, problems: reader.problems };
  return { ok: true, config: deepFreeze({ controlPlane, directory, policy, sync, process }), warnings };
}

/** One for all that refers to it, which so shares its login, and its problems are told once. */
function vaultOnce(reader: VariableReader, now: () => Instant): VaultWhereNeeded {
  let read: { readonly vault: Vault | undefined } | null = null;
  return () => {
    read ??= { vault: readVault({ reader, now }) };
    return read.vault;
  };
}

function definedOnly(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([, text]) => text !== undefined));
}

function judgeNames(environment: Environment, reader: VariableReader): void {
  for (const name of Object.keys(environment).toSorted()) {
    const verdict = judgeName(name);
    switch (verdict.kind) {
      case 'supported':
      case 'foreign':
        break;
      case 'not_yet_supported':
        reader.problem({ variable: name, found: 'set', expected: 'nothing: it is not yet supported by this version' });
        break;
      case 'unknown':
        reader.problem({
          variable: name,
          found: 'an unknown name',
          expected: `a known name; did you mean ${verdict.nearest}?`,
        });
        break;
      default:
        verdict satisfies never;
    }
  }
  judgeNodeSwitches(environment, reader.problem);
}

function readPolicy(reader: VariableReader): PolicyConfig {
  const maxGrantMs = reader.orDefault('LATCHKEY_MAX_GRANT');
  const path = reader.optional('LATCHKEY_POLICY_FILE');
  const read = path === undefined ? null : readPolicyFile(path, { maxGrantMs });
  if (read?.ok === false) for (const problem of read.problems) reader.problem(problem);
  return {
    maxGrantMs,
    maxGrantsPerMinute: reader.orDefault('LATCHKEY_MAX_GRANTS_PER_MINUTE'),
    file: read?.ok === true ? read.file : null,
    maxPendingMs: reader.orDefault('LATCHKEY_MAX_PENDING'),
    unprotectedGroups: reader.optional('LATCHKEY_UNPROTECTED_GROUPS') ?? [],
    protectedGroups: reader.optional('LATCHKEY_PROTECTED_GROUPS') ?? [],
    drift: reader.orDefault('LATCHKEY_DRIFT'),
  };
}

function readSync(reader: VariableReader): SyncConfig {
  return {
    schedule: reader.orDefault('SYNC_SCHEDULE'),
    fullSchedule: reader.orDefault('SYNC_FULL_SCHEDULE'),
    timezone: reader.orDefault('SYNC_TIMEZONE'),
    maxRemovedPercent: reader.orDefault('SYNC_MAX_REMOVED'),
  };
}

function readProcess({
  reader,
  maxGrantMs,
  terminal,
}: {
  reader: VariableReader;
  maxGrantMs: number;
  terminal: boolean;
}): ProcessConfig {
  const configured = reader.optional('LATCHKEY_RETENTION');
  const retentionMs = configured ?? defaultOf('LATCHKEY_RETENTION');
  const leastMs = maxGrantMs + RETENTION_MARGIN_MS;
  if (retentionMs < leastMs)
    reader.problem({
      variable: 'LATCHKEY_RETENTION',
      found: `${formatDuration(retentionMs)}${configured === undefined ? ', the default' : ''}`,
      expected: `at least LATCHKEY_MAX_GRANT + 30d, which is ${formatDuration(leastMs)}`,
    });
  return {
    stateDir: reader.orDefault('LATCHKEY_STATE_DIR'),
    backupDir: reader.optional('LATCHKEY_BACKUP_DIR') ?? null,
    retentionMs,
    http: reader.orDefault('LATCHKEY_HTTP_ADDR'),
    logLevel: reader.orDefault('LATCHKEY_LOG_LEVEL'),
    logFormat: reader.optional('LATCHKEY_LOG_FORMAT') ?? (terminal ? 'pretty' : 'json'),
    shutdownGraceMs: reader.orDefault('LATCHKEY_SHUTDOWN_GRACE'),
  };
}

function deepFreeze<T extends object>(tree: T): T {
  // The bytes of a filter value cannot be frozen; Object.freeze throws on them.
  if (ArrayBuffer.isView(tree)) return tree;
  for (const branch of Object.values(tree)) if (typeof branch === 'object' && branch !== null) deepFreeze(branch);
  return Object.freeze(tree);
}
