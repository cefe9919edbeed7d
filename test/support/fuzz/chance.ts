import type { Random } from './target.ts';

/** Choices that follow from a random source. */
export interface Chance {
  below(limit: number): number;
  pick<T>(these: readonly [T, ...T[]]): T;
  /** True so often, from 0 to 1. */
  often(share: number): boolean;
}

export function chance(random: Random): Chance {
  const below = (limit: number) => Math.floor(random() * limit);
  return { below, pick: (these) => these[below(these.length)] ?? these[0], often: (share) => random() < share };
}
