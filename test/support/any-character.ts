import fc from 'fast-check';

const SURROGATES = 0x800;
const FIRST_SURROGATE = 0xd800;
const CODE_POINTS = 0x11_0000;

/**
 * Any character of the Unicode standard: the unit `binary` of fast-check, which makes a table of all of them to find one back, for
 * which it takes seconds and 200 MB.
 */
export const anyCharacter: fc.Arbitrary<string> = fc
  .nat({ max: CODE_POINTS - SURROGATES - 1 })
  .map((place) => String.fromCodePoint(place < FIRST_SURROGATE ? place : place + SURROGATES), placeOf);

/** Throws for what is not one character, which is how fast-check is told so. */
function placeOf(character: unknown): number {
  const code = typeof character === 'string' ? character.codePointAt(0) : undefined;
  if (code === undefined || String.fromCodePoint(code) !== character) throw new Error('is not one character');
  if (code >= FIRST_SURROGATE && code < FIRST_SURROGATE + SURROGATES) throw new Error('is half a character');
  return code < FIRST_SURROGATE ? code : code - SURROGATES;
}
