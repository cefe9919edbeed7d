/** A secret as this folder needs it: something that can tell its text. */
export interface KnownSecret {
  reveal(): string;
}

/** Replaces known secrets in text; the last line of defence, after never logging one. */
export interface Scrubber {
  /**
   * From now on this secret is replaced too. Secrets of fewer than 4 characters are not: they are found in every word. Of one `kind`,
   * such as the token of a login that is made anew for ever, the last eight are known; without a kind it is known for good.
   */
  readonly learn: (secret: KnownSecret, kind?: string) => void;
  /**
   * Replaces the secret as it is, and as base64, base64url, hexadecimal or URI encoding would show it, each line of one that has
   * several, and either half of a long one, so that it does not show where it was cut in two.
   */
  readonly text: (text: string) => string;
  /** The same for a line of JSON: each form as a JSON string shows it. */
  readonly jsonLine: (line: string) => string;
}

const MIN_LENGTH = 4;
/** Shorter runs of base64 are found in ordinary text. */
const MIN_BASE64_LENGTH = 6;
/** Shorter halves, and shorter lines of a key, are found in ordinary text. */
const MIN_PART_LENGTH = 12;
/** More than are in use at one time, and few enough to look for all of them in each line. */
const KEPT = 8;
const REDACTED = '[redacted]';

/** How one secret is found, in text and in a line of JSON. */
interface Forms {
  readonly text: readonly string[];
  readonly json: readonly string[];
}

/** A scrubber that knows these secrets, and learns more. */
export function createScrubber(secrets: readonly KnownSecret[] = []): Scrubber {
  let textForms: readonly string[] = [];
  let jsonForms: readonly string[] = [];
  /** Of each kind the forms of each secret, the one that was read last at the end. */
  const known = new Map<string | undefined, Map<string, Forms>>();

  const learn: Scrubber['learn'] = (secret, kind) => {
    const value = secret.reveal();
    if (value.length < MIN_LENGTH) return;
    const ofKind = known.get(kind) ?? new Map<string, Forms>();
    known.set(kind, ofKind);
    const before = ofKind.get(value);
    ofKind.delete(value);
    ofKind.set(value, before ?? allForms(value));
    if (before !== undefined) return;
    const [oldest] = ofKind.keys();
    if (kind !== undefined && ofKind.size > KEPT && oldest !== undefined) ofKind.delete(oldest);
    const all = [...known.values()].flatMap((some) => [...some.values()]);
    textForms = longestFirst(new Set(all.flatMap(({ text }) => text)));
    jsonForms = longestFirst(new Set(all.flatMap(({ json }) => json)));
  };
  for (const secret of secrets) learn(secret);

  return {
    learn,
    text: (text) => replaced(text, textForms),
    jsonLine: (line) => replaced(line, jsonForms),
  };
}

function allForms(value: string): Forms {
  const forms = [value, ...partsOf(value)].flatMap(formsOf);
  // JSON that stands in a text too: what the line is cleaned of afterwards would hide it from `jsonLine`.
  const inJson = forms.map(jsonEscaped);
  return { text: [...forms, ...inJson], json: [...inJson, ...inJson.map(jsonEscaped)] };
}

function replaced(text: string, forms: readonly string[]): string {
  let out = text;
  for (const form of forms) if (out.includes(form)) out = out.replaceAll(form, REDACTED);
  return out;
}

/** A form that contains another must go first, or its rest would stay. */
function longestFirst(forms: ReadonlySet<string>): readonly string[] {
  return [...forms].toSorted((one, other) => other.length - one.length);
}

function jsonEscaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** The halves of a long secret, and the lines of a key in PEM but for those that name its kind (RFC 7468 §2). */
function partsOf(value: string): readonly string[] {
  const half = Math.ceil(value.length / 2);
  const lines = value.includes('\n') ? value.split(/\r?\n/).filter((line) => !line.startsWith('-----')) : [];
  return [value.slice(0, half), value.slice(-half), ...lines].filter(
    (part) => part.length >= MIN_PART_LENGTH && !part.startsWith('-----'),
  );
}

function formsOf(value: string): readonly string[] {
  const wellFormed = value.toWellFormed();
  const uri = encodeURIComponent(wellFormed);
  const query = new URLSearchParams({ s: wellFormed }).toString().slice(2);
  const encoded = [uri, encodeURI(wellFormed), query].flatMap((form) => [
    form,
    form.replace(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase()),
  ]);
  const bytes = Buffer.from(wellFormed, 'utf8');
  const hex = bytes.toString('hex');
  const escaped = hex.replace(/../g, '%$&');
  return [value, ...encoded, hex, hex.toUpperCase(), escaped, escaped.toUpperCase(), ...base64Forms(bytes)];
}

/**
 * What is sure to appear in the base64 of any text that holds the secret (`Basic` credentials, a whole bind request): the
 * secret may begin at any of three places in a group of 3 bytes, and its first and last digits depend on its neighbours.
 */
function base64Forms(bytes: Buffer): readonly string[] {
  return [0, 1, 2].flatMap((offset) => {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes]);
    const first = Math.ceil((offset * 8) / 6);
    const last = Math.floor((shifted.length * 8) / 6);
    return (['base64', 'base64url'] as const)
      .map((encoding) => shifted.toString(encoding).slice(first, last))
      .filter((form) => form.length >= MIN_BASE64_LENGTH);
  });
}
