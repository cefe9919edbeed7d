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
  #end = 0;
  #needed = 1;
  #isOwn = false;

  get isEmpty(): boolean {
    return this.at === this.#end;
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
    return this.readHeader(this.at, limit) && this.needs(this.contents - this.at + this.length);
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
