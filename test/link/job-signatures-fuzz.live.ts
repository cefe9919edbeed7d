import { test } from 'node:test';
import { FUZZ_TIMEOUT_MS, fuzzed } from '../support/fuzz/fuzzed.ts';

test('whatever of a mutated signed job is believed is genuine by an independent reading, and nothing rejects', {
  timeout: FUZZ_TIMEOUT_MS,
}, async (t) => {
  await fuzzed(t, { target: 'signed-jobs', sample: 150_000 });
});
