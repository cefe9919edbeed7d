import type { Config } from '../config/config.ts';
import { type LoadedConfig, loadConfig } from '../config/load-config.ts';
import { overridden } from '../config/overridden.ts';
import { formatProblems, type Problem } from '../config/problem.ts';
import { readEnvironment } from '../config/read-environment.ts';
import type { Logger } from '../observability/logger.ts';
import { createLogger } from '../observability/pino-logger.ts';
import { createScrubber, type Scrubber } from '../observability/scrubber.ts';
import { VERSION } from './version.ts';

/** What every command of the connector begins with. */
export interface Configured {
  readonly config: Config;
  readonly log: Logger;
  readonly scrubber: Scrubber;
}

interface Logs {
  readonly logs: 'stdout' | 'stderr';
  readonly isQuiet?: boolean;
  /** False for a command that asks the directory alone: then nothing need be said of the control plane. */
  readonly needsControlPlane?: boolean;
}

/**
 * Reads the configuration; null where it is bad, after every problem was printed. Log lines go to stderr for a command whose
 * stdout is its answer, and with `isQuiet` only errors.
 */
export function configured(logs: Logs = { logs: 'stdout' }): Configured | null {
  const { needsControlPlane = true } = logs;
  const loaded = loadConfig({ ...readEnvironment('.env'), terminal: isTerminal(logs), needsControlPlane });
  if (!loaded.ok) {
    process.stderr.write(`${formatProblems(loaded.problems)}\n`);
    return null;
  }
  return withLog(loaded, createScrubber(), logs);
}

/** What reading the same files again came to; a bad configuration changes nothing. */
export type Reread =
  | { readonly ok: true; readonly known: Configured; readonly overridden: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads the configuration again, all or nothing. What the ledger is kept under cannot change in a process that has it. */
export function reread({ config, scrubber }: Configured): Reread {
  const input = readEnvironment('.env');
  const loaded = loadConfig({ ...input, terminal: isTerminal({ logs: 'stdout' }) });
  if (!loaded.ok) return loaded;
  const problems = [
    ...fixed('LATCHKEY_STATE_DIR', config.process.stateDir, loaded.config.process.stateDir),
    ...fixed('LATCHKEY_CONNECTOR_ID', config.controlPlane.connectorId, loaded.config.controlPlane.connectorId),
  ];
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, known: withLog(loaded, scrubber, { logs: 'stdout' }), overridden: overridden(input) };
}

function fixed(variable: string, before: string | null, now: string | null): readonly Problem[] {
  if (before === now) return [];
  return [{ variable, found: `"${now ?? ''}"`, expected: `"${before ?? ''}" as before: only a restart can change it` }];
}

function withLog(
  { config, warnings }: Extract<LoadedConfig, { ok: true }>,
  scrubber: Scrubber,
  { logs, isQuiet = false }: Logs,
): Configured {
  const log = createLogger({
    format: config.process.logFormat,
    isTerminal: isTerminal({ logs }),
    level: isQuiet && isBelowError(config.process.logLevel) ? 'error' : config.process.logLevel,
    base: { version: VERSION },
    scrub: scrubber,
    ...(logs === 'stderr' ? { destination: { write: (line) => void process.stderr.write(line) } } : {}),
  });
  for (const { variable, message } of warnings) log.warn({ event: 'config.warning', variable }, message);
  return { config, log, scrubber };
}

function isTerminal({ logs }: Pick<Logs, 'logs'>): boolean {
  return (logs === 'stdout' ? process.stdout : process.stderr).isTTY;
}

function isBelowError(level: Config['process']['logLevel']): boolean {
  return level !== 'error' && level !== 'fatal';
}
