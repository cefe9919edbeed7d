import type { ValueRange } from './attribute-places.ts';

/** An entry, or what has come of it. Values stand at the place of their attribute in the list of those that are wanted. */
export interface DecodedEntry {
  readonly messageId: number;
  readonly dn: string;
  /** Values that are not UTF-8 are left out, as nothing that is read as text may have such. */
  readonly texts: (readonly string[])[];
  /** Views of what was received: they hold until the call that gives them returns. */
  readonly bytes: (readonly Buffer[])[];
  /** Of attributes that came with a range. */
  readonly ranges: (ValueRange | undefined)[];
  /** Values of the entry's controls by object identifier, as `bytes`. */
  controls: ReadonlyMap<string, Buffer>;
}

/** Where the values are of an entry that has none yet. */
export type Places = Pick<DecodedEntry, 'texts' | 'bytes'>;

export const NO_TEXTS: readonly string[] = [];
export const NO_BYTES: readonly Buffer[] = [];
const NO_CONTROLS: ReadonlyMap<string, Buffer> = new Map();

export function emptyPlaces(count: number): Places {
  return { texts: Array.from({ length: count }, () => NO_TEXTS), bytes: Array.from({ length: count }, () => NO_BYTES) };
}

export function newEntry(messageId: number, dn: string, { texts, bytes }: Places): DecodedEntry {
  return { messageId, dn, texts: texts.slice(), bytes: bytes.slice(), ranges: [], controls: NO_CONTROLS };
}

/** One more of the values of an attribute. Most have one, and an array that was empty takes room for many when it grows. */
export function withOne<T>(values: T[] | null, value: T): T[] {
  if (values === null) return [value];
  values.push(value);
  return values;
}
