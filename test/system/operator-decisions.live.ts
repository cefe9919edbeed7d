import assert from 'node:assert/strict';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { GrantId } from '../../src/access/ids.ts';
import { later } from '../../src/access/instant.ts';
import type { OperatorNews, OperatorRequest } from '../../src/access/operator.ts';
import { systemClock } from '../../src/engine/system-clock.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import { askOperator } from '../../src/operator/ask.ts';
import { runCommand } from '../support/program.ts';
import { granted, readiness, ready, runningConnector, succeeded } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

const WHO = { by: 'test', reason: 'a drill' };

suite('what a person on the machine decides', { concurrency: false }, () => {
  let s: System;
  before(async () => {
    s = await startSystem({ env: { TEST_LINK_BACKOFF_MS: '50:500' } });
    await s.startStub();
    await s.startConnector();
  });
  after(() => s[Symbol.asyncDispose]());

  const command = (...args: readonly string[]) => runCommand({ args, env: s.connectorEnv(), cwd: s.folder });
  const ask = async (request: OperatorRequest) => {
    const news: OperatorNews[] = [];
    const result = await askOperator({ stateDir: s.stateDir, request }, (one) => news.push(one));
    return { news, result };
  };
  const answered = async (request: OperatorRequest) => (await ask(request)).result;
  const vpn = { name: 'vpn-users' };
  const codeOf = async (jobId: string) => {
    const result = await s.outcome(jobId);
    return result.kind === 'job.failed' ? result.error.code : result.outcome;
  };
  const asked = async (username: string, grantId: string, durationSeconds = 3600) =>
    codeOf((await s.grant({ grantId, user: { username }, group: vpn, durationSeconds })).jobId);

  test('while it is paused no grant is made nor extended, over restarts too; endings go on, and check and readiness say so', async () => {
    await granted(s, { grantId: 'held', user: { username: 'zoe' }, group: vpn, durationSeconds: 600 });
    await granted(s, { grantId: 'short', user: { username: 'rosa' }, group: vpn, durationSeconds: 3600 });
    assert.deepEqual(await answered({ request: 'pause', ...WHO }), { answer: 'done' });
    assert.match(JSON.stringify(await answered({ request: 'pause', ...WHO })), /no new grants are made since .* already/);
    assert.equal(await asked('sam', 'refused'), 'paused');
    assert.equal(await asked('zoe', 'held', 7200), 'paused');
    await s.stopConnector();
    const child = await s.startConnector();
    assert.equal(await asked('sam', 'refused-too'), 'paused');
    assert.equal(await asked('rosa', 'short', 60), 'updated');
    assert.equal(await succeeded(s, (await s.revoke('short')).jobId), 'revoked');
    const { status, body } = await ready(child, (seen) => seen.status === 200);
    assert.equal(status, 200);
    assert.equal(typeof body['policy']?.['pausedSince'], 'string');
    assert.match((await command('check')).stdout, /^warn {2}new grants +are paused since/m);
    assert.ok(child.lines.some((line) => line.includes('"operator.paused"') && line.includes('"since"')));
    assert.deepEqual(await answered({ request: 'resume', ...WHO }), { answer: 'done' });
    assert.equal((await readiness(child)).body['policy']?.['pausedSince'], null);
    assert.equal(await asked('sam', 'made'), 'granted');
  });

  test('without a connector a pause is for the next one, and asking twice says that it was so already', async () => {
    await s.stopConnector();
    const paused = await command('pause', '--yes', '--reason', 'a drill');
    assert.deepEqual([paused.code, paused.stderr], [0, '']);
    assert.equal((await command('health')).code, 69);
    await ready(await s.startConnector(), ({ status }) => status === 200);
    assert.deepEqual(await answered({ request: 'health' }), { answer: 'health', isReady: true, parts: {} });
    assert.equal(await asked('liam', 'refused-again'), 'paused');
    const resumed = await command('resume', '--yes');
    assert.deepEqual([resumed.code, resumed.stdout], [0, 'new grants are made again\n'], resumed.stderr);
  });

  test('SIGHUP takes what the files say, all or nothing, and says what the environment keeps', async () => {
    const child = runningConnector(s);
    const dotenv = join(s.folder, '.env');
    await writeFile(dotenv, 'LATCHKEY_MAX_GRANT=never\n');
    child.signal('SIGHUP');
    const refused = await child.line((line) => line.includes('"process.reload-refused"'));
    assert.match(refused, /LATCHKEY_MAX_GRANT/);
    assert.equal(await asked('liam', 'as-before'), 'granted');

    await writeFile(dotenv, 'LATCHKEY_MAX_GRANT=20m\nLATCHKEY_LOG_LEVEL=info\nLATCHKEY_RETENTION=60d\n');
    child.signal('SIGHUP');
    assert.match(await child.line((line) => line.includes('"process.reloading"')), /keeps its value: LATCHKEY_LOG_LEVEL/);
    await child.line((line) => line.includes('"process.reloaded"'));
    assert.equal(await asked('uma', 'too-long'), 'policy_denied');
    assert.equal(await asked('uma', 'short-enough', 600), 'granted');
    const elsewhere = child.lines.length;
    await writeFile(dotenv, 'LATCHKEY_CONNECTOR_ID_X=1\n');
    child.signal('SIGHUP');
    await child.line((line) => line.includes('"process.reload-refused"'), elsewhere);
    await rm(dotenv);
    assert.equal(await s.stopConnector(), 0);
  });

  test('a clock that was ahead is believed again once a person accepts it, with or without a connector', async () => {
    for (const alone of [false, true]) {
      await s.stopConnector();
      const ledger = await openSqliteLedger({
        stateDir: s.stateDir,
        connectorId: null,
        defaultConnectorId: 'x',
        now: () => systemClock.wall(),
      });
      await ledger.advanceClock(later(systemClock.wall(), 900_000));
      await ledger.close();
      if (alone) {
        const accepted = await command('clock', 'accept', '--yes');
        assert.deepEqual([accepted.code, accepted.stdout], [0, 'the clock of this machine is believed\n'], accepted.stderr);
        await s.startConnector();
      } else {
        const child = await s.startConnector();
        assert.equal(await asked('maria', 'untrusted'), 'clock_untrusted');
        assert.equal((await readiness(child)).body['clock']?.['ready'], false);
        const unwell = await command('health');
        assert.deepEqual([unwell.code, /^clock is not ready: .*aheadMs/.test(unwell.stdout)], [1, true], unwell.stdout);
        assert.deepEqual(await answered({ request: 'accept_clock', ...WHO }), { answer: 'done' });
        assert.equal((await readiness(child)).body['clock']?.['ready'], true);
        await s.stopConnector();
        await s.startConnector();
      }
      assert.equal(await asked('maria', `trusted-${String(alone)}`), alone ? 'covered_by_grant' : 'granted');
    }
    assert.match(JSON.stringify(await answered({ request: 'accept_clock', ...WHO })), /the clock is believed already/);
  });

  test('a membership that nobody knows is adopted or declared standing, and any other is not up for it', async () => {
    const issuedAt = new Date().toISOString();
    await s.stopConnector();
    await cp(s.stateDir, join(s.folder, 'copy'), { recursive: true });
    await s.startConnector();
    for (const username of ['chen', 'elif']) await granted(s, { user: { username }, group: vpn, durationSeconds: 3600 });
    await s.stopConnector();
    await rm(s.stateDir, { recursive: true });
    await cp(join(s.folder, 'copy'), s.stateDir, { recursive: true });
    await s.startConnector();
    await s.event(({ kind }) => kind === 'ledger.replaced');
    const again = async (grantId: string, username: string) => {
      const job = { kind: 'grant', grantId, issuedAt, user: { username }, group: vpn, durationSeconds: 3600 };
      assert.equal(await succeeded(s, (await s.job(job)).jobId), 'already_standing');
    };
    await again('ours', 'chen');
    await again('theirs', 'elif');
    const revoked = await answered({
      request: 'revoke',
      choice: { by: 'grant', grantId: 'ours' as GrantId },
      waitMs: 200,
      ...WHO,
    });
    assert.equal(revoked.answer, 'done');
    await s.member(s.group('vpn-users'), s.person('chen'), true);
    const adopted = await command('adopt', 'ours', '--yes');
    assert.equal(adopted.code, 0, adopted.stderr);
    assert.equal((await s.endOf('ours')).membership, 'removed');
    await s.member(s.group('vpn-users'), s.person('chen'), false);
    assert.deepEqual(await answered({ request: 'adopt', grantId: 'theirs' as GrantId, isStanding: true, ...WHO }), {
      answer: 'done',
    });
    assert.equal(await succeeded(s, (await s.revoke('theirs')).jobId), 'kept_standing');
    await s.member(s.group('vpn-users'), s.person('elif'), true);
    assert.match(
      JSON.stringify(await answered({ request: 'adopt', grantId: 'trusted-false' as GrantId, isStanding: false, ...WHO })),
      /is known: it is ours/,
    );
    await ready(runningConnector(s), ({ status }) => status === 200);
  });
});
