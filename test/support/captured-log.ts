import type { LogFields, Logger } from '../../src/observability/logger.ts';

export interface LogLine extends LogFields {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  readonly message: string;
}

/** A logger that keeps its lines, and lets a test wait for one. */
export function capturedLog() {
  const lines: LogLine[] = [];
  const waiting = new Set<{ satisfies: (line: LogLine) => boolean; resolve: (line: LogLine) => void }>();

  function writer(level: LogLine['level'], common: Readonly<Record<string, unknown>>) {
    return (fields: LogFields, message: string) => {
      const line: LogLine = { ...common, ...fields, level, message };
      lines.push(line);
      for (const wait of waiting) {
        if (!wait.satisfies(line)) continue;
        waiting.delete(wait);
        wait.resolve(line);
      }
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
    /** The next line of that event written after this call. */
    next(event: string): Promise<LogLine> {
      return new Promise((resolve) => waiting.add({ satisfies: (line) => line.event === event, resolve }));
    },
  };
}
