import { createHash } from 'node:crypto';

/** What stands in a JSON string as it is. Surrogates are left to `JSON.stringify`, which tells a half from a whole pair. */
const PLAIN = /^[ !#-[\]-\uD7FF\uE000-\uFFFF]*$/;

/**
 * Writes a parsed JSON value in the canonical form of RFC 8785: members sorted by UTF-16 code units, numbers and
 * strings as ECMAScript writes them. Throws a TypeError for what JSON cannot hold (undefined, functions, NaN, infinities).
 */
export function canonicalJson(value: unknown): string {
  return written(value, false);
}

/** The same for an object of ours, whose members that are undefined are left out, as `JSON.stringify` leaves them out. */
export function canonicalJsonOfDefined(value: object): string {
  return written(value, true);
}

function written(value: unknown, onlyDefined: boolean): string {
  if (typeof value === 'string') return PLAIN.test(value) ? `"${value}"` : JSON.stringify(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`${value} has no JSON form (RFC 8785 §3.2.2.3)`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((one) => written(one, onlyDefined)).join(',')}]`;
  if (typeof value !== 'object') throw new TypeError(`a ${typeof value} has no JSON form`);
  let members = '';
  // Object.keys lists own members only, so a member called __proto__ stays a member; sort is by UTF-16 code units.
  for (const name of Object.keys(value).toSorted()) {
    const member: unknown = Reflect.get(value, name);
    if (onlyDefined && member === undefined) continue;
    members += `${members === '' ? '' : ','}${written(name, false)}:${written(member, onlyDefined)}`;
  }
  return `{${members}}`;
}

/** A surrogate without its other half, which alone is written as an escape; `\\ud8` is a backslash before a word. */
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

/**
 * SHA-256 of the canonical form, as 64 lower-case hex digits. Throws a TypeError for what has none: half a surrogate pair too
 * (RFC 8785 §3.2.2.2), which would be another character by the time that it is a name in a directory.
 */
export function contentHash(value: unknown): string {
  const text = canonicalJson(value);
  if (LONE_SURROGATE.test(text)) throw new TypeError('half a surrogate pair is no text (RFC 8785 §3.2.2.2)');
  return createHash('sha256').update(text, 'utf8').digest('hex');
}
