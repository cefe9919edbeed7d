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
