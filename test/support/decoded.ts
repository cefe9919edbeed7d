import { type LdapEnvelope, OPERATION } from '../../src/directory/ldap/ldap-message.ts';
import type { WantedAttribute } from '../../src/directory/ldap/reader/attribute-places.ts';
import { berElement, berNumber, berText } from '../../src/directory/ldap/reader/ber-writer.ts';
import { MessageDecoder } from '../../src/directory/ldap/reader/message-decoder.ts';

/** An entry as a test writes it. */
export interface WrittenEntry {
  readonly id: number;
  readonly dn: string;
  readonly attributes: readonly (readonly [type: string, values: readonly Buffer[]])[];
  readonly controls: readonly (readonly [type: string, value: Buffer])[];
}

/** A SearchResultEntry (RFC 4511 §4.5.2). */
export function writtenEntry({ id, dn, attributes, controls }: WrittenEntry): Buffer {
  const list = attributes.map(([type, values]) =>
    berElement(0x30, berText(type), berElement(0x31, ...values.map((value) => berElement(0x04, value)))),
  );
  const operation = berElement(OPERATION.searchResultEntry, berText(dn), berElement(0x30, ...list));
  const behind = controls.map(([type, value]) => berElement(0x30, berText(type), berElement(0x04, value)));
  return berElement(0x30, berNumber(0x02, id), operation, ...(behind.length === 0 ? [] : [berElement(0xa0, ...behind)]));
}

/** A SearchResultDone that says success. */
export function writtenDone(id: number): Buffer {
  const operation = berElement(OPERATION.searchResultDone, Buffer.from('0a010004000400', 'hex'));
  return berElement(0x30, berNumber(0x02, id), operation);
}

/** What a decoder told, in a form that can be compared; values in parts are joined, since where they are cut is not said. */
export interface Told {
  readonly entries: readonly unknown[];
  readonly others: readonly string[];
}

/** Feeds a decoder with chunks. Throws what it throws. */
export function decoded(wanted: readonly WantedAttribute[], chunks: Iterable<Buffer>): Told {
  const entries: unknown[] = [];
  const others: string[] = [];
  let parts: { place: number; values: string[] }[] = [];
  const decoder = new MessageDecoder(wanted, {
    values(_, place, values) {
      const last = parts.at(-1);
      if (last?.place === place) last.values.push(...values);
      else parts.push({ place, values: [...values] });
    },
    entry({ messageId, dn, texts, bytes, ranges, controls }) {
      entries.push({
        messageId,
        dn,
        texts,
        bytes: bytes.map((values) => values.map((value) => value.toString('hex'))),
        ranges: wanted.map((_, place) => ranges[place] ?? null),
        controls: [...controls].map(([type, value]) => [type, value.toString('hex')]),
        parts,
      });
      parts = [];
    },
    other: (message: Buffer, { messageId, operation }: LdapEnvelope) =>
      void others.push(`${messageId} ${operation.tag} ${message.toString('hex')}`),
  });
  for (const chunk of chunks) decoder.feed(chunk);
  return { entries, others };
}

/** Bytes cut into chunks of the lengths that are given in turn. */
export function* cut(bytes: Buffer, lengths: readonly number[]): Generator<Buffer> {
  let at = 0;
  for (let i = 0; at < bytes.length; i += 1) {
    const length = lengths[i % lengths.length] ?? 1;
    // A copy, since a socket gives each in memory of its own.
    yield Buffer.from(bytes.subarray(at, at + length));
    at += length;
  }
}
