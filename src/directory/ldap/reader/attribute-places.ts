/** An attribute that is asked for, and as what its values are wanted: `parts` are given while the entry is still coming. */
export interface WantedAttribute {
  readonly name: string;
  readonly as: 'text' | 'bytes' | 'parts';
  /** How it is asked for, where that is not its name: with a range. */
  readonly ask?: string;
}

/** The places of the values that an entry was given with, the last one null where these are its last ([MS-ADTS] §3.1.1.3.1.3.3). */
export interface ValueRange {
  readonly from: number;
  readonly to: number | null;
}

/** Where an attribute stands among those that are wanted, below nought where it is none of them, and which of its values it came with. */
export interface KnownType {
  readonly place: number;
  readonly range: ValueRange | undefined;
}

/** Finds wanted attributes by their types as they come. */
export interface AttributePlaces {
  /** Called before the attributes of each entry. */
  begin(): void;
  /** The next attribute of the entry. Options are those of a range; what has others was not asked for. */
  of(bytes: Buffer, from: number, to: number): KnownType;
}

const UNKNOWN: KnownType = { place: -1, range: undefined };
/** Types remembered, each as it came: a server has a few for each that is asked, and more with ranges. */
const MOST_TYPES = 256;
/** A server gives the attributes of like entries in one order, so that most types are where they were the last time. */
const MOST_EXPECTED = 64;

export function attributePlaces(wanted: readonly WantedAttribute[]): AttributePlaces {
  const places = new Map(wanted.map(({ name }, place) => [name.toLowerCase(), place]));
  const known = new Map<string, KnownType>();
  const expected: { readonly type: Buffer; readonly found: KnownType }[] = [];
  let at = 0;

  const named = (type: string): KnownType => {
    const met = known.get(type);
    if (met !== undefined) return met;
    const [name = '', option, ...others] = type.toLowerCase().split(';');
    const place = places.get(name);
    const range = option === undefined ? undefined : readRange(option);
    const isAsked = place !== undefined && others.length === 0 && (option === undefined || range !== undefined);
    const found = isAsked ? { place, range } : UNKNOWN;
    if (known.size < MOST_TYPES) known.set(type, found);
    return found;
  };

  return {
    begin() {
      at = 0;
    },
    of(bytes, from, to) {
      const guess = expected[at];
      if (guess !== undefined && to - from === guess.type.length && isAt(bytes, from, guess.type)) {
        at += 1;
        return guess.found;
      }
      const found = named(bytes.toString('latin1', from, to));
      if (at < MOST_EXPECTED) expected[at] = { type: Buffer.from(bytes.subarray(from, to)), found };
      at += 1;
      return found;
    },
  };
}

function isAt(bytes: Buffer, from: number, text: Buffer): boolean {
  for (let i = text.length - 1; i >= 0; i -= 1) if (bytes[from + i] !== text[i]) return false;
  return true;
}

function readRange(option: string): ValueRange | undefined {
  const [, from, to] = /^range=(\d{1,9})-(\d{1,9}|\*)$/.exec(option) ?? [];
  if (from === undefined || to === undefined) return undefined;
  return { from: Number(from), to: to === '*' ? null : Number(to) };
}
