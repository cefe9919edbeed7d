import { isAscii } from 'node:buffer';

const REPLACEMENT = '\ufffd';
/** Read at once. A text that is kept keeps what it was read with, so it is not much. */
const WINDOW = 16 * 1024;
const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Reads texts that lie close together, one after the other. What is around them is made one text at once, of which each is then a
 * part: that takes a fifth of the time of asking for each, and directories are made of very short ones.
 */
export class TextReader {
  #bytes: Buffer = NOTHING;
  #from = 0;
  #to = 0;
  /** Of ISO 8859-1, so that each byte is one character. */
  #window = '';
  #isAscii = true;

  /** The UTF-8 text of some bytes; null where they are none. What lies between `to` and `end` must not change any more either. */
  read(bytes: Buffer, { from, to, end }: { from: number; to: number; end: number }): string | null {
    if (to - from > WINDOW) return readText(bytes, from, to);
    if (bytes !== this.#bytes || from < this.#from || to > this.#to) this.#move(bytes, from, Math.min(from + WINDOW, end));
    if (!this.#isAscii && !isAsciiIn(bytes, from, to)) return readText(bytes, from, to);
    return this.#window.slice(from - this.#from, to - this.#from);
  }

  #move(bytes: Buffer, from: number, to: number): void {
    this.#bytes = bytes;
    this.#from = from;
    this.#to = to;
    this.#window = bytes.toString('latin1', from, to);
    this.#isAscii = isAscii(bytes.subarray(from, to));
  }
}

function isAsciiIn(bytes: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i += 1) if ((bytes[i] ?? 0) > 0x7f) return false;
  return true;
}

/** The UTF-8 text of some bytes; null where they are none, which must not be read as a text that somebody else may have. */
function readText(bytes: Buffer, from: number, to: number): string | null {
  // UTF-8 is what is read where no encoding is named, and then without looking one up.
  const text = bytes.toString(undefined, from, to);
  // Only where bytes could not be read does this character stand for anything but itself.
  if (text.includes(REPLACEMENT) && !Buffer.from(text, 'utf8').equals(bytes.subarray(from, to))) return null;
  return text;
}
