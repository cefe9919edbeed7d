/**
 * Just enough of DER (X.690) to write a certificate: each function returns the encoding of one value.
 * Written here because the packages that do it bring a dozen others along, for one developer's tool.
 */

/** One value: its tag, its length and its contents. */
export function tlv(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), length(body.length), body]);
}

function length(count: number): Buffer {
  if (count < 0x80) return Buffer.from([count]);
  const bytes: number[] = [];
  for (let rest = count; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff);
  return Buffer.from([0x80 | bytes.length, ...bytes]);
}

export function sequence(...members: readonly Uint8Array[]): Buffer {
  return tlv(0x30, ...members);
}

export function setOf(member: Uint8Array): Buffer {
  return tlv(0x31, member);
}

export function boolean(value: boolean): Buffer {
  return tlv(0x01, Buffer.from([value ? 0xff : 0]));
}

/** A positive integer, from its bytes, most significant first. */
export function integer(bytes: Uint8Array): Buffer {
  const from = bytes.findIndex((byte) => byte !== 0);
  const significant = from < 0 ? Buffer.from([0]) : Buffer.from(bytes.subarray(from));
  // A leading bit would make it negative (X.690 §8.3).
  return (significant[0] ?? 0) >= 0x80 ? tlv(0x02, Buffer.from([0]), significant) : tlv(0x02, significant);
}

export function octetString(contents: Uint8Array): Buffer {
  return tlv(0x04, contents);
}

export function bitString(contents: Uint8Array, unusedBits = 0): Buffer {
  return tlv(0x03, Buffer.from([unusedBits]), contents);
}

export function utf8String(text: string): Buffer {
  return tlv(0x0c, Buffer.from(text, 'utf8'));
}

/** An object identifier, from its dotted form (X.690 §8.19). */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...others] = dotted.split('.').map(Number);
  return tlv(0x06, Buffer.from([first * 40 + second, ...others.flatMap(base128)]));
}

function base128(arc: number): number[] {
  const bytes = [arc & 0x7f];
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift((rest & 0x7f) | 0x80);
  return bytes;
}

/** A time, as RFC 5280 §4.1.2.5 wants it: UTCTime through 2049, GeneralizedTime later. */
export function time(epochMs: number): Buffer {
  const digits = new Date(epochMs).toISOString().replace(/[-:T]|\.\d+/g, '');
  return Number(digits.slice(0, 4)) < 2050 ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits));
}
