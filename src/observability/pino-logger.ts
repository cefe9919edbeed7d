import { pino } from 'pino';
import { type Loggable, loggableFields, loggableText } from './loggable.ts';
import type { LogFields, Logger } from './logger.ts';
import { createScrubber, type KnownSecret, type Scrubber } from './scrubber.ts';
import { type LogDestination, standardOutput } from './standard-output.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** Fields that every line carries, unless it or its child logger has one of that name. */
export interface LogBase {
  readonly version?: string;
  readonly connectorId?: string;
  readonly instanceId?: string;
}

/** Fields that the logger itself writes; one of that name in a call gets a `_` behind it, so that no line has two. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['level', 'time', 'service', 'msg']);

/**
 * One JSON object a line: `level`, `time` (RFC 3339), `service`, the base, `event`, its fields, `msg`. Written synchronously
 * (to stdout, if no destination is given), so that the last lines before a crash are there. `scrub` holds the secrets that
 * no line may show, or a scrubber that learns them as they are read.
 */
export function createLogger({
  level,
  destination = standardOutput(),
  base = {},
  scrub = [],
}: {
  level: LogLevel;
  destination?: LogDestination;
  base?: LogBase;
  scrub?: readonly KnownSecret[] | Scrubber;
}): Logger {
  const scrubber = 'learn' in scrub ? scrub : createScrubber(scrub);
  const sink = pino(
    {
      level,
      base: { service: 'latchkey' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // pino's own would read a plain `err` as an error and rewrite it.
      serializers: { err: (value: unknown) => value },
    },
    { write: (line: string) => destination.write(scrubbedLine(line, scrubber)) },
  );

  const loggerWith = (bindings: Readonly<Record<string, Loggable>>): Logger => {
    const writer = (at: LogLevel) => (fields: LogFields, message: string) => {
      if (!sink.isLevelEnabled(at)) return;
      sink[at]({ ...bindings, ...ownNames(loggableFields(fields, scrubber.text)) }, loggableText(message, scrubber.text));
    };
    return {
      trace: writer('trace'),
      debug: writer('debug'),
      info: writer('info'),
      warn: writer('warn'),
      error: writer('error'),
      fatal: writer('fatal'),
      // Kept here and not in a pino child, which would write a field twice that a line gives again.
      child: (fields) => loggerWith({ ...bindings, ...ownNames(loggableFields(fields, scrubber.text)) }),
    };
  };
  return loggerWith(ownNames(loggableFields(base, scrubber.text)));
}

function ownNames(fields: Record<string, Loggable>): Record<string, Loggable> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [OWN_FIELDS.has(key) ? `${key}_` : key, value]));
}

/** A secret of digits or of punctuation may be part of what holds the line together; then the line is withheld. */
function scrubbedLine(line: string, scrubber: Scrubber): string {
  const scrubbed = scrubber.jsonLine(line);
  if (scrubbed === line) return line;
  try {
    JSON.parse(scrubbed);
    return scrubbed;
  } catch {
    return `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), service: 'latchkey', event: 'log.withheld', msg: 'a line held a secret' })}\n`;
  }
}
