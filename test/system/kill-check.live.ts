import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, suite, test } from 'node:test';
import { type IndependentCheck, independentCheck } from '../support/independent-check.ts';
import { seedOfRun } from '../support/seeded.ts';
import { loadGroups, steadyLoad } from '../support/steady-load.ts';
import { granted, startReady } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';
import { byHand } from '../support/told.ts';

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
    for (let index = 0; load.count() < 60; index += 1) await s.event(({ kind }) => kind === 'job.succeeded', index);
    await load.stop();
    await check.assertAllIsRight(`TEST_SEED=${seed}`);
    t.diagnostic(`${load.count()} jobs`);
    assert.ok(check.posted.length > 0);
  });

  test('objects to a member whom nobody put there', async () => {
    const leak = { group: s.group('on-call'), add: s.person('u0003') };
    await byHand(s, leak);
    assert.deepEqual(await check.findings(), [`LEAK: ${leak.add} is in ${leak.group}`]);
    await byHand(s, { group: leak.group, delete: leak.add });
    await check.assertAllIsRight();
  });

  test('objects where standing access is missing, and where a granted member is', async () => {
    const group = s.group('vpn-users');
    await granted(s, { user: { username: 'u0004' }, group: { name: 'vpn-users' }, durationSeconds: 3600 });
    await check.assertAllIsRight();
    for (const uid of ['tomas', 'u0004']) {
      await byHand(s, { group, delete: s.person(uid) });
      assert.deepEqual(await check.findings(), [`THEFT: ${s.person(uid)} is missing from ${group}`]);
      await byHand(s, { group, add: s.person(uid) });
    }
    await check.assertAllIsRight();
  });

  test('objects to a job without an outcome, to a wrong one, and to one that never came', async () => {
    const [first] = check.posted;
    assert.ok(first !== undefined);
    check.posted.push({ jobId: 'never-sent', job: {}, allowed: ['granted'], repeats: 0 });
    assert.match((await check.findings()).join('; '), /LOST: job never-sent has no outcome.*unknown to the control plane/);
    check.posted.pop();
    check.posted.unshift({ ...first, allowed: ['something_else'] });
    assert.match((await check.findings()).join('; '), /but something_else would be right/);
    check.posted.shift();
    check.posted.unshift({ ...first, repeats: 1000 });
    assert.match((await check.findings()).join('; '), /sent 1000 times again, answered/);
    check.posted.shift();
    await check.assertAllIsRight();
  });

  test('objects to a ledger that forgets a grant, a result or an audit record', async () => {
    assert.equal(await s.stopConnector(), 0);
    await check.assertAllIsRight();
    spoil("UPDATE grants SET state = 'ended', over_at = 1, cause = 'expired', membership = 'removed' WHERE state = 'active'");
    assert.match((await check.findings()).join('; '), /ended in the ledger, told as active/);
    spoil('DROP TRIGGER audit_lives_as_long_as_its_retention; DELETE FROM audit WHERE audit_id = 3');
    assert.match((await check.findings()).join('; '), /AUDIT: record 3 is missing/);
    spoil(`UPDATE jobs SET result = '{"outcome":"already_ended"}' WHERE receipt = 1`);
    assert.match((await check.findings()).join('; '), /already_ended in the ledger, told as/);
  });

  /** Changes the ledger of a connector that does not run. */
  function spoil(sql: string): void {
    const database = new DatabaseSync(join(s.stateDir, 'ledger.db'));
    database.exec(sql);
    database.close();
  }
});
