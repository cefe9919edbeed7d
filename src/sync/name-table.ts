import type { NameKey } from '../ledger/snapshots.ts';

/** Whom a name means. `ambiguous`: more than one. */
export type Named = number | 'none' | 'ambiguous';

/** Which user goes by which name, for a directory that is being read whole. Takes about 30 bytes a name. */
export interface NameTable {
  /** The user that went by it before, where that is another one. */
  put(key: NameKey, number: number): number | null;
  find(key: NameKey): Named;
}

const EMPTY = -1;
const AMBIGUOUS = -2;
const FIRST_SIZE = 1_024;

/** Open addressing: keys are hashes already. At most two thirds of the places are taken. */
export function nameTable(): NameTable {
  let keys = new Float64Array(FIRST_SIZE);
  let numbers = new Int32Array(FIRST_SIZE).fill(EMPTY);
  let taken = 0;

  /** The place of the key, or the one where it belongs. */
  function placeOf(key: NameKey): number {
    const mask = numbers.length - 1;
    let place = key & mask;
    while (numbers[place] !== EMPTY && keys[place] !== key) place = (place + 1) & mask;
    return place;
  }

  function grow(): void {
    const [oldKeys, oldNumbers] = [keys, numbers];
    keys = new Float64Array(oldKeys.length * 2);
    numbers = new Int32Array(oldNumbers.length * 2).fill(EMPTY);
    for (let i = 0; i < oldNumbers.length; i += 1) {
      const number = oldNumbers[i] ?? EMPTY;
      if (number === EMPTY) continue;
      const place = placeOf(oldKeys[i] ?? 0);
      keys[place] = oldKeys[i] ?? 0;
      numbers[place] = number;
    }
  }

  return {
    put(key, number) {
      if (taken * 3 >= numbers.length * 2) grow();
      const place = placeOf(key);
      const before = numbers[place] ?? EMPTY;
      if (before === EMPTY) {
        taken += 1;
        keys[place] = key;
        numbers[place] = number;
        return null;
      }
      if (before === number) return null;
      numbers[place] = AMBIGUOUS;
      return before === AMBIGUOUS ? number : before;
    },
    find(key) {
      const number = numbers[placeOf(key)] ?? EMPTY;
      return number === EMPTY ? 'none' : number === AMBIGUOUS ? 'ambiguous' : number;
    },
  };
}
