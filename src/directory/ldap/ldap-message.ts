import { BER, type BerElement, berInteger, readBerElement, readBerElements } from './ber.ts';

/** The application tags of the operations used here (RFC 4511 §4.2 to §4.13). */
export const OPERATION = {
  bindRequest: 0x60,
  bindResponse: 0x61,
  unbindRequest: 0x42,
  searchRequest: 0x63,
  searchResultEntry: 0x64,
  searchResultDone: 0x65,
  searchResultReference: 0x73,
  modifyRequest: 0x66,
  modifyResponse: 0x67,
  extendedRequest: 0x77,
  extendedResponse: 0x78,
} as const;

/** An LDAPResult (RFC 4511 §4.1.9) with what ldapts drops: the matched name, the referral's URIs, the response controls. */
export interface LdapResult {
  readonly resultCode: number;
  readonly matchedDn: string;
  readonly diagnosticMessage: string;
  readonly referral: readonly string[];
  /** Values of the response controls by object identifier. */
  readonly controls: ReadonlyMap<string, Buffer>;
}

/** The envelope of a message (RFC 4511 §4.1.1). */
export interface LdapEnvelope {
  readonly messageId: number;
  readonly operation: BerElement;
  readonly end: number;
}

const REFERRAL = 0xa3;
const CONTROLS = 0xa0;
/** Result texts are for people: more than this is cut off. */
const MAX_TEXT = 1024;

/** Reads the envelope of one whole message; undefined where it is not one. */
export function readEnvelope(message: Buffer): LdapEnvelope | undefined {
  const outer = readBerElement(message, 0, message.length);
  if (outer?.tag !== BER.sequence || outer.end !== message.length) return undefined;
  const id = readBerElement(message, outer.start, outer.end);
  if (id?.tag !== BER.integer) return undefined;
  const messageId = berInteger(message, id);
  const operation = readBerElement(message, id.end, outer.end);
  if (messageId === undefined || operation === undefined) return undefined;
  return { messageId, operation, end: outer.end };
}

/** Reads the result that an operation's last message carries; undefined where a mandatory part is missing or malformed. */
export function readResult(message: Buffer, { operation, end }: LdapEnvelope): LdapResult | undefined {
  const code = readBerElement(message, operation.start, operation.end);
  if (code?.tag !== BER.enumerated) return undefined;
  const resultCode = berInteger(message, code);
  const matched = readBerElement(message, code.end, operation.end);
  const text = matched && readBerElement(message, matched.end, operation.end);
  if (resultCode === undefined || matched?.tag !== BER.octetString || text?.tag !== BER.octetString) return undefined;
  const next = readBerElement(message, text.end, operation.end);
  return {
    resultCode,
    matchedDn: shortText(message, matched),
    diagnosticMessage: shortText(message, text),
    referral: next?.tag === REFERRAL ? elementsOf(message, next).map((uri) => shortText(message, uri)) : [],
    controls: readControls(message, readBerElement(message, operation.end, end)),
  };
}

function readControls(message: Buffer, controls: BerElement | undefined): ReadonlyMap<string, Buffer> {
  const values = new Map<string, Buffer>();
  if (controls?.tag !== CONTROLS) return values;
  for (const control of elementsOf(message, controls)) {
    const [type, ...rest] = elementsOf(message, control);
    const value = rest.find(({ tag }) => tag === BER.octetString);
    if (type !== undefined && value !== undefined)
      values.set(message.toString('latin1', type.start, type.end), message.subarray(value.start, value.end));
  }
  return values;
}

function elementsOf(bytes: Buffer, { start, end }: BerElement): readonly BerElement[] {
  return readBerElements(bytes, start, end) ?? [];
}

/**
 * Whether an answer is built as RFC 4511 says, to its last byte: an element that is longer than what it lies in is read by
 * ldapts again and again, without end, and each time kept.
 */
export function isWellFormed(message: Buffer, { operation, end }: LdapEnvelope): boolean {
  const others = readBerElements(message, operation.end, end);
  return (
    others?.every((other) => other.tag !== CONTROLS || isListOf(message, other, isControl)) === true &&
    isOperation(message, operation)
  );
}

function isOperation(bytes: Buffer, operation: BerElement): boolean {
  switch (operation.tag) {
    case OPERATION.searchResultEntry:
      return isEntry(bytes, operation);
    case OPERATION.searchResultReference:
      return isListOf(bytes, operation, isOctets);
    default:
      // A result: its mandatory parts are read here, and it may have others that are yet to be thought of.
      return isListOf(bytes, operation, (_, part) => part.tag !== REFERRAL || isListOf(bytes, part, isOctets));
  }
}

function isEntry(bytes: Buffer, entry: BerElement): boolean {
  const [name, attributes, ...others] = elementsOf(bytes, entry);
  const isWhole = name?.tag === BER.octetString && attributes?.tag === BER.sequence && others.length === 0;
  return isWhole && isListOf(bytes, attributes, isAttribute);
}

function isAttribute(bytes: Buffer, attribute: BerElement): boolean {
  const [type, values, ...others] = elementsOf(bytes, attribute);
  const isWhole = type?.tag === BER.octetString && values?.tag === BER.set && others.length === 0;
  return attribute.tag === BER.sequence && isWhole && isListOf(bytes, values, isOctets);
}

function isControl(bytes: Buffer, control: BerElement): boolean {
  const [type, ...others] = elementsOf(bytes, control);
  const areKnown = others.every(({ tag }) => tag === BER.boolean || tag === BER.octetString);
  return control.tag === BER.sequence && type?.tag === BER.octetString && areKnown;
}

function isOctets(_: Buffer, { tag }: BerElement): boolean {
  return tag === BER.octetString;
}

function isListOf(bytes: Buffer, list: BerElement, isOne: (bytes: Buffer, element: BerElement) => boolean): boolean {
  return readBerElements(bytes, list.start, list.end)?.every((element) => isOne(bytes, element)) === true;
}

function shortText(bytes: Buffer, { start, end }: BerElement): string {
  return bytes.toString('utf8', start, Math.min(end, start + MAX_TEXT)).replace(/\0+$/, '');
}

/** The cookie of a paged results control's value (RFC 2696 §2); empty at the end, undefined where it cannot be read. */
export function readPagedCookie(value: Buffer): Buffer | undefined {
  const outer = readBerElement(value, 0, value.length);
  if (outer?.tag !== BER.sequence) return undefined;
  const [, cookie] = elementsOf(value, outer);
  return cookie?.tag === BER.octetString ? Buffer.from(value.subarray(cookie.start, cookie.end)) : undefined;
}
