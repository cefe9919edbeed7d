import { ecsFormat } from '@elastic/ecs-pino-format';
import { type LoggerOptions, pino } from 'pino';
import { isColorSupported, prettyFactory } from 'pino-pretty';
import type { Loggable } from './loggable.ts';
import type { Scrubber } from './scrubber.ts';

export type LogFormat = 'json' | 'pretty' | 'ecs';

type Fields = Readonly<Record<string, Loggable>>;

/** How a line comes to be: pino writes it as JSON by these options, and `shown` is what of it is written out. */
export interface LineFormat {
  readonly options: LoggerOptions;
  /** The fields of a line, those of its logger among them, as they stand in it. */
  readonly fields: (fields: Fields) => Record<string, unknown>;
  /** What stands in the place of a line that cannot be shown. */
  readonly withheld: (time: string) => Readonly<Record<string, unknown>>;
  /** The text for a line of JSON that holds no secret; it ends in a newline, as that does. */
  readonly shown: (line: string, scrubber: Scrubber) => string;
}

/** `isTerminal` lets `pretty` use colours, unless the environment asks for none. `version` is that of the program. */
export function lineFormat(format: LogFormat, { isTerminal, version }: { isTerminal: boolean; version: string }): LineFormat {
  switch (format) {
    case 'json':
      return JSON_LINES;
    case 'pretty':
      return { ...JSON_LINES, shown: prettyLine(isTerminal && isColorSupported) };
    case 'ecs':
      return ecsLines(version);
    default:
      return format satisfies never;
  }
}

const WITHHELD = { event: 'log.withheld', message: 'a line held a secret' } as const;

const JSON_LINES: LineFormat = {
  options: {
    base: { service: 'latchkey' },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    // pino's own would read a plain `err` as an error and rewrite it.
    serializers: { err: (value: unknown) => value },
  },
  fields: (fields) => ({ ...fields }),
  withheld: (time) => ({ level: 'warn', time, service: 'latchkey', event: WITHHELD.event, msg: WITHHELD.message }),
  shown: (line) => line,
};

/** Said once at a start; on a screen that shows one process they are noise. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'level',
  'time',
  'service',
  'version',
  'connectorId',
  'instanceId',
  'event',
  'msg',
]);

/** One line a message, as a person reads it: when, how bad, what happened, and the facts. */
function prettyLine(useColours: boolean): LineFormat['shown'] {
  const pretty = prettyFactory({
    colorize: useColours,
    translateTime: "UTC:yyyy-mm-dd HH:MM:ss.l'Z'",
    // It has a meaning of its own for some names of fields, and takes an escaped backslash for one: the facts are written here.
    ignore: 'name,pid,hostname,caller',
    hideObject: true,
    messageFormat: (line, _key, _label, { colors }) => {
      const facts = Object.entries(line).filter(([key]) => !LEFT_OUT.has(key));
      const told = facts.map(([key, value]) => ` ${colors.gray(`${key}=`)}${JSON.stringify(value)}`);
      return `${String(line['event'])}: ${String(line['msg'])}${told.join('')}`;
    },
  });
  // JSON escapes some characters of a secret that are shown here as they are.
  return (line, scrubber) => scrubber.text(pretty(JSON.parse(line)));
}

/** Field names of the Elastic Common Schema; what has none there is kept under `latchkey`, where nothing else is. */
function ecsLines(version: string): LineFormat {
  return {
    options: {
      base: {},
      ...ecsFormat({ serviceName: 'latchkey', serviceVersion: version, apmIntegration: false, convertErr: false }),
    },
    // Of the program it stands in every line already, and a name must stand in one only once.
    fields: ({ version: of, ...fields }) => ecsFields(of === undefined || of === version ? fields : { ...fields, version: of }),
    withheld: (time) => ({
      'log.level': 'warn',
      '@timestamp': time,
      'service.name': 'latchkey',
      'event.action': WITHHELD.event,
      message: WITHHELD.message,
    }),
    shown: (line) => line,
  };
}

function ecsFields({ event, error, err, connectorId, instanceId, traceparent, ...others }: Fields): Record<string, unknown> {
  return {
    'event.action': event,
    ...(connectorId === undefined ? {} : { 'service.node.name': connectorId }),
    ...(instanceId === undefined ? {} : { 'service.ephemeral_id': instanceId }),
    ...traceFields(traceparent),
    ...errorFields(error ?? err, others),
  };
}

/** W3C Trace Context §3.2: version, trace id, parent id and flags. */
function traceFields(traceparent: Loggable | undefined): Record<string, unknown> {
  if (typeof traceparent !== 'string') return {};
  const [, traceId, spanId] = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-/.exec(traceparent) ?? [];
  return traceId === undefined ? {} : { 'trace.id': traceId, 'span.id': spanId };
}

/** What of an error the schema has no name for stays with the others. */
function errorFields(error: Loggable | undefined, others: Fields): Record<string, unknown> {
  if (error === undefined || error === null) return { latchkey: others };
  if (typeof error !== 'object' || Array.isArray(error))
    return { 'error.message': typeof error === 'string' ? error : JSON.stringify(error), latchkey: others };
  const { name, message, code, ...rest } = error as Fields;
  return {
    ...(name === undefined ? {} : { 'error.type': name }),
    ...(message === undefined ? {} : { 'error.message': message }),
    ...(code === undefined ? {} : { 'error.code': typeof code === 'string' ? code : JSON.stringify(code) }),
    latchkey: Object.keys(rest).length === 0 ? others : { ...others, error: rest },
  };
}
