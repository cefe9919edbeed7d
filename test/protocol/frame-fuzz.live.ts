import { test } from 'node:test';
import { FUZZ_TIMEOUT_MS, fuzzed } from '../support/fuzz/fuzzed.ts';

const timeout = { timeout: FUZZ_TIMEOUT_MS };

test(
  'whatever of a mutated frame is accepted is a frame by independent readings, and nothing throws or dawdles',
  timeout,
  async (t) => {
    await fuzzed(t, { target: 'frames', sample: 200_000 });
  },
);

test(
  'whatever of a mutated job is accepted is a job by independent readings, and its hash says what it asks for',
  timeout,
  async (t) => {
    await fuzzed(t, { target: 'jobs', sample: 200_000 });
  },
);
