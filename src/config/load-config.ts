import { parse as parseDotenv } from 'dotenv';
import { type Instant, instant } from '../access/instant.ts';
import { DRIFT_ACTIONS } from '../access/policy.ts';
import type { Config, PolicyConfig, ProcessConfig, SyncConfig } from './config.ts';
import type { ConfigWarning, Problem } from './problem.ts';
import { NO_CONTROL_PLANE, readControlPlane } from './read-control-plane.ts';
import { readDirectory } from './read-directory.ts';
import type { ConfigInput, Environment } from './read-environment.ts';
import * as values from './values.ts';
import { type VariableReader, variableReader } from './variable-reader.ts';
import { judgeName } from './variables.ts';

/** What loading came to: a configuration, or every problem at once. */
export type LoadedConfig =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly ConfigWarning[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Ended grants must outlive the longest grant by this much (CONFIGURATION, Process). */
const RETENTION_MARGIN_MS = 30 * 86_400_000;

/**
 * Makes a configuration of variables: those of the environment, then those of a `.env` text. Besides what it is given it
 * reads only the files that variables name. `terminal`: whether a person reads the output, which will choose the log format
 * once there is more than one. `now` tells whether a certificate has expired. With `needsControlPlane: false` what is said of the
 * control plane is not looked at, so it need not be there. Never throws for a value of the environment.
 */
export function loadConfig({
  environment,
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
  const merged: Environment = { ...(dotenvText === null ? {} : parseDotenv(dotenvText)), ...definedOnly(environment) };
  const reader = variableReader(merged, ['LATCHKEY_CONTROL_PLANE_TOKEN', 'LDAP_BIND_PASSWORD']);
  const warnings: ConfigWarning[] = [];
  if (dotenvFault !== null)
    reader.problem({
      variable: '.env',
      found: `a file that cannot be read (${dotenvFault})`,
      expected: 'a readable file, or none',
    });
  if (dotenvText !== null) judgeDotenv(dotenvText, merged, reader);
  judgeNames(merged, reader);
  const controlPlane = needsControlPlane ? readControlPlane({ environment: merged, reader, warnings, now }) : NO_CONTROL_PLANE;
  const directory = readDirectory({ reader, warnings, now });
  const policy = readPolicy(reader);
  const sync = readSync(reader);
  const process = readProcess(reader, policy.maxGrantMs);
  if (reader.problems.length > 0 || controlPlane === undefined || directory === undefined)
    return { ok: false, problems: reader.problems };
  return { ok: true, config: deepFreeze({ controlPlane, directory, policy, sync, process }), warnings };
}

function definedOnly(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([, text]) => text !== undefined));
}

/** dotenv passes over a line that it cannot read; a scope lost that way would widen what is written. */
function judgeDotenv(text: string, merged: Environment, reader: VariableReader): void {
  for (const [, name = ''] of text.matchAll(/^[ \t]*(?:export[ \t]+)?((?:LATCHKEY|LDAP|SYNC)_\w*)/gm)) {
    if (merged[name] === undefined)
      reader.problem({ variable: name, found: 'a line in the .env file that cannot be read', expected: `${name}=value` });
  }
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
  if (environment['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
    reader.problem({
      variable: 'NODE_TLS_REJECT_UNAUTHORIZED',
      found: '"0", which lets anyone pose as the directory or the control plane',
      expected: 'not set; a certificate of your own goes into LDAP_CA_FILE or LATCHKEY_CONTROL_PLANE_CA_FILE',
    });
}

function readPolicy(reader: VariableReader): PolicyConfig {
  return {
    maxGrantMs: reader.optional('LATCHKEY_MAX_GRANT', values.duration('1s', '3650d')) ?? 7 * 86_400_000,
    maxPendingMs: reader.optional('LATCHKEY_MAX_PENDING', values.duration('1s', '7d')) ?? 15 * 60_000,
    unprotectedGroups: reader.optional('LATCHKEY_UNPROTECTED_GROUPS', values.groupList) ?? [],
    protectedGroups: reader.optional('LATCHKEY_PROTECTED_GROUPS', values.groupList) ?? [],
    drift: reader.optional('LATCHKEY_DRIFT', values.oneOf(DRIFT_ACTIONS)) ?? 'report',
  };
}

function readSync(reader: VariableReader): SyncConfig {
  const hourly = '0 * * * *';
  const daily = '0 0 * * *';
  const schedule = reader.optional('SYNC_SCHEDULE', values.schedule);
  const fullSchedule = reader.optional('SYNC_FULL_SCHEDULE', values.schedule);
  return {
    schedule: schedule === undefined ? hourly : schedule,
    fullSchedule: fullSchedule === undefined ? daily : fullSchedule,
    timezone: reader.optional('SYNC_TIMEZONE', values.timezone) ?? 'UTC',
    maxRemovedPercent: reader.optional('SYNC_MAX_REMOVED', values.percentage) ?? 30,
  };
}

function readProcess(reader: VariableReader, maxGrantMs: number): ProcessConfig {
  const configured = reader.optional('LATCHKEY_RETENTION', values.duration('1d', '36500d'));
  const retentionMs = configured ?? 90 * 86_400_000;
  const leastMs = maxGrantMs + RETENTION_MARGIN_MS;
  if (retentionMs < leastMs)
    reader.problem({
      variable: 'LATCHKEY_RETENTION',
      found: `${values.formatDuration(retentionMs)}${configured === undefined ? ', the default' : ''}`,
      expected: `at least LATCHKEY_MAX_GRANT + 30d, which is ${values.formatDuration(leastMs)}`,
    });
  const address = reader.optional('LATCHKEY_HTTP_ADDR', values.listenAddress);
  return {
    stateDir: reader.optional('LATCHKEY_STATE_DIR', values.folder) ?? './state',
    retentionMs,
    http: address === undefined ? { host: '127.0.0.1', port: 9464 } : address,
    logLevel: reader.optional('LATCHKEY_LOG_LEVEL', values.logLevel) ?? 'info',
    logFormat: reader.optional('LATCHKEY_LOG_FORMAT', values.logFormat) ?? 'json',
    shutdownGraceMs: reader.optional('LATCHKEY_SHUTDOWN_GRACE', values.duration('100ms', '10m')) ?? 8_000,
  };
}

function deepFreeze<T extends object>(tree: T): T {
  // The bytes of a filter value cannot be frozen; Object.freeze throws on them.
  if (ArrayBuffer.isView(tree)) return tree;
  for (const branch of Object.values(tree)) if (typeof branch === 'object' && branch !== null) deepFreeze(branch);
  return Object.freeze(tree);
}
