import { createHash } from 'node:crypto';

/**
 * Writes a parsed JSON value in the canonical form of RFC 8785: members sorted by UTF-16 code units, numbers and
 * strings as ECMAScript writes them. Throws a TypeError for what JSON cannot hold (undefined, functions, NaN, infinities).
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`${value} has no JSON form (RFC 8785 §3.2.2.3)`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object') throw new TypeError(`a ${typeof value} has no JSON form`);
  // Object.entries lists own members only, so a member called __proto__ stays a member.
  const members = Object.entries(value)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
  return `{${members.join(',')}}`;
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
