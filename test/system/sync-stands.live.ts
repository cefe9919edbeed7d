import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { runningConnector } from '../support/survival.ts';
import { type System, startSystem, until } from '../support/system.ts';

/** More than eight pages, and more than waits in memory beside them: so much stays in the connection to the directory. */
const PEOPLE = 9_000;

suite('a sync that stands, since the control plane does not acknowledge its pages', () => {
  let s: System;
  before(async () => {
    s = await startSystem({ ldap: { people: PEOPLE } });
    await s.startStub();
    await s.startConnector();
    await s.api('/faults', { method: 'POST', body: { lose: 'page', count: 1_000 } });
    await s.api('/syncs', { method: 'POST', body: { mode: 'full' } });
    await until('the eighth page', async () => (await last()).pages === 8);
  });
  after(() => s[Symbol.asyncDispose]());

  const last = async (): Promise<{ readonly state: string; readonly pages: number }> => {
    const syncs = await s.api<{ state: string; pages: number }[]>('/syncs');
    return syncs.at(-1) ?? { state: 'none', pages: 0 };
  };

  test('delays no ending: a grant begins, one expires and one is revoked meanwhile', async () => {
    const group = { name: 'vpn-users' };
    const short = await s.grant({ user: { username: 'grace' }, group, durationSeconds: 2 });
    const long = await s.grant({ user: { username: 'oskar' }, group, durationSeconds: 3_600 });
    assert.equal((await s.outcome(short.jobId)).kind, 'job.succeeded');
    assert.equal((await s.outcome(long.jobId)).kind, 'job.succeeded');
    await s.revoke(long.grantId);
    for (const [{ grantId }, cause] of [
      [short, 'expired'],
      [long, 'revoked'],
    ] as const) {
      const { cause: told, membership } = await s.endOf(grantId);
      assert.deepEqual([told, membership], [cause, 'removed']);
    }
    await s.member(s.group('vpn-users'), s.person('grace'), false);
    assert.deepEqual(await last(), { ...(await last()), state: 'running', pages: 8 });
    assert.deepEqual(await s.violations(), []);
  });

  test('publishes nothing, and does not hold up a stop', async () => {
    assert.deepEqual(await s.api('/users'), []);
    assert.ok(runningConnector(s).pid > 0);
    assert.equal(await s.stopConnector(), 0);
    await until('the end of the stream', async () => (await last()).state !== 'running');
    assert.ok(['aborted', 'lost'].includes((await last()).state));
    assert.deepEqual(await s.api('/users'), []);
  });
});
