import assert from 'node:assert/strict';
import { type Element, elementsIn } from '../ldap-messages.ts';

const SEARCH_DONE = 0x65;
const SEARCH_ENTRY = 0x64;

/**
 * An answer as RFC 4511 has it, and nothing of ours: the names of its entries, and its result. Throws where the bytes hold no
 * whole answer to that message.
 */
export function plainEntries(bytes: Buffer, id: number, last = SEARCH_DONE): { entries: readonly string[]; code: number } {
  const entries: string[] = [];
  for (let at = 0; ; ) {
    const end = endOf(bytes, at);
    const [message] = elementsIn(bytes.subarray(at, end));
    const [messageId, body] = elementsIn(message?.contents ?? Buffer.alloc(0));
    assert.equal(message?.tag, 0x30);
    assert.equal(messageId?.tag, 0x02);
    at = end;
    if (numberIn(messageId) !== id || body === undefined) continue;
    const parts = elementsIn(body.contents);
    if (body.tag === SEARCH_ENTRY) entries.push(parts[0]?.contents.toString() ?? '');
    if (body.tag !== last) continue;
    assert.equal(parts[0]?.tag, 0x0a);
    return { entries, code: numberIn(parts[0]) };
  }
}

function numberIn(element: Element | undefined): number {
  return Number(`0x${element?.contents.toString('hex')}`);
}

/** Where the element at `at` ends (X.690 §8.1.3, definite lengths). */
function endOf(bytes: Buffer, at: number): number {
  const first = bytes[at + 1];
  assert.ok(first !== undefined, 'no whole answer');
  if (first < 0x80) return at + 2 + first;
  return at + 2 + (first & 0x7f) + bytes.readUIntBE(at + 2, first & 0x7f);
}
