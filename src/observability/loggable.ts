/** What a field may be made of once it is safe to write: plain data, nothing of a library. */
export type Loggable = string | number | boolean | null | readonly Loggable[] | { readonly [key: string]: Loggable };

/** Longest text written, in characters; diagnostic messages of servers are shorter, dumps are not. */
const MAX_TEXT_LENGTH = 2_048;
const MAX_KEY_LENGTH = 64;
const MAX_ENTRIES = 100;
const MAX_DEPTH = 6;
/** The error itself and three of its causes. */
const MAX_ERRORS = 4;

/** C0, C1, DEL, and what changes the direction or the lines of a text (UAX #9, UTS #36): none of it may reach a terminal. */
const UNSAFE = /[\p{Cc}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF]/gu;

/** A text on one line, without control and direction characters, bounded. Secrets are replaced while they are still whole. */
export function loggableText(text: string, scrub: (text: string) => string): string {
  if (text.length <= MAX_TEXT_LENGTH && text.search(UNSAFE) < 0 && text.isWellFormed()) return text;
  const scrubbed = scrub(text);
  const cut = scrubbed.length > MAX_TEXT_LENGTH ? `${scrubbed.slice(0, MAX_TEXT_LENGTH)}… (${text.length} characters)` : scrubbed;
  return cut.toWellFormed().replace(UNSAFE, (char) => (/\s/.test(char) ? ' ' : '\uFFFD'));
}

/** A value as plain data. Errors keep an allow-list of fields, objects of classes only their name. */
export function loggable(value: unknown, scrub: (text: string) => string, depth = 0): Loggable {
  if (value === null || value === undefined) return null;
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'string') return loggableText(value, scrub);
  if (typeof value === 'bigint' || typeof value === 'symbol') return loggableText(String(value), scrub);
  return typeof value === 'function' ? '[function]' : loggableObject(value, scrub, depth);
}

function loggableObject(value: object, scrub: (text: string) => string, depth: number): Loggable {
  if (value instanceof Error) return loggableError(value, scrub, 1);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth >= MAX_DEPTH) return '[deeper]';
  if (Array.isArray(value)) {
    const entries = value.slice(0, MAX_ENTRIES).map((entry) => loggable(entry, scrub, depth + 1));
    return value.length > MAX_ENTRIES ? [...entries, `… (${value.length} entries)`] : entries;
  }
  if (!isPlain(value)) return nameOf(value, scrub);
  return loggableFields(value, scrub, depth);
}

/** The fields of a plain object; undefined ones are left out, as JSON does. */
export function loggableFields(fields: object, scrub: (text: string) => string, depth = 0): Record<string, Loggable> {
  const defined = Object.entries(fields).filter(([, value]) => value !== undefined);
  const out: Record<string, Loggable> = Object.create(null);
  for (const [key, value] of defined.slice(0, MAX_ENTRIES))
    out[loggableText(key, scrub).slice(0, MAX_KEY_LENGTH)] = loggable(value, scrub, depth + 1);
  if (defined.length > MAX_ENTRIES) out['…'] = `${defined.length} fields`;
  return out;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** What a foreign object may say of itself: `[redacted]` where it is a secret, else only its class. */
function nameOf(value: object, scrub: (text: string) => string): string {
  if (value instanceof URL) return loggableText(`${value.protocol}//${value.host}${value.pathname}`, scrub);
  if ('reveal' in value) return '[redacted]';
  const constructor: unknown = value.constructor;
  return `[${typeof constructor === 'function' ? loggableText(constructor.name, scrub) : 'object'}]`;
}

function loggableError(error: Error, scrub: (text: string) => string, count: number): Loggable {
  const out: Record<string, Loggable> = { name: loggableText(error.name, scrub), message: loggableText(error.message, scrub) };
  if ('fault' in error && typeof error.fault === 'string') out['fault'] = loggableText(error.fault, scrub);
  if ('code' in error && (typeof error.code === 'string' || typeof error.code === 'number'))
    out['code'] = loggable(error.code, scrub);
  if ('ldap' in error) out['ldap'] = loggableLdap(error.ldap, scrub);
  if (error.cause !== undefined && count < MAX_ERRORS)
    out['cause'] = error.cause instanceof Error ? loggableError(error.cause, scrub, count + 1) : loggable(error.cause, scrub);
  return out;
}

function loggableLdap(answer: unknown, scrub: (text: string) => string): Loggable {
  if (typeof answer !== 'object' || answer === null) return null;
  const told = Object.entries(answer).filter(([key]) => LDAP_FIELDS.has(key));
  return loggableFields(Object.fromEntries(told), scrub);
}

const LDAP_FIELDS: ReadonlySet<string> = new Set(['resultCode', 'resultName', 'diagnosticMessage', 'matchedDn']);
