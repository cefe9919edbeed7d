import { test } from 'node:test';
import { FUZZ_TIMEOUT_MS, fuzzed } from '../support/fuzz/fuzzed.ts';

const timeout = { timeout: FUZZ_TIMEOUT_MS };

test(
  'whatever of a mutated policy file is accepted is one by the published schema, and nothing throws or dawdles',
  timeout,
  async (t) => {
    await fuzzed(t, { target: 'policy', sample: 250_000 });
  },
);

test(
  'whatever of a mutated configuration is accepted is one by the published schema, and no problem tells a secret',
  timeout,
  async (t) => {
    await fuzzed(t, { target: 'configuration', sample: 60_000 });
  },
);
