import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load-config.ts';
import { formatProblems } from '../config/problem.ts';
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

/**
 * Reads the configuration; null where it is bad, after every problem was printed. Log lines go to stderr for a command whose
 * stdout is its answer, and with `isQuiet` only errors.
 */
export function configured(
  { logs, isQuiet = false }: { logs: 'stdout' | 'stderr'; isQuiet?: boolean } = { logs: 'stdout' },
): Configured | null {
  const loaded = loadConfig({ ...readEnvironment('.env'), terminal: process.stdout.isTTY });
  if (!loaded.ok) {
    process.stderr.write(`${formatProblems(loaded.problems)}\n`);
    return null;
  }
  const { config, warnings } = loaded;
  const scrubber = createScrubber();
  const log = createLogger({
    level: isQuiet && isBelowError(config.process.logLevel) ? 'error' : config.process.logLevel,
    base: { version: VERSION },
    scrub: scrubber,
    ...(logs === 'stderr' ? { destination: { write: (line) => void process.stderr.write(line) } } : {}),
  });
  for (const { variable, message } of warnings) log.warn({ event: 'config.warning', variable }, message);
  return { config, log, scrubber };
}

function isBelowError(level: Config['process']['logLevel']): boolean {
  return level !== 'error' && level !== 'fatal';
}
