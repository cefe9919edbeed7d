import type { LogFields, Logger } from '../../src/observability/logger.ts';
import { type Arrivals, arrivals } from './arrivals.ts';

export interface LogLine extends LogFields {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  readonly message: string;
}

/** A logger that keeps its lines, and lets a test wait for one. */
export function capturedLog() {
  const lines: LogLine[] = [];
  const arrived = new Map<string, Arrivals<LogLine>>();

  function of(event: string): Arrivals<LogLine> {
    const found = arrived.get(event) ?? arrivals();
    arrived.set(event, found);
    return found;
  }

  function writer(level: LogLine['level'], common: Readonly<Record<string, unknown>>) {
    return (fields: LogFields, message: string) => {
      const line: LogLine = { ...common, ...fields, level, message };
      lines.push(line);
      of(line.event).push(line);
    };
  }

  function logger(common: Readonly<Record<string, unknown>>): Logger {
    return {
      trace: writer('trace', common),
      debug: writer('debug', common),
      info: writer('info', common),
      warn: writer('warn', common),
      error: writer('error', common),
      fatal: writer('fatal', common),
      child: (fields) => logger({ ...common, ...fields }),
    };
  }

  return {
    logger: logger({}),
    lines,
    /** The first line of that event that was not yet taken, written already or to come. */
    next: (event: string): Promise<LogLine> => of(event).next(),
  };
}
