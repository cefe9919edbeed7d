import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { FIGURES } from './figures.ts';
import { shownFindings } from './performance-document.ts';

// A few grants each, two figures at a time: what they come to means nothing here, only that they come to something.
suite('a quick bench', { concurrency: 2 }, () => {
  for (const { name, measure } of FIGURES) {
    test(`measures ${name}`, async () => {
      const findings = await measure({ rounds: 1, isQuick: true, say: () => undefined });
      assert.ok(findings.rows.length > 0);
      assert.doesNotMatch(shownFindings(findings), /NaN|Infinity|undefined/);
    });
  }
});
