import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FULL_SCALE } from '../support/scale.ts';
import { BUGS } from './bugs.ts';
import { plantAll } from './plant-all.ts';

/** Quick ones of different parts: that they are caught shows that planting works. */
const SAMPLE: readonly string[] = [
  'standing access is forgotten: whoever is found in the group counts as ours',
  'overlap is ignored: the end of one grant takes away what another holds',
  'a grant is claimed on the success that the server reports, before the probe',
  'a refused batch is taken for done',
  'a session is used again after its connection was closed',
];

test('planted faults are caught', async (t) => {
  const bugs = FULL_SCALE ? BUGS : BUGS.filter(({ fault }) => SAMPLE.includes(fault));
  if (!FULL_SCALE) assert.equal(bugs.length, SAMPLE.length);
  const missed: string[] = [];
  const { caught } = await plantAll(bugs, ({ bug, caughtBy }) => {
    if (caughtBy.length === 0) missed.push(bug.fault);
  });
  t.diagnostic(`${caught} of ${bugs.length} planted faults were caught`);
  assert.deepEqual(missed, []);
  assert.equal(caught, bugs.length);
});
