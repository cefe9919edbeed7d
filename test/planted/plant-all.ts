import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Catch, copyOfProject, failedTests, isQuick, type PlantedBug, plantAndRun, type TestRun } from './planted-bug.ts';

/** Copies of the project that are worked on at a time. */
const AT_ONCE = 2;

/**
 * Plants each fault in a copy of the project, the quick ones first, and tells which tests noticed it. Rejects where a test
 * fails without a fault: it would catch everything.
 */
export async function plantAll(
  bugs: readonly PlantedBug[],
  onCatch: (caught: Catch) => void,
): Promise<{ readonly caught: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-planted-'));
  const copies = Array.from({ length: AT_ONCE }, (_, i) => join(folder, String(i)));
  let caught = 0;
  try {
    await Promise.all(copies.map((copy) => copyOfProject(join(import.meta.dirname, '../..'), copy)));
    await inEach(copies, soundRuns(bugs), async (copy, run) => {
      const [failed] = await failedTests(copy, run);
      if (failed !== undefined) throw new Error(`${failed.file} fails without any fault planted: ${failed.title}`);
    });
    await inEach(copies, quickFirst(bugs), async (copy, bug) => {
      const one = await plantAndRun(copy, bug);
      if (one.caughtBy.length > 0) caught += 1;
      onCatch(one);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { caught };
}

/** Does all of the work, one at a time in each copy. */
async function inEach<Work>(
  copies: readonly string[],
  all: readonly Work[],
  work: (copy: string, one: Work) => Promise<void>,
): Promise<void> {
  const waiting = [...all];
  const done = await Promise.allSettled(
    copies.map(async (copy) => {
      for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) await work(copy, one);
    }),
  );
  for (const one of done) if (one.status === 'rejected') throw one.reason;
}

/** Every test that some fault needs, once: the quick ones together, each of the others by itself. */
function soundRuns(bugs: readonly PlantedBug[]): readonly TestRun[] {
  const files = [...new Set(bugs.flatMap(({ tests }) => tests))];
  const others = files
    .filter((file) => !isQuick(file))
    .map((file): TestRun => {
      const patterns = bugs.filter(({ tests }) => tests.includes(file)).map(({ only }) => only);
      const isWhole = patterns.includes(undefined);
      return { files: [file], only: isWhole ? [] : [...new Set(patterns.filter((pattern) => pattern !== undefined))] };
    });
  const quick = files.filter(isQuick);
  return quick.length === 0 ? others : [{ files: quick, only: [] }, ...others];
}

function quickFirst(bugs: readonly PlantedBug[]): readonly PlantedBug[] {
  const cost = ({ tests }: PlantedBug): number => tests.filter((file) => !isQuick(file)).length;
  return bugs.toSorted((one, other) => cost(one) - cost(other));
}
