const REPLACEMENT = '\ufffd';

/** The UTF-8 text of some bytes; null where they are none, which must not be read as a text that somebody else may have. */
export function readText(bytes: Buffer, from: number, to: number): string | null {
  // UTF-8 is what is read where no encoding is named, and then without looking one up.
  const text = bytes.toString(undefined, from, to);
  // Only where bytes could not be read does this character stand for anything but itself.
  if (text.includes(REPLACEMENT) && !Buffer.from(text, 'utf8').equals(bytes.subarray(from, to))) return null;
  return text;
}
