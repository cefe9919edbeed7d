/** A list of integers of 32 bits that grows: a quarter of what an array of numbers takes. */
export interface GrowingNumbers {
  /** Fills what is between with -1. */
  set(at: number, number: number): void;
  /** -1 where nothing was set. */
  at(at: number): number;
  length(): number;
}

export function growingNumbers(): GrowingNumbers {
  let numbers = new Int32Array(256).fill(-1);
  let length = 0;
  return {
    set(at, number) {
      if (at >= numbers.length) {
        const grown = new Int32Array(Math.max(at + 1, numbers.length * 2)).fill(-1);
        grown.set(numbers);
        numbers = grown;
      }
      numbers[at] = number;
      length = Math.max(length, at + 1);
    },
    at: (at) => numbers[at] ?? -1,
    length: () => length,
  };
}
