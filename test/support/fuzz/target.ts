import { seeded } from '../seeded.ts';

export type Random = () => number;

/** So many cases are made of one whole. */
const FAMILY = 16;

/** Something that is given what nobody should send. */
export interface FuzzTarget {
  /**
   * Makes the case of a seed, has it read, and says what became of it. Throws where something was accepted that an independent
   * reading refuses, or failed in any other way than it may.
   */
  readonly one: (random: Random, seed: number) => string | Promise<string>;
  /** What must have become of some cases each, so that neither everything is refused nor everything taken. */
  readonly outcomes: readonly string[];
}

/** Cases of seeds that follow each other have what they are made of in common, where that takes longer than to spoil it. */
export function inFamilies<Whole>({
  whole,
  one,
  outcomes,
}: Pick<FuzzTarget, 'outcomes'> & {
  readonly whole: (random: Random) => Whole;
  readonly one: (random: Random, whole: Whole) => string | Promise<string>;
}): FuzzTarget {
  let family: { readonly number: number; readonly whole: Whole } | null = null;
  return {
    one(random, seed) {
      const number = Math.floor(seed / FAMILY);
      if (family?.number !== number) family = { number, whole: whole(seeded(number)) };
      return one(random, family.whole);
    },
    outcomes,
  };
}

/** What a run of cases came to. */
export interface FuzzCounts {
  readonly outcomes: Readonly<Record<string, number>>;
  /** Of the case that took longest, in milliseconds of this thread's processor time. */
  readonly longestMs: number;
  /** Of all of them together. */
  readonly cpuMs: number;
}

/** Longest that one case may hold up everything else, in milliseconds of processor time. */
export const MOST_CASE_MS = 200;
/** The first cases of a thread pay for what is loaded and compiled by then, and are not timed. */
const WARM_UP = 200;

/** Runs that many cases, each of a seed of its own: a failure names the seed that is enough to see it again. */
export async function runCases(
  { one }: FuzzTarget,
  { seed, cases }: { readonly seed: number; readonly cases: number },
): Promise<FuzzCounts> {
  const outcomes: Record<string, number> = {};
  const from = threadMs();
  let longestMs = 0;
  for (let at = seed; at < seed + cases; at += 1) {
    const began = performance.now();
    try {
      // oxlint-disable-next-line no-await-in-loop -- one at a time, so that each can be timed
      const outcome = await one(seeded(at), at);
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    } catch (error) {
      throw new Error(`TEST_SEED=${at} TEST_FUZZ_CASES=1: ${String(error)}`, { cause: error });
    }
    // The processor's clock takes as long to read as a case, and cannot say more than that on the wall.
    if (at < seed + WARM_UP || performance.now() - began <= longestMs) continue;
    const before = threadMs();
    // oxlint-disable-next-line no-await-in-loop -- as above
    await one(seeded(at), at);
    const tookMs = threadMs() - before;
    longestMs = Math.max(longestMs, tookMs);
    if (tookMs > MOST_CASE_MS) throw new Error(`TEST_SEED=${at}: held everything else up for ${tookMs} ms`);
  }
  return { outcomes, longestMs, cpuMs: threadMs() - from };
}

/** This thread's processor time, in milliseconds. */
function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
