import { BER } from '../ber.ts';

/** One element of the Basic Encoding Rules as LDAP uses them (RFC 4511 §5.1), with its length in as few bytes as it takes. */
export function berElement(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) bytes.unshift(left % 256);
  const header = length < 0x80 ? [tag, length] : [tag, 0x80 | bytes.length, ...bytes];
  return Buffer.concat([Buffer.from(header), ...parts]);
}

/** A non-negative INTEGER or ENUMERATED, below 2^31. */
export function berNumber(tag: number, value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(value, 1);
  // As short as it can be, and with a sign bit of nought (X.690 §8.3.2).
  let from = 0;
  while (from < 4 && bytes.readUInt8(from) === 0 && bytes.readUInt8(from + 1) < 0x80) from += 1;
  return berElement(tag, bytes.subarray(from));
}

export function berText(text: string): Buffer {
  return berElement(BER.octetString, Buffer.from(text, 'utf8'));
}

export function berBoolean(value: boolean): Buffer {
  return berElement(BER.boolean, Buffer.from([value ? 0xff : 0]));
}
