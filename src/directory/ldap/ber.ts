/** One element of the Basic Encoding Rules as LDAP uses them (RFC 4511 §5.1: definite lengths, one-byte tags). */
export interface BerElement {
  readonly tag: number;
  /** Where the contents begin. */
  readonly start: number;
  /** Where the contents end, and the next element begins. */
  readonly end: number;
}

export const BER = {
  boolean: 0x01,
  integer: 0x02,
  octetString: 0x04,
  enumerated: 0x0a,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The first bytes of an element: its tag, and how many bytes header and contents have; or why that cannot be said. */
export type BerHeader =
  | { readonly kind: 'read'; readonly tag: number; readonly headerLength: number; readonly length: number }
  | { readonly kind: 'short'; readonly needed: number }
  | { readonly kind: 'invalid'; readonly problem: string };

/** Reads a tag and a length at `at`, before `end`. `short` says how many bytes from `at` are needed to go on. */
export function readBerHeader(bytes: Buffer, at: number, end: number = bytes.length): BerHeader {
  if (end - at < 2) return { kind: 'short', needed: 2 };
  const tag = bytes.readUInt8(at);
  if ((tag & 0x1f) === 0x1f) return { kind: 'invalid', problem: 'a tag of several bytes' };
  const first = bytes.readUInt8(at + 1);
  if (first < 0x80) return { kind: 'read', tag, headerLength: 2, length: first };
  const count = first & 0x7f;
  if (count === 0) return { kind: 'invalid', problem: 'an indefinite length' };
  if (count > 4) return { kind: 'invalid', problem: `a length of ${count} bytes` };
  if (end - at < 2 + count) return { kind: 'short', needed: 2 + count };
  return { kind: 'read', tag, headerLength: 2 + count, length: bytes.readUIntBE(at + 2, count) };
}

/** The element at `at`, or undefined where none lies wholly before `end`. */
export function readBerElement(bytes: Buffer, at: number, end: number): BerElement | undefined {
  if (at >= end) return undefined;
  const header = readBerHeader(bytes, at, end);
  if (header.kind !== 'read') return undefined;
  const start = at + header.headerLength;
  const elementEnd = start + header.length;
  return elementEnd <= end ? { tag: header.tag, start, end: elementEnd } : undefined;
}

/** A non-negative INTEGER or ENUMERATED of at most four bytes; undefined for any other. */
export function berInteger(bytes: Buffer, element: BerElement): number | undefined {
  const length = element.end - element.start;
  if (length < 1 || length > 4) return undefined;
  const value = bytes.readIntBE(element.start, length);
  return value < 0 ? undefined : value;
}
