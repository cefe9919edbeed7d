/** The seed of what is chosen at random in this run: TEST_SEED, or one that is always the same. */
export function seedOf(fallback: number): number {
  const given = process.env['TEST_SEED'];
  return given === undefined ? fallback : Number(given);
}

/** The seed of a run that is another each time: TEST_SEED, or one by chance, which the run prints. */
export function seedOfRun(): number {
  return seedOf(1 + Math.floor(Math.random() * 2 ** 31));
}

/** Numbers from 0 to 1 that follow from the seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The same things in an order that chance gives. */
export function shuffled<T>(things: readonly T[], random: () => number): T[] {
  return things
    .map((thing) => ({ thing, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ thing }) => thing);
}
