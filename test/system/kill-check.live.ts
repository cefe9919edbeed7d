import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type IndependentCheck, independentCheck } from '../support/independent-check.ts';
import { loadGroups, seedOfRun, steadyLoad } from '../support/steady-load.ts';
import { startReady } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

suite('the independent checker', { concurrency: false }, () => {
  let s: System;
  let check: IndependentCheck;

  before(async () => {
    s = await startSystem({ ldap: { people: 20, ldif: loadGroups() }, env: { LATCHKEY_LOG_LEVEL: 'info' } });
    check = await independentCheck(s);
    await s.startStub();
    await startReady(s);
  });
  after(() => s[Symbol.asyncDispose]());

  test('finds nothing wrong after a load that nobody disturbed', async (t) => {
    const seed = seedOfRun();
    const load = steadyLoad(s, { check, seed, jobsPerSecond: 20 });
    load.start();
    await new Promise((resolve) => setTimeout(resolve, 6000));
    await load.stop();
    await check.assertAllIsRight(`TEST_SEED=${seed}`);
    t.diagnostic(`${load.count()} jobs`);
    assert.ok(check.posted.length > 0);
  });
});
