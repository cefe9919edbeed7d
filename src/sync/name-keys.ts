import { foldDn, parseDn } from '../access/dn.ts';
import type { NameKey } from '../ledger/snapshots.ts';

/** What kind of name a key is of: equal texts of two kinds are two names. */
export type NameKind = 'dn' | 'uid' | 'id' | 'username' | 'email' | 'primary';

/** Makes the keys of names. */
export interface NameKeys {
  /** Of a distinguished name, however it is spelt; of a text that is none, as it stands. */
  dn(text: string): NameKey;
  /** Of any other name, as it stands. */
  plain(kind: Exclude<NameKind, 'dn'>, text: string): NameKey;
}

const SALTS: Record<NameKind, number> = {
  dn: 0x243f6a88,
  uid: 0x13198a2e,
  id: 0x03707344,
  username: 0x299f31d0,
  email: 0x082efa98,
  primary: 0x452821e6,
};

/** A name whose folded form is its lower case: neither escapes nor runs of blanks, and nothing beyond ASCII. */
const PLAIN_DN =
  /^[A-Za-z][A-Za-z0-9-]*=[A-Za-z0-9._@-]+(?: [A-Za-z0-9._@-]+)*(?:,[A-Za-z][A-Za-z0-9-]*=[A-Za-z0-9._@-]+(?: [A-Za-z0-9._@-]+)*)*$/;

/** Keys under one seed, which nobody outside can know: names that share a key cannot be made on purpose. */
export function nameKeys(seed: number): NameKeys {
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32) >>> 0;
  const keyOf = (kind: NameKind, text: string): NameKey => hashed(text, { low: low ^ SALTS[kind], high: high ^ SALTS[kind] });
  return {
    dn: (text) => keyOf('dn', foldedDn(text)),
    plain: (kind, text) => keyOf(kind, text),
  };
}

/** The name as `foldDn` writes it; a text that is no name, as it stands. */
export function foldedDn(text: string): string {
  if (PLAIN_DN.test(text)) return text.toLowerCase();
  const parsed = parseDn(text);
  return parsed.ok ? foldDn(parsed.value) : text;
}

/** Two multiplicative hashes of 32 bits over the text's code units, mixed (as MurmurHash3 ends) and joined to 53 bits. */
function hashed(text: string, seed: { readonly low: number; readonly high: number }): number {
  let one = seed.low ^ 0xdeadbeef;
  let two = seed.high ^ 0x41c6ce57;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    one = Math.imul(one ^ unit, 2_654_435_761);
    two = Math.imul(two ^ unit, 1_597_334_677);
    one = (one << 13) | (one >>> 19);
  }
  one ^= text.length;
  one = Math.imul(one ^ (one >>> 16), 2_246_822_507) ^ Math.imul(two ^ (two >>> 13), 3_266_489_909);
  two = Math.imul(two ^ (two >>> 16), 2_246_822_507) ^ Math.imul(one ^ (one >>> 13), 3_266_489_909);
  return 2 ** 32 * (two & 0x1fffff) + (one >>> 0);
}
