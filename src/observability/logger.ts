/** Stable field names of a log line; `event` names what happened and never changes its meaning. */
export interface LogFields {
  readonly event: string;
  readonly jobId?: string;
  readonly grantId?: string;
  readonly [field: string]: unknown;
}

type Write = (fields: LogFields, message: string) => void;

/** PORT: structured logging. One line per consequence; no secret at any level. */
export interface Logger {
  readonly trace: Write;
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
  readonly fatal: Write;
  /** A logger whose every line carries these fields too. */
  child(fields: Readonly<Record<string, unknown>>): Logger;
}
