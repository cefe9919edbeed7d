import { pino } from 'pino';
import { type LineFormat, type LogFormat, lineFormat } from './log-format.ts';
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
 * One line a message, as `format` has it; as JSON `level`, `time` (RFC 3339), `service`, the base, `event`, its fields, `msg`.
 * Written synchronously (to stdout, if no destination is given), so that the last lines before a crash are there. `scrub` holds
 * the secrets that no line may show, or a scrubber that learns them as they are read. `isTerminal`: a person sees the lines as
 * they come, and may be shown colours.
 */
export function createLogger({
  level,
  format = 'json',
  destination = standardOutput(),
  isTerminal = false,
  base = {},
  scrub = [],
}: {
  level: LogLevel;
  format?: LogFormat;
  destination?: LogDestination;
  isTerminal?: boolean;
  base?: LogBase;
  scrub?: readonly KnownSecret[] | Scrubber;
}): Logger {
  const scrubber = 'learn' in scrub ? scrub : createScrubber(scrub);
  const { options, fields: shaped, shown, withheld } = lineFormat(format, { isTerminal, version: base.version ?? '' });
  const sink = pino(
    { ...options, level },
    { write: (line: string) => destination.write(shown(cleaned(line, { scrubber, withheld }), scrubber)) },
  );

  const loggerWith = (bindings: Readonly<Record<string, Loggable>>): Logger => {
    const writer = (at: LogLevel) => (fields: LogFields, message: string) => {
      if (!sink.isLevelEnabled(at)) return;
      const all = { ...bindings, ...ownNames(loggableFields(fields, scrubber.text)) };
      sink[at](shaped(all), loggableText(message, scrubber.text));
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
function cleaned(line: string, { scrubber, withheld }: { scrubber: Scrubber; withheld: LineFormat['withheld'] }): string {
  const scrubbed = scrubber.jsonLine(line);
  if (scrubbed === line) return line;
  try {
    JSON.parse(scrubbed);
    return scrubbed;
  } catch {
    return `${JSON.stringify(withheld(new Date().toISOString()))}\n`;
  }
}
