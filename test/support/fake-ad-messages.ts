import { equality, type Filter, type FilterValue } from '../../src/access/filter.ts';
import { type BerElement, berInteger, readBerElement } from '../../src/directory/ldap/ber.ts';
import { type LdapEnvelope, OPERATION, readEnvelope } from '../../src/directory/ldap/ldap-message.ts';

/** A request as a server reads it. */
export type AdRequest =
  | { readonly kind: 'bind'; readonly id: number; readonly name: string; readonly password: string }
  | ({ readonly kind: 'search'; readonly id: number } & AdSearch)
  | ({ readonly kind: 'modify'; readonly id: number } & AdModify)
  | { readonly kind: 'extended'; readonly id: number; readonly name: string }
  | { readonly kind: 'unbind'; readonly id: number };

export interface AdSearch {
  readonly base: string;
  readonly scope: 'base' | 'one' | 'sub';
  readonly sizeLimit: number;
  readonly filter: Filter;
  readonly attributes: readonly string[];
  /** Values of the request's controls, by object identifier. */
  readonly controls: ReadonlyMap<string, Buffer>;
}

export interface AdModify {
  readonly dn: string;
  readonly changes: readonly { operation: 'add' | 'delete' | 'replace'; attribute: string; values: readonly string[] }[];
}

/** A result as a server gives it (RFC 4511 §4.1.9). */
export interface AdResult {
  readonly code: number;
  readonly text?: string;
  readonly matchedDn?: string;
  readonly referral?: readonly string[];
}

export const PAGED_RESULTS = '1.2.840.113556.1.4.319';
/** The choice of a bind by password (RFC 4511 §4.2). */
const SIMPLE = 0x80;
const SCOPES = ['base', 'one', 'sub'] as const;
const OPERATIONS = ['add', 'delete', 'replace'] as const;

/** Reads one whole message of a client. Throws at what the fake does not speak: the connector would not send it. */
export function readRequest(message: Buffer): AdRequest {
  const envelope = readEnvelope(message);
  if (envelope === undefined) throw new Error('a message that is none');
  const { messageId: id, operation } = envelope;
  const parts = childrenOf(message, operation);
  const [first, second, third] = parts;
  if (operation.tag === OPERATION.bindRequest && third?.tag !== SIMPLE) throw new Error('a bind that is not simple');
  switch (operation.tag) {
    case OPERATION.bindRequest:
      return { kind: 'bind', id, name: textOf(message, second), password: textOf(message, third) };
    case OPERATION.searchRequest:
      return { kind: 'search', id, ...readSearch(message, { parts, envelope }) };
    case OPERATION.modifyRequest:
      return { kind: 'modify', id, dn: textOf(message, first), changes: readChanges(message, second) };
    case OPERATION.extendedRequest:
      return { kind: 'extended', id, name: textOf(message, first) };
    case OPERATION.unbindRequest:
      return { kind: 'unbind', id };
    default:
      throw new Error(`an operation with the tag ${operation.tag}`);
  }
}

function readSearch(message: Buffer, { parts, envelope }: { parts: readonly BerElement[]; envelope: LdapEnvelope }): AdSearch {
  const [base, scope, , sizeLimit, , , filter, attributes] = parts;
  const controls = readBerElement(message, envelope.operation.end, envelope.end);
  return {
    base: textOf(message, base),
    scope: SCOPES[integerOf(message, scope)] ?? 'sub',
    sizeLimit: integerOf(message, sizeLimit),
    filter: readFilter(message, existing(filter)),
    attributes: childrenOf(message, existing(attributes)).map((one) => textOf(message, one)),
    controls: new Map(
      (controls === undefined ? [] : childrenOf(message, controls)).map((control) => {
        const [type, ...rest] = childrenOf(message, control);
        return [textOf(message, type), bytesOf(message, rest.at(-1) ?? existing(type))];
      }),
    ),
  };
}

function readChanges(message: Buffer, changes: BerElement | undefined): AdModify['changes'] {
  return childrenOf(message, existing(changes)).map((change) => {
    const [operation, modification] = childrenOf(message, change);
    const [attribute, values] = childrenOf(message, existing(modification));
    return {
      operation: OPERATIONS[integerOf(message, operation)] ?? 'replace',
      attribute: textOf(message, attribute),
      values: childrenOf(message, existing(values)).map((value) => textOf(message, value)),
    };
  });
}

/** RFC 4511 §4.5.1.7. */
function readFilter(message: Buffer, element: BerElement): Filter {
  const parts = () => childrenOf(message, element);
  const all = () => parts().map((part) => readFilter(message, part));
  const assertion = () => {
    const [attribute, value] = parts();
    return { attribute: textOf(message, attribute), value: valueOf(message, existing(value)) };
  };
  switch (element.tag) {
    case 0xa0:
      return { kind: 'and', filters: all() };
    case 0xa1:
      return { kind: 'or', filters: all() };
    case 0xa2:
      return { kind: 'not', filter: readFilter(message, existing(parts()[0])) };
    case 0xa3: {
      const { attribute, value } = assertion();
      return equality(attribute, value);
    }
    case 0xa4:
      return readSubstrings(message, parts());
    case 0xa5:
      return { kind: 'greaterOrEqual', ...assertion() };
    case 0xa6:
      return { kind: 'lessOrEqual', ...assertion() };
    case 0x87:
      return { kind: 'present', attribute: textOf(message, element) };
    case 0xa8:
      return { kind: 'approx', ...assertion() };
    case 0xa9: {
      const part = (tag: number) => valueOf(message, existing(parts().find((one) => one.tag === tag)));
      return { kind: 'extensible', rule: String(part(0x81)), attribute: String(part(0x82)), value: part(0x83) };
    }
    default:
      throw new Error(`a filter with the tag ${element.tag}`);
  }
}

function readSubstrings(message: Buffer, [attribute, pieces]: readonly BerElement[]): Filter {
  const all = childrenOf(message, existing(pieces));
  const tagged = (tag: number) => all.filter((piece) => piece.tag === tag).map((piece) => valueOf(message, piece));
  const [initial = ''] = tagged(0x80);
  const [final = ''] = tagged(0x82);
  return { kind: 'substrings', attribute: textOf(message, attribute), initial, any: tagged(0x81), final };
}

/** How many entries a paged search asks for, and the cookie that it gives back (RFC 2696 §2). */
export function readPage(value: Buffer): { size: number; cookie: string } {
  const [size, cookie] = childrenOf(value, existing(readBerElement(value, 0, value.length)));
  return { size: integerOf(value, size), cookie: textOf(value, cookie) };
}

function childrenOf(message: Buffer, parent: BerElement): readonly BerElement[] {
  const children: BerElement[] = [];
  for (let at = parent.start; at < parent.end; ) {
    const child = existing(readBerElement(message, at, parent.end));
    children.push(child);
    at = child.end;
  }
  return children;
}

function existing<T>(element: T | undefined): T {
  if (element === undefined) throw new Error('a message that lacks a part');
  return element;
}

function bytesOf(message: Buffer, { start, end }: BerElement): Buffer {
  return Buffer.from(message.subarray(start, end));
}

function textOf(message: Buffer, element: BerElement | undefined): string {
  return bytesOf(message, existing(element)).toString('utf8');
}

function valueOf(message: Buffer, element: BerElement): FilterValue {
  const bytes = bytesOf(message, element);
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : Uint8Array.from(bytes);
}

function integerOf(message: Buffer, element: BerElement | undefined): number {
  return berInteger(message, existing(element)) ?? 0;
}

/** An element with a length of four bytes, however short it is: so Active Directory writes all of them. */
function ber(tag: number, ...contents: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(contents.map((part) => (typeof part === 'string' ? Buffer.from(part, 'utf8') : part)));
  const header = Buffer.from([tag, 0x84, 0, 0, 0, 0]);
  header.writeUInt32BE(body.length, 2);
  return Buffer.concat([header, body]);
}

function integer(tag: number, value: number): Buffer {
  const body = Buffer.alloc(4);
  body.writeInt32BE(value);
  return Buffer.concat([Buffer.from([tag, 4]), body]);
}

function whole(id: number, ...parts: readonly Buffer[]): Buffer {
  return ber(0x30, integer(0x02, id), ...parts);
}

const LAST = {
  bind: OPERATION.bindResponse,
  search: OPERATION.searchResultDone,
  modify: OPERATION.modifyResponse,
  extended: OPERATION.extendedResponse,
  unbind: OPERATION.extendedResponse,
} as const satisfies Record<AdRequest['kind'], number>;

/** The last message that answers a request. */
export function resultMessage(request: AdRequest, result: AdResult, more: { controls?: Buffer; value?: string } = {}): Buffer {
  const { controls, value } = more;
  const contents = value === undefined ? resultOf(result) : [...resultOf(result), ber(0x8b, value)];
  return whole(request.id, ber(LAST[request.kind], ...contents), ...(controls === undefined ? [] : [controls]));
}

function resultOf({ code, text = '', matchedDn = '', referral = [] }: AdResult): readonly Buffer[] {
  // Active Directory counts the NUL behind a text as part of it.
  const parts = [integer(0x0a, code), ber(0x04, matchedDn), ber(0x04, text === '' ? '' : `${text}\0`)];
  return referral.length === 0 ? parts : [...parts, ber(0xa3, ...referral.map((uri) => ber(0x04, uri)))];
}

/** RFC 4511 §4.4.1. */
export function noticeOfDisconnection(result: AdResult): Buffer {
  return whole(0, ber(OPERATION.extendedResponse, ...resultOf(result), ber(0x8a, '1.3.6.1.4.1.1466.20036')));
}

export type AdAttributes = readonly (readonly [name: string, values: readonly (string | Buffer)[]])[];

export function entryMessage(id: number, { dn, attributes }: { dn: string; attributes: AdAttributes }): Buffer {
  const lists = attributes.map(([name, values]) =>
    ber(0x30, ber(0x04, name), ber(0x31, ...values.map((value) => ber(0x04, value)))),
  );
  return whole(id, ber(OPERATION.searchResultEntry, ber(0x04, dn), ber(0x30, ...lists)));
}

/** RFC 4511 §4.5.3. */
export function referenceMessage(id: number, uri: string): Buffer {
  return whole(id, ber(OPERATION.searchResultReference, ber(0x04, uri)));
}

/** The control that says where a paged search stands (RFC 2696 §2). */
export function pageControls(cookie: string): Buffer {
  const value = ber(0x30, integer(0x02, 0), ber(0x04, cookie));
  return ber(0xa0, ber(0x30, ber(0x04, PAGED_RESULTS), ber(0x04, value)));
}
