import type { Branded, Parsed } from './brand.ts';

/**
 * A distinguished name in the string form of RFC 4514, as it was read or received. It is shown, compared with
 * a scope, and written; entries are *known* by their stable id, since only the server knows which names are equal.
 */
export type Dn = Branded<string, 'Dn'>;

/** One attribute type and value of a relative distinguished name; `#hex` values are kept as bytes (RFC 4514 §2.4). */
export interface AttributeTypeAndValue {
  readonly type: string;
  readonly value: string | Uint8Array;
}

/** A relative distinguished name: one or more type-and-value pairs joined with `+`. */
export type Rdn = readonly AttributeTypeAndValue[];

/** Longest name taken in, in characters; RFC 4511 sets none, OpenLDAP's own limit is far below. */
const MAX_DN_LENGTH = 8192;

const ATTRIBUTE_TYPE = /^(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)$/;
/** What ends a run of plain characters in a value: a separator, an escape, or what must be escaped. */
const STOPS_PLAIN_TEXT = /[,;+"<>\\\0]/;
const HEX_PAIR = /^[0-9A-Fa-f]{2}$/;
/** The `?` is Samba's, which writes it so; RFC 4514 §3 has no such pair. */
const ESCAPABLE = new Set([' ', '"', '#', '+', ',', ';', '<', '=', '>', '?', '\\']);
const MUST_ESCAPE = new Set(['"', '+', ',', ';', '<', '>', '\\']);

/**
 * Writes an attribute value for use in a name (RFC 4514 §2.4): `"+,;<>\` anywhere, a leading `#` or blank, a
 * trailing blank and NUL are escaped. `=` is escaped too, since §2.4 allows it and careless readers need it.
 */
export function escapeDnValue(value: string): string {
  let out = '';
  const last = value.length - 1;
  for (let i = 0; i <= last; i += 1) {
    const char = value.charAt(i);
    if (char === '\0') out += '\\00';
    else if (MUST_ESCAPE.has(char) || char === '=') out += `\\${char}`;
    else if (char === ' ' && (i === 0 || i === last)) out += '\\ ';
    // Not asked for by the RFC, but OpenLDAP's reader drops any of these at the ends of a value.
    else if (/[\t\n\r]/.test(char)) out += `\\0${char.charCodeAt(0).toString(16)}`;
    else if (char === '#' && i === 0) out += '\\#';
    else out += char;
  }
  return out;
}

/** Writes a name from its parts (RFC 4514 §2). The empty list is the empty name, which names nobody. */
export function formatDn(rdns: readonly Rdn[]): Dn {
  return rdns.map((rdn) => rdn.map(formatTypeAndValue).join('+')).join(',') as Dn;
}

function formatTypeAndValue({ type, value }: AttributeTypeAndValue): string {
  if (typeof value === 'string') return `${type}=${escapeDnValue(value)}`;
  return `${type}=#${Buffer.from(value).toString('hex')}`;
}

/** Reads a name (RFC 4514 §3; blanks around `,`, `+` and `=` are dropped as RFC 2253 readers do). `''` is the empty name. */
export function parseRdns(text: string): Parsed<readonly Rdn[]> {
  if (text.length > MAX_DN_LENGTH)
    return { ok: false, problem: `a distinguished name of ${text.length} characters; at most ${MAX_DN_LENGTH}` };
  if (!text.isWellFormed()) return { ok: false, problem: `half a surrogate pair in "${shown(text)}"` };
  if (/^ *$/.test(text)) return { ok: true, value: [] };
  const rdns: Rdn[] = [];
  let rdn: AttributeTypeAndValue[] = [];
  let rest = text;
  for (;;) {
    const equals = rest.indexOf('=');
    const type = withoutBlanks(equals < 0 ? rest : rest.slice(0, equals));
    if (equals < 0 || !ATTRIBUTE_TYPE.test(type))
      return { ok: false, problem: `expected attribute=value, found "${shown(rest)}"` };
    const value = readValue(rest.slice(equals + 1));
    if (!value.ok) return value;
    rdn.push({ type, value: value.value.value });
    const { separator } = value.value;
    rest = value.value.rest;
    if (separator !== '+') {
      rdns.push(rdn);
      rdn = [];
    }
    if (separator === '') return { ok: true, value: rdns };
  }
}

interface ReadValue {
  readonly value: string | Uint8Array;
  readonly separator: '' | ',' | '+';
  readonly rest: string;
}

function readValue(text: string): Parsed<ReadValue> {
  // Only the blank itself: a tab or a no-break space belongs to the value.
  const start = text.search(/[^ ]|$/);
  return text[start] === '#' ? readHexValue(text, start + 1) : readStringValue(text, start);
}

function readHexValue(text: string, start: number): Parsed<ReadValue> {
  const match = /^([0-9A-Fa-f]+) *([,;+]|$)/.exec(text.slice(start));
  const hex = match?.[1];
  if (match === null || hex === undefined || hex.length % 2 !== 0)
    return { ok: false, problem: `expected pairs of hex digits after "#", found "${shown(text)}"` };
  const mark = match[2] === ';' ? ',' : match[2];
  const rest = text.slice(start + match[0].length);
  return {
    ok: true,
    value: { value: Uint8Array.from(Buffer.from(hex, 'hex')), separator: mark === ',' || mark === '+' ? mark : '', rest },
  };
}

function readStringValue(text: string, start: number): Parsed<ReadValue> {
  return readPlainValue(text, start) ?? readEscapedValue(text, start);
}

/** A value without escapes, as nearly all are: its text is what is meant. Undefined where it is not one. */
function readPlainValue(text: string, start: number): Parsed<ReadValue> | undefined {
  const offset = text.slice(start).search(STOPS_PLAIN_TEXT);
  const end = offset < 0 ? text.length : start + offset;
  const mark = text.charAt(end);
  if (mark !== '' && mark !== ',' && mark !== ';' && mark !== '+') return undefined;
  let last = end;
  while (last > start && text[last - 1] === ' ') last -= 1;
  const separator = mark === ';' ? ',' : mark;
  return { ok: true, value: { value: text.slice(start, last), separator, rest: text.slice(end + 1) } };
}

function readEscapedValue(text: string, start: number): Parsed<ReadValue> {
  const bytes: Buffer[] = [];
  let length = 0;
  // Blanks at the end count only where an escape follows them.
  let kept = 0;
  let i = start;
  while (i < text.length) {
    const offset = text.slice(i).search(STOPS_PLAIN_TEXT);
    const plain = Buffer.from(offset < 0 ? text.slice(i) : text.slice(i, i + offset), 'utf8');
    bytes.push(plain);
    const lastByte = plain.findLastIndex((byte) => byte !== 0x20);
    if (lastByte >= 0) kept = length + lastByte + 1;
    length += plain.length;
    if (offset < 0) {
      i = text.length;
      break;
    }
    i += offset;
    const char = text.charAt(i);
    if (char === ',' || char === ';' || char === '+') break;
    if (char !== '\\') return { ok: false, problem: `the character ${JSON.stringify(char)} must be escaped in "${shown(text)}"` };
    const escaped = readEscape(text, i);
    if (escaped === undefined)
      return {
        ok: false,
        problem: `"\\" must be followed by two hex digits or one of  "#+,;<=>\\, found "${shown(text.slice(i))}"`,
      };
    bytes.push(escaped.bytes);
    length += escaped.bytes.length;
    kept = length;
    i += escaped.length;
  }
  const joined = Buffer.concat(bytes).subarray(0, kept);
  const value = joined.toString('utf8');
  if (!Buffer.from(value, 'utf8').equals(joined)) return { ok: false, problem: `"${shown(text)}" is not UTF-8` };
  const mark = text.charAt(i);
  return { ok: true, value: { value, separator: mark === '' ? '' : mark === '+' ? '+' : ',', rest: text.slice(i + 1) } };
}

function readEscape(text: string, at: number): { readonly bytes: Buffer; readonly length: number } | undefined {
  const pair = text.slice(at + 1, at + 3);
  if (HEX_PAIR.test(pair)) return { bytes: Buffer.from(pair, 'hex'), length: 3 };
  const char = text.charAt(at + 1);
  return ESCAPABLE.has(char) ? { bytes: Buffer.from(char), length: 2 } : undefined;
}

function withoutBlanks(text: string): string {
  return text.replace(/^ +/, '').replace(/(?<! ) +$/, '');
}

function shown(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** Reads a name and keeps its spelling. The problem says which part could not be read. */
export function parseDn(text: string): Parsed<Dn> {
  const rdns = parseRdns(text);
  if (!rdns.ok) return rdns;
  return { ok: true, value: text as Dn };
}

function rdnsOf(dn: Dn): readonly Rdn[] {
  const rdns = parseRdns(dn);
  return rdns.ok ? rdns.value : [];
}

/** The attribute types and values of the first RDN; empty for the empty name. */
export function leafRdn(dn: Dn): Rdn {
  return rdnsOf(dn)[0] ?? [];
}

/** The name of the entry above; `undefined` for the empty name and for a top-level one. */
export function parentDn(dn: Dn): Dn | undefined {
  const above = rdnsOf(dn).slice(1);
  return above.length === 0 ? undefined : formatDn(above);
}

/**
 * A text that is equal for names which differ only in the spelling of types, escapes, letter case and runs of
 * blanks (the `caseIgnoreMatch` preparation of RFC 4518, in short). Two equal names always fold alike for the
 * attribute types used in names; it decides scope, never identity.
 */
export function foldDn(dn: Dn): string {
  return rdnsOf(dn).map(foldRdn).join(',');
}

function foldRdn(rdn: Rdn): string {
  return rdn
    .map(({ type, value }) => {
      const folded =
        typeof value === 'string'
          ? escapeDnValue(value.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' '))
          : `#${Buffer.from(value).toString('hex')}`;
      return `${type.toLowerCase()}=${folded}`;
    })
    .toSorted()
    .join('+');
}

/** True where `dn` is `base` or lies beneath it. */
export function isBeneath(dn: Dn, base: Dn): boolean {
  // Most are spelt alike, and need not be folded: a comma that no backslash stands before ends an RDN (RFC 4514 §3).
  const comma = dn.length - base.length - 1;
  if (dn === base || (base.length > 0 && dn.endsWith(base) && dn[comma] === ',' && dn[comma - 1] !== '\\')) return true;
  const inner = rdnsOf(dn).map(foldRdn);
  const outer = rdnsOf(base).map(foldRdn);
  if (outer.length > inner.length) return false;
  return outer.every((rdn, i) => rdn === inner[inner.length - outer.length + i]);
}

/** True where both names fold alike, see {@link foldDn}. */
export function sameDn(one: Dn, other: Dn): boolean {
  return foldDn(one) === foldDn(other);
}
