import { BerWriter, type Filter as LdaptsFilter } from 'ldapts';

/** Tags of operations (RFC 4511 §4.2, §4.5, §4.6, §4.12), as they stand in a message. */
export const REQUEST = { bind: 0x60, search: 0x63, modify: 0x66, extended: 0x77 } as const;
const LAST_ANSWERS: ReadonlySet<number> = new Set([0x61, 0x65, 0x67, 0x78]);

/** Cuts a stream into LDAP messages (BER, definite lengths: RFC 4511 §5.1). */
export function eachMessage(take: (message: Buffer) => void): (chunk: Buffer) => void {
  let left: Buffer = Buffer.alloc(0);
  return (chunk) => {
    left = Buffer.concat([left, chunk]);
    for (;;) {
      const whole = elementAt(left, 0);
      if (whole === null || left.length < whole.end) return;
      const message = left.subarray(0, whole.end);
      left = left.subarray(whole.end);
      take(message);
    }
  };
}

/** Where the contents of the element at `at` begin and end; null while its header is not complete. */
function elementAt(bytes: Buffer, at: number): { begin: number; end: number } | null {
  const first = bytes[at + 1];
  if (first === undefined) return null;
  if (first < 0x80) return { begin: at + 2, end: at + 2 + first };
  const count = first & 0x7f;
  if (bytes.length < at + 2 + count) return null;
  const begin = at + 2 + count;
  return { begin, end: begin + bytes.readUIntBE(at + 2, count) };
}

/** The id of a message, the tag of its operation, and where that stands. */
export function envelopeOf(message: Buffer): { id: number; tag: number; tagAt: number } {
  const id = elementAt(message, elementAt(message, 0)?.begin ?? 0);
  const tag = id === null ? undefined : message[id.end];
  if (id === null || tag === undefined) throw new Error('a message without an operation');
  return { id: message.readUIntBE(id.begin, id.end - id.begin), tag, tagAt: id.end };
}

/** Whether nothing more will answer the request that this message answers. */
export function isLastAnswer(tag: number): boolean {
  return LAST_ANSWERS.has(tag);
}

/** One LDAPMessage with an operation of that tag, and what comes behind it. */
export function ldapMessage(id: number, tag: number, contents: Buffer, ...behind: readonly Buffer[]): Buffer {
  return berElement(0x30, Buffer.from([0x02, 0x01, id]), berElement(tag, contents), ...behind);
}

export function berElement(tag: number, ...parts: readonly Buffer[]): Buffer {
  const contents = Buffer.concat(parts);
  const { length } = contents;
  const header =
    length < 0x80 ? [tag, length] : [tag, 0x84, length >>> 24, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff];
  return Buffer.concat([Buffer.from(header), contents]);
}

export function octets(text: string): Buffer {
  return berElement(0x04, Buffer.from(text));
}

/** The contents of a SearchResultEntry (RFC 4511 §4.5.2). */
export function entryContents(name: string, attributes: Readonly<Record<string, readonly string[]>> = {}): Buffer {
  const list = Object.entries(attributes).map(([type, values]) =>
    berElement(0x30, octets(type), berElement(0x31, ...values.map(octets))),
  );
  return Buffer.concat([octets(name), berElement(0x30, ...list)]);
}

/** The mandatory contents of an LDAPResult (RFC 4511 §4.1.9) that says success. */
export const SUCCESS_CONTENTS = Buffer.from('0a010004000400', 'hex');

/** One element of BER: its tag and its contents. */
export interface Element {
  readonly tag: number;
  readonly contents: Buffer;
}

/** The elements that stand in a row. Throws where they are cut off. */
export function elementsIn(bytes: Buffer): readonly Element[] {
  const elements: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [tag, whole] = [bytes[at], elementAt(bytes, at)];
    if (tag === undefined || whole === null || whole.end > bytes.length) throw new Error('an element that is cut off');
    elements.push({ tag, contents: bytes.subarray(whole.begin, whole.end) });
    at = whole.end;
  }
  return elements;
}

function operationOf(message: Buffer): Element {
  const [whole] = elementsIn(message);
  const operation = whole === undefined ? undefined : elementsIn(whole.contents)[1];
  if (operation === undefined) throw new Error('a message without an operation');
  return operation;
}

/** What a ModifyRequest asks for (RFC 4511 §4.6). */
export interface SentModify {
  readonly dn: string;
  readonly changes: readonly { readonly change: string; readonly attribute: string; readonly values: readonly string[] }[];
}

const CHANGES = ['add', 'delete', 'replace'];

/** Null where the message is no ModifyRequest. */
export function modifyOf(message: Buffer): SentModify | null {
  const { tag, contents } = operationOf(message);
  if (tag !== REQUEST.modify) return null;
  const [object, changes] = elementsIn(contents);
  if (object === undefined || changes === undefined) throw new Error('no ModifyRequest');
  return {
    dn: object.contents.toString(),
    changes: elementsIn(changes.contents).map((one) => {
      const [kind, modification] = elementsIn(one.contents);
      const [type, values] = elementsIn(modification?.contents ?? Buffer.alloc(0));
      if (kind === undefined || type === undefined || values === undefined) throw new Error('no change');
      return {
        change: CHANGES[kind.contents[0] ?? -1] ?? String(kind.contents[0]),
        attribute: type.contents.toString(),
        values: elementsIn(values.contents).map(({ contents: value }) => value.toString()),
      };
    }),
  };
}

/** A SearchRequest (RFC 4511 §4.5.1): its filter as a text in which each value is `?`, and the values, in order. */
export interface SentSearch {
  readonly base: string;
  readonly shape: string;
  readonly values: readonly Buffer[];
  /** The attributes that are wanted; none would mean all of them. */
  readonly attributes: readonly string[];
}

/** A filter as it is sent, alone. */
export function sentFilter(filter: LdaptsFilter): Pick<SentSearch, 'shape' | 'values'> {
  const writer = new BerWriter();
  filter.write(writer);
  const [whole] = elementsIn(writer.buffer);
  if (whole === undefined) throw new Error('no filter');
  const values: Buffer[] = [];
  return { shape: shapeOf(whole, values), values };
}

/** Null where the message is no SearchRequest. */
export function searchOf(message: Buffer): SentSearch | null {
  const { tag, contents } = operationOf(message);
  if (tag !== REQUEST.search) return null;
  const [base, , , , , , filter, attributes] = elementsIn(contents);
  if (base === undefined || filter === undefined || attributes === undefined) throw new Error('no SearchRequest');
  const values: Buffer[] = [];
  return {
    base: base.contents.toString(),
    shape: shapeOf(filter, values),
    values,
    attributes: elementsIn(attributes.contents).map(({ contents: name }) => name.toString()),
  };
}

const COMPOUND: Readonly<Record<number, string>> = { 0xa0: '&', 0xa1: '|', 0xa2: '!' };
const COMPARISON: Readonly<Record<number, string>> = { 0xa3: '=', 0xa5: '>=', 0xa6: '<=', 0xa8: '~=' };
const SUBSTRINGS = 0xa4;
const PRESENT = 0x87;
const EXTENSIBLE = 0xa9;
/** The parts of a MatchingRuleAssertion. */
const [MATCHING_RULE, MATCH_TYPE, MATCH_VALUE] = [0x81, 0x82, 0x83];

function shapeOf({ tag, contents }: Element, values: Buffer[]): string {
  const compound = COMPOUND[tag];
  if (compound !== undefined)
    return `(${compound}${elementsIn(contents)
      .map((one) => shapeOf(one, values))
      .join('')})`;
  if (tag === PRESENT) return `(${contents.toString()}=*)`;
  if (tag === EXTENSIBLE) {
    const parts = elementsIn(contents);
    const part = (which: number): Buffer => parts.find((one) => one.tag === which)?.contents ?? Buffer.alloc(0);
    values.push(part(MATCH_VALUE));
    return `(${part(MATCH_TYPE).toString()}:${part(MATCHING_RULE).toString()}:=?)`;
  }
  const [attribute, value] = elementsIn(contents);
  if (attribute === undefined || value === undefined) throw new Error(`no filter: ${tag}`);
  const name = attribute.contents.toString();
  if (tag === SUBSTRINGS) {
    const parts = elementsIn(value.contents);
    values.push(...parts.map((part) => part.contents));
    return `(${name} contains ${parts.map(() => '?').join(' ')})`;
  }
  const comparison = COMPARISON[tag];
  if (comparison === undefined) throw new Error(`no filter: ${tag}`);
  values.push(value.contents);
  return `(${name}${comparison}?)`;
}
