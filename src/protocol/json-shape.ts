/** What a text may hold, whatever it means. */
export interface ShapeLimits {
  /** Levels of arrays and objects. */
  readonly maxDepth: number;
  /** Values of every kind, the members of objects and the elements of arrays among them. */
  readonly maxValues: number;
}

/**
 * `readable`: the text is within the limits, so that it may be parsed, if only to say that it is no JSON; `at`: where in it the
 * problem is, where that is one place.
 */
export type Shape =
  | { readonly ok: true }
  | { readonly ok: false; readonly problem: string; readonly readable: boolean; readonly at?: number };

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Judges the shape of a JSON text (RFC 8259) before anything is made of it: its depth, its size in values, and that no object
 * names a member twice, which RFC 8259 §4 leaves to each reader's fancy, so that a checker and a doer could read two things.
 * One pass, and no further than the limits. Says nothing of whether the text is JSON; where it is not, a problem that is found
 * may be none. Never throws.
 */
export function judgeShape(text: string, { maxDepth, maxValues }: ShapeLimits): Shape {
  // For each open container its names so far; null in an array.
  const open: (Set<string> | null)[] = [];
  let values = 0;
  let nameFrom = -1;
  let repeated: { readonly name: string; readonly at: number } | null = null;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        open.push(text.charCodeAt(at) === OPEN_OBJECT ? new Set() : null);
        values += 1;
        if (open.length > maxDepth) return { ok: false, problem: `nested deeper than ${maxDepth} levels`, readable: false };
        break;
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        open.pop();
        break;
      case COMMA:
        values += 1;
        break;
      case QUOTE:
        nameFrom = at;
        at = endOfString(text, at);
        break;
      case COLON: {
        const names = open.at(-1);
        if (names === null || names === undefined || nameFrom < 0) break;
        const name = nameAt(text, nameFrom);
        if (names.has(name)) repeated ??= { name, at: nameFrom };
        names.add(name);
        // Read once: a text of one long name and a million colons would take minutes.
        nameFrom = -1;
        // In a JSON text there are commas between names, which are counted.
        if (names.size > maxValues) return { ok: false, problem: `more than ${maxValues} values`, readable: false };
        break;
      }
    }
    if (values > maxValues) return { ok: false, problem: `more than ${maxValues} values`, readable: false };
  }
  return repeated === null
    ? { ok: true }
    : {
        ok: false,
        problem: `two members of one object are called ${JSON.stringify(repeated.name.slice(0, 64))}`,
        readable: true,
        at: repeated.at,
      };
}

/** The index of the quote that ends the string begun at `from`; the last index of the text where none does. */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return at;
  }
  return text.length - 1;
}

/** The name that begins there, as it reads without its escapes: two spellings of one name are one name. */
function nameAt(text: string, from: number): string {
  const quoted = text.slice(from, endOfString(text, from) + 1);
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return String(JSON.parse(quoted));
  } catch {
    return quoted;
  }
}
