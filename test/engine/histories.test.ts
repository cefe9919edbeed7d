import { test } from 'node:test';
import fc from 'fast-check';
import { runHistory } from '../support/engine-history.ts';
import { type Step, steps } from '../support/history-steps.ts';
import { atScale } from '../support/scale.ts';

/** A sample, or the full number (TEST_SCALE=full); a million come with the proof under faults. */
const RUNS = atScale({ sample: 60, full: 3000 });

for (const referentialIntegrity of [false, true]) {
  test(`whatever happens, nothing leaks, nothing is stolen, everything is told once (referential integrity: ${referentialIntegrity})`, async () => {
    await fc.assert(
      fc.asyncProperty(steps, (history) => runHistory(history, { referentialIntegrity })),
      { numRuns: RUNS },
    );
  });
}

/** Histories that were found by chance, and what they broke. */
const FOUND: readonly { readonly rule: string; readonly history: readonly Step[] }[] = [
  {
    rule: 'a refusal of the second write does not settle the first, whose answer was lost',
    history: [
      { do: 'lose', fate: 'applied_later' },
      { do: 'grant', grant: 1, user: 1, group: 0, seconds: 1, by: 'username' },
      { do: 'refuse', fault: 'refused' },
      { do: 'pass', ms: 1000 },
    ],
  },
  {
    rule: 'a value that followed its user to another name is found before the grant may fail',
    history: [
      { do: 'lose', fate: 'applied' },
      { do: 'grant', grant: 0, user: 0, group: 0, seconds: 1, by: 'username' },
      { do: 'rename', user: 0 },
      { do: 'revoke', grant: 0 },
    ],
  },
];

for (const { rule, history } of FOUND) {
  test(rule, async () => {
    await runHistory(history, { referentialIntegrity: false });
    await runHistory(history, { referentialIntegrity: true });
  });
}
