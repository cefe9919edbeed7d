import { seeded } from '../seeded.ts';

export type Random = () => number;

/** Something that is given what nobody should send. */
export interface FuzzTarget {
  /**
   * Makes one case, has it read, and says what became of it. Throws where something was accepted that an independent
   * reading refuses, or failed in any other way than it may.
   */
  readonly one: (random: Random) => string | Promise<string>;
  /** What must have become of some cases each, so that neither everything is refused nor everything taken. */
  readonly outcomes: readonly string[];
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
  const threadMs = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  const from = threadMs();
  let longestMs = 0;
  let before = from;
  for (let i = 0; i < cases; i += 1) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- one at a time, so that each can be timed
      const outcome = await one(seeded(seed + i));
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    } catch (error) {
      throw new Error(`TEST_SEED=${seed + i} TEST_FUZZ_CASES=1: ${String(error)}`, { cause: error });
    }
    const now = threadMs();
    const tookMs = now - before;
    before = now;
    if (i < WARM_UP) continue;
    longestMs = Math.max(longestMs, tookMs);
    if (tookMs > MOST_CASE_MS) throw new Error(`TEST_SEED=${seed + i}: held everything else up for ${tookMs} ms`);
  }
  return { outcomes, longestMs, cpuMs: before - from };
}
