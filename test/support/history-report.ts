import { inspect } from 'node:util';
import fc from 'fast-check';
import { runHistory } from './engine-history.ts';
import { type History, histories } from './history-steps.ts';

/** What a run of histories came to: null, or how it failed, with the shrunk history as text for a named test. */
export async function checkHistories({
  runs,
  seed,
  path,
}: {
  runs: number;
  seed: number;
  path?: string;
}): Promise<string | null> {
  const property = fc.asyncProperty(histories, (history) => runHistory(history));
  const found = await fc.check(property, { numRuns: runs, seed, ...(path === undefined ? {} : { path }) });
  if (!found.failed) return null;
  const [history] = found.counterexample ?? [];
  const why = found.errorInstance instanceof Error ? found.errorInstance.message : String(found.errorInstance);
  return [
    why,
    `again: TEST_SEED=${found.seed} TEST_PATH=${found.counterexamplePath}`,
    history === undefined ? 'no history' : written(history),
  ].join('\n');
}

/** The seed of a run and, for one history of it, the path: those of the environment, or a seed by chance. */
export function givenOrRandom(): { readonly seed: number; readonly path?: string } {
  const { TEST_SEED: seed, TEST_PATH: path } = process.env;
  if (seed === undefined) return { seed: Math.trunc(Math.random() * 2 ** 30) };
  return { seed: Number(seed), ...(path === undefined ? {} : { path }) };
}

/** A history as it is written into the list of those that were found. */
function written({ server, drift, steps }: History): string {
  const line = (one: unknown): string => inspect(one, { breakLength: Number.POSITIVE_INFINITY, compact: true });
  return `{ rule: '', server: '${server}', drift: '${drift}', steps: [\n${steps.map((one) => `  ${line(one)},`).join('\n')}\n] },`;
}
