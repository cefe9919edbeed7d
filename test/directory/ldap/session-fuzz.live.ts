import { test } from 'node:test';
import { FUZZ_TIMEOUT_MS, fuzzed } from '../../support/fuzz/fuzzed.ts';

test('whatever a server answers, an operation ends, in time, with what was said or with an error of the port', {
  timeout: FUZZ_TIMEOUT_MS,
}, async (t) => {
  await fuzzed(t, { target: 'ldap-session', sample: 100_000 });
});
