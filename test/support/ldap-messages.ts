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
