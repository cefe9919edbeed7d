import { BER } from '../ber.ts';
import { refused } from './refused.ts';

/**
 * Bytes that were received and not yet read, in one piece. What comes is joined to what is left over only once it is enough to
 * go on with, and space is doubled, so that a long value costs no more than a few copies however it is cut. Nothing that was
 * given out is ever written over.
 */
export class HeldBytes {
  bytes: Buffer = Buffer.alloc(0);
  /** Where the next element begins. */
  at = 0;
  /** By how much the last call of `add` moved what is held towards the beginning. */
  moved = 0;
  tag = 0;
  /** Where the contents begin of the element whose header was read last, and how long they are. */
  contents = 0;
  length = 0;
  /** Where the attribute ends that {@link readShortAttribute} read last. */
  valuesEnd = 0;
  #end = 0;
  #needed = 1;
  #isOwn = false;

  get isEmpty(): boolean {
    return this.at === this.#end;
  }

  /** Where ends what has come; beyond that `bytes` may hold anything. */
  get end(): number {
    return this.#end;
  }

  /** False where there is not enough to go on with. */
  add(chunk: Buffer): boolean {
    const held = this.#end - this.at;
    this.moved = 0;
    if (held === 0) this.#replace(chunk);
    else this.#append(chunk, held);
    if (this.#end - this.at < this.#needed) return false;
    this.#needed = 1;
    return true;
  }

  /** Of the header that was read last. */
  hasTag(tag: number): boolean {
    return this.tag === tag;
  }

  /** Whether so many bytes from `at` are there. */
  needs(length: number): boolean {
    if (this.#end - this.at >= length) return true;
    this.#needed = length;
    return false;
  }

  /** Reads a header before `limit`, in which its element must end. False where it is not all there. */
  readHeader(at: number, limit: number): boolean {
    const left = this.#end - at;
    if (limit - at < 2) throw refused('an element that is cut off');
    if (left < 2) return this.needs(at - this.at + 2);
    const { bytes } = this;
    this.tag = bytes[at] ?? 0;
    if ((this.tag & 0x1f) === 0x1f) throw refused('a tag of several bytes');
    const first = bytes[at + 1] ?? 0;
    if (first < 0x80) {
      this.contents = at + 2;
      this.length = first;
    } else {
      const count = first & 0x7f;
      if (count === 0 || count > 4) throw refused(count === 0 ? 'an indefinite length' : `a length of ${count} bytes`);
      if (left < 2 + count) return this.needs(at - this.at + 2 + count);
      this.contents = at + 2 + count;
      this.length = bytes.readUIntBE(at + 2, count);
    }
    if (this.contents + this.length > limit) throw refused('an element that is longer than what it lies in');
    return true;
  }

  /** The same for the element at `at`, with all its contents. */
  readElement(limit: number): boolean {
    const { at, bytes } = this;
    const length = bytes[at + 1] ?? 0;
    const tag = bytes[at] ?? 0;
    // Nearly all are so short that their length is one byte, and have come whole.
    if (at + 2 + length <= this.#end && at + 2 + length <= limit && length < 0x80 && (tag & 0x1f) !== 0x1f) {
      this.tag = tag;
      this.contents = at + 2;
      this.length = length;
      return true;
    }
    return this.readHeader(at, limit) && this.needs(this.contents - at + this.length);
  }

  /**
   * Where the values begin of the attribute (RFC 4511 §4.1.7) at `at`, if it has come whole, is so short that each of its lengths
   * is one byte, and is well-formed; `contents` and `length` are then its type's, and `valuesEnd` is where it ends. Else below
   * nought, which says nothing about what it is.
   */
  readShortAttribute(limit: number): number {
    const { at, bytes } = this;
    const end = at + 2 + (bytes[at + 1] ?? 0);
    if (end > limit || end > this.#end || end < at + 6 || end > at + 0x81) return -1;
    const set = at + 4 + (bytes[at + 3] ?? 0);
    if (set + 2 > end || bytes[at] !== BER.sequence || bytes[at + 2] !== BER.octetString) return -1;
    if (bytes[set] !== BER.set || set + 2 + (bytes[set + 1] ?? 0) !== end) return -1;
    this.contents = at + 4;
    this.length = set - at - 4;
    this.valuesEnd = end;
    return set + 2;
  }

  /** Passes over what is there before `end`. False where that is not all of it. */
  skipTo(end: number): boolean {
    this.at = Math.min(this.#end, end);
    return this.at === end;
  }

  #replace(chunk: Buffer): void {
    this.moved = this.at;
    this.bytes = chunk;
    this.at = 0;
    this.#end = chunk.length;
    this.#isOwn = false;
  }

  #append(chunk: Buffer, held: number): void {
    const total = held + chunk.length;
    if (!this.#isOwn || this.#end + chunk.length > this.bytes.length) {
      const space = Buffer.allocUnsafeSlow(Math.max(total, Math.min(this.#needed, 2 * total)));
      this.bytes.copy(space, 0, this.at, this.#end);
      this.moved = this.at;
      this.bytes = space;
      this.at = 0;
      this.#end = held;
      this.#isOwn = true;
    }
    chunk.copy(this.bytes, this.#end);
    this.#end += chunk.length;
  }
}
