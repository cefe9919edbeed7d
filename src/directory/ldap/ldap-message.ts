import { BER, type BerElement, berInteger, readBerElement } from './ber.ts';

/** The application tags of the operations used here (RFC 4511 §4.2 to §4.13). */
export const OPERATION = {
  bindRequest: 0x60,
  bindResponse: 0x61,
  unbindRequest: 0x42,
  searchRequest: 0x63,
  searchResultEntry: 0x64,
  searchResultDone: 0x65,
  searchResultReference: 0x73,
  abandonRequest: 0x50,
  intermediateResponse: 0x79,
  modifyRequest: 0x66,
  modifyResponse: 0x67,
  compareRequest: 0x6e,
  compareResponse: 0x6f,
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

/** Values of controls (RFC 4511 §4.1.11) by object identifier, as views; none where they are not built as they should be. */
export function readControls(message: Buffer, controls: BerElement | undefined): ReadonlyMap<string, Buffer> {
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

/** The elements of one; none where they do not fill it to its last byte. */
export function elementsOf(bytes: Buffer, { start, end }: BerElement): readonly BerElement[] {
  const elements: BerElement[] = [];
  for (let at = start; at < end; ) {
    const element = readBerElement(bytes, at, end);
    if (element === undefined) return [];
    elements.push(element);
    at = element.end;
  }
  return elements;
}

/**
 * Of how many elements an answer is made, or some number above `most`; undefined where it is not built as RFC 4511 says, to its
 * last byte: an element that is longer than what it lies in is read by ldapts again and again, without end, and each time kept.
 */
export function countElements(bytes: Buffer, { operation, end }: LdapEnvelope, most: number): number | undefined {
  const others = countElementsBehind(bytes, { start: operation.end, end }, most);
  const own = countOperation({ bytes, most }, operation);
  return others === undefined || own === undefined ? undefined : others + own;
}

/** The same of what stands behind an operation: its controls (RFC 4511 §4.1.11), and what is yet to be thought of. */
export function countElementsBehind(bytes: Buffer, place: Pick<BerElement, 'start' | 'end'>, most: number): number | undefined {
  return countAll({ bytes, most }, place, countBehind);
}

interface Counted {
  readonly bytes: Buffer;
  readonly most: number;
}

/** How many elements there are in one, itself included; undefined where it is not what it should be. */
type Count = (counted: Counted, element: BerElement) => number | undefined;

function countOperation(counted: Counted, operation: BerElement): number | undefined {
  switch (operation.tag) {
    case OPERATION.searchResultEntry:
      return countEntry(counted, operation);
    case OPERATION.searchResultReference:
      return countAll(counted, operation, countOctets);
    default:
      // Its mandatory parts are read with the result, and it may have others that are yet to be thought of.
      return countAll(counted, operation, countPart);
  }
}

function countPart(counted: Counted, part: BerElement): number | undefined {
  return part.tag === REFERRAL ? countAll(counted, part, countOctets) : 1;
}

function countBehind(counted: Counted, other: BerElement): number | undefined {
  return other.tag === CONTROLS ? countAll(counted, other, countControl) : 1;
}

function countEntry(counted: Counted, entry: BerElement): number | undefined {
  const [name, attributes] = twoIn(counted, entry);
  const isEntry = name?.tag === BER.octetString && attributes?.tag === BER.sequence;
  return isEntry ? countAll(counted, attributes, countAttribute) : undefined;
}

function countAttribute(counted: Counted, attribute: BerElement): number | undefined {
  const [type, values] = attribute.tag === BER.sequence ? twoIn(counted, attribute) : [];
  const isAttribute = type?.tag === BER.octetString && values?.tag === BER.set;
  return isAttribute ? countAll(counted, values, countOctets) : undefined;
}

function countControl(counted: Counted, control: BerElement): number | undefined {
  return control.tag === BER.sequence ? countAll(counted, control, countControlPart) : undefined;
}

function countControlPart(_: Counted, { tag }: BerElement): number | undefined {
  return tag === BER.boolean || tag === BER.octetString ? 1 : undefined;
}

function countOctets(_: Counted, { tag }: BerElement): number | undefined {
  return tag === BER.octetString ? 1 : undefined;
}

/** The two elements that fill another to its last byte, where it is made of two. */
function twoIn({ bytes }: Counted, { start, end }: BerElement): readonly BerElement[] {
  const first = readBerElement(bytes, start, end);
  const second = first && readBerElement(bytes, first.end, end);
  return first !== undefined && second?.end === end ? [first, second] : [];
}

/** One for the list itself, and what is in each of its elements. */
function countAll(counted: Counted, { start, end }: Pick<BerElement, 'start' | 'end'>, count: Count): number | undefined {
  let elements = 1;
  for (let at = start; at < end && elements <= counted.most; ) {
    const element = readBerElement(counted.bytes, at, end);
    const own = element === undefined ? undefined : count(counted, element);
    if (element === undefined || own === undefined) return undefined;
    elements += own;
    at = element.end;
  }
  return elements;
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
