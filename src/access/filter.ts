import type { Parsed } from './brand.ts';

/**
 * A search filter as a tree (RFC 4511 §4.5.1.7), so that no text of a user is ever joined into a filter. Values
 * are text (sent as UTF-8) or bytes.
 */
export type Filter =
  | { readonly kind: 'and' | 'or'; readonly filters: readonly Filter[] }
  | { readonly kind: 'not'; readonly filter: Filter }
  | {
      readonly kind: 'equality' | 'greaterOrEqual' | 'lessOrEqual' | 'approx';
      readonly attribute: string;
      readonly value: FilterValue;
    }
  | { readonly kind: 'present'; readonly attribute: string }
  /** By a matching rule of its own, named by its object identifier. */
  | { readonly kind: 'extensible'; readonly attribute: string; readonly rule: string; readonly value: FilterValue }
  | {
      readonly kind: 'substrings';
      readonly attribute: string;
      readonly initial: FilterValue;
      readonly any: readonly FilterValue[];
      readonly final: FilterValue;
    };

/** An assertion value: text, or bytes where the escapes did not make UTF-8. */
export type FilterValue = string | Uint8Array;

/** How deep and long a configured filter may be; a generous bound against mistakes, not a rule of the RFC. */
const MAX_DEPTH = 32;
const MAX_LENGTH = 8192;

export function equality(attribute: string, value: FilterValue): Filter {
  return { kind: 'equality', attribute, value };
}

export function and(...filters: readonly Filter[]): Filter {
  return { kind: 'and', filters };
}

export function or(...filters: readonly Filter[]): Filter {
  return { kind: 'or', filters };
}

export function not(filter: Filter): Filter {
  return { kind: 'not', filter };
}

/** Escapes an assertion value for the string form (RFC 4515 §3): `*`, `(`, `)`, `\` and NUL; bytes that are not ASCII in hex. */
export function escapeFilterValue(value: FilterValue): string {
  if (typeof value === 'string')
    return value.replace(/[*()\\\0]/g, (char) => `\\${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
  let out = '';
  for (const byte of value) out += `\\${byte.toString(16).padStart(2, '0')}`;
  return out;
}

/** Writes a filter in the string form of RFC 4515, for people and logs. */
export function formatFilter(filter: Filter): string {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return `(${filter.kind === 'and' ? '&' : '|'}${filter.filters.map(formatFilter).join('')})`;
    case 'not':
      return `(!${formatFilter(filter.filter)})`;
    case 'present':
      return `(${filter.attribute}=*)`;
    case 'equality':
      return `(${filter.attribute}=${escapeFilterValue(filter.value)})`;
    case 'greaterOrEqual':
      return `(${filter.attribute}>=${escapeFilterValue(filter.value)})`;
    case 'lessOrEqual':
      return `(${filter.attribute}<=${escapeFilterValue(filter.value)})`;
    case 'approx':
      return `(${filter.attribute}~=${escapeFilterValue(filter.value)})`;
    case 'extensible':
      return `(${filter.attribute}:${filter.rule}:=${escapeFilterValue(filter.value)})`;
    case 'substrings': {
      const parts = [filter.initial, ...filter.any, filter.final].map(escapeFilterValue);
      return `(${filter.attribute}=${parts.join('*')})`;
    }
    default:
      return filter satisfies never;
  }
}

/** Reads the string form (RFC 4515). Extensible matches are not taken; the problem says where reading stopped. */
export function parseFilter(text: string): Parsed<Filter> {
  if (text.length > MAX_LENGTH) return { ok: false, problem: `a filter of ${text.length} characters; at most ${MAX_LENGTH}` };
  if (!text.isWellFormed()) return { ok: false, problem: 'half a surrogate pair, which UTF-8 cannot say' };
  const trimmed = text.trim();
  const read = readFilter(trimmed, 0, 0);
  if (!read.ok) return read;
  if (read.value.end !== trimmed.length)
    return { ok: false, problem: `nothing may follow the filter, found "${trimmed.slice(read.value.end)}"` };
  return { ok: true, value: read.value.filter };
}

type Read = Parsed<{ readonly filter: Filter; readonly end: number }>;

function readFilter(text: string, at: number, depth: number): Read {
  if (depth > MAX_DEPTH) return { ok: false, problem: `a filter nested deeper than ${MAX_DEPTH}` };
  if (text[at] !== '(') return { ok: false, problem: `expected "(" at character ${at + 1} of "${text}"` };
  const mark = text[at + 1];
  if (mark === '&' || mark === '|') return readList(text, at + 2, mark === '&' ? 'and' : 'or', depth);
  if (mark === '!') {
    const inner = readFilter(text, at + 2, depth + 1);
    if (!inner.ok) return inner;
    return closed(text, inner.value.end, { kind: 'not', filter: inner.value.filter });
  }
  const end = text.indexOf(')', at);
  if (end < 0) return { ok: false, problem: `")" is missing in "${text}"` };
  const simple = readSimple(text.slice(at + 1, end));
  return simple.ok ? { ok: true, value: { filter: simple.value, end: end + 1 } } : simple;
}

function readList(text: string, from: number, kind: 'and' | 'or', depth: number): Read {
  const filters: Filter[] = [];
  let at = from;
  while (text[at] === '(') {
    const one = readFilter(text, at, depth + 1);
    if (!one.ok) return one;
    filters.push(one.value.filter);
    at = one.value.end;
  }
  if (filters.length === 0)
    return { ok: false, problem: `"${kind === 'and' ? '&' : '|'}" needs at least one filter in "${text}"` };
  return closed(text, at, { kind, filters });
}

function closed(text: string, at: number, filter: Filter): Read {
  if (text[at] !== ')') return { ok: false, problem: `expected ")" at character ${at + 1} of "${text}"` };
  return { ok: true, value: { filter, end: at + 1 } };
}

const SIMPLE = /^([A-Za-z][A-Za-z0-9-]*(?:;[A-Za-z0-9-]+)*|\d+(?:\.\d+)+(?:;[A-Za-z0-9-]+)*)(=|>=|<=|~=)([\s\S]*)$/;

function readSimple(text: string): Parsed<Filter> {
  const match = SIMPLE.exec(text);
  const [, attribute, operator, raw] = match ?? [];
  if (attribute === undefined || operator === undefined || raw === undefined) {
    return { ok: false, problem: `expected attribute=value, found "${text}"` };
  }
  const parts: FilterValue[] = [];
  for (const part of operator === '=' ? raw.split('*') : [raw]) {
    const value = readAssertionValue(part);
    if (!value.ok) return value;
    parts.push(value.value);
  }
  const [first = '', ...others] = parts;
  if (operator === '>=') return { ok: true, value: { kind: 'greaterOrEqual', attribute, value: first } };
  if (operator === '<=') return { ok: true, value: { kind: 'lessOrEqual', attribute, value: first } };
  if (operator === '~=') return { ok: true, value: { kind: 'approx', attribute, value: first } };
  if (others.length === 0) return { ok: true, value: equality(attribute, first) };
  if (raw === '*') return { ok: true, value: { kind: 'present', attribute } };
  const any = others.slice(0, -1);
  if (any.some((part) => part.length === 0)) return { ok: false, problem: `"**" in "${text}"` };
  return { ok: true, value: { kind: 'substrings', attribute, initial: first, any, final: others.at(-1) ?? '' } };
}

function readAssertionValue(text: string): Parsed<FilterValue> {
  if (/[(\0]/.test(text)) return { ok: false, problem: `"(" and NUL must be escaped (RFC 4515 §3) in "${text}"` };
  if (!text.includes('\\')) return { ok: true, value: text };
  const bytes: Buffer[] = [];
  for (let i = 0; i < text.length; ) {
    if (text[i] !== '\\') {
      const next = text.indexOf('\\', i);
      const end = next < 0 ? text.length : next;
      bytes.push(Buffer.from(text.slice(i, end), 'utf8'));
      i = end;
      continue;
    }
    const pair = text.slice(i + 1, i + 3);
    if (!/^[0-9A-Fa-f]{2}$/.test(pair)) return { ok: false, problem: `"\\" must be followed by two hex digits in "${text}"` };
    bytes.push(Buffer.from(pair, 'hex'));
    i += 3;
  }
  const joined = Buffer.concat(bytes);
  const decoded = joined.toString('utf8');
  return { ok: true, value: Buffer.from(decoded, 'utf8').equals(joined) ? decoded : Uint8Array.from(joined) };
}
