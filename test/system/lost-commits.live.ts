import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { granted, killed } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

suite('a ledger that lost its latest commits', { concurrency: false }, () => {
  let s: System;
  const group = { name: 'vpn-users' };

  before(async () => {
    s = await startSystem({ ldap: { people: 5 } });
    await s.startStub();
  });
  after(() => s[Symbol.asyncDispose]());

  test('a pending grant that the lost life had written is of unknown ownership, before any welcome', async () => {
    const log = join(s.stateDir, 'ledger.db-wal');
    await s.startConnector({ killAt: 'grant.resolved' });
    const { grantId, jobId } = await s.grant({ user: { username: 'u0001' }, group, durationSeconds: 600 });
    await killed(s);
    await copyFile(log, join(s.folder, 'older-wal'));

    await s.startConnector();
    assert.equal((await s.outcome(jobId)).kind, 'job.succeeded');
    await s.member(s.group('vpn-users'), s.person('u0001'), true);
    assert.equal(await s.stopConnector('SIGKILL'), 'SIGKILL');
    await copyFile(join(s.folder, 'older-wal'), log);

    // The control plane is away: nobody but the ledger itself can tell.
    await s.stopStub();
    const child = await s.startConnector({ welcome: false });
    await child.line((line) => line.includes('"ledger.replaced"'));
    await s.startStub();
    const { event } = await s.event((one) => one.kind === 'grant.drifted' && one.grant.grantId === grantId);
    assert.ok(event.kind === 'grant.drifted');
    assert.equal(event.observed, 'ownership_unknown');
    await s.event(({ kind }) => kind === 'ledger.replaced');
    await s.member(s.group('vpn-users'), s.person('u0001'), true);
    // What comes after it is ours as ever.
    await granted(s, { user: { username: 'u0002' }, group, durationSeconds: 600 });
  });
});
