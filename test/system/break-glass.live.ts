import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { GrantId } from '../../src/access/ids.ts';
import type { GrantChoice, OperatorNews, OperatorRequest } from '../../src/access/operator.ts';
import { askOperator } from '../../src/operator/ask.ts';
import { onTerminal } from '../support/on-terminal.ts';
import { runCommand } from '../support/program.ts';
import { assertToldOnce, granted, killed, runningConnector, succeeded } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

suite('grants are listed and ended with the control plane away', { concurrency: false }, () => {
  let s: System;
  before(async () => {
    s = await startSystem({ env: { TEST_LINK_BACKOFF_MS: '50:500' } });
    await s.startStub();
    await s.startConnector();
  });
  after(() => s[Symbol.asyncDispose]());

  const command = (...args: readonly string[]) => runCommand({ args, env: s.connectorEnv(), cwd: s.folder });
  const grant = (username: string, name: string, grantId: string) =>
    granted(s, { grantId, user: { username }, group: { name }, durationSeconds: 3600 });
  const listed = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await command('grants', '--json', ...args);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as { grantId: string; state: string; cause?: string; membership?: string }[];
  };
  /** Asked as the command does, without a process of its own. */
  const told = async (request: OperatorRequest) => {
    const news: OperatorNews[] = [];
    const result = await askOperator({ stateDir: s.stateDir, request }, (one) => news.push(one));
    return { news, result };
  };
  const open = async () =>
    (await told({ request: 'grants', isEndedToo: false })).news.flatMap((one) =>
      one.answer === 'grant' ? [one.grant.grantId] : [],
    );
  const ended = async (choice: GrantChoice) => {
    const { news, result } = await told({ request: 'revoke', choice, waitMs: 30_000, by: 'test', reason: null });
    if (result.answer === 'refused') return result.message;
    return news.flatMap((one) => (one.answer === 'ended' ? [one.grant.grantId] : [])).toSorted();
  };

  test('through the running connector, by id, by user, by group, and what could mean several is refused', async () => {
    await grant('zoe', 'vpn-users', 'by-id');
    await grant('rosa', 'vpn-users', 'by-dn');
    await grant('rosa', 'on-call', 'by-dn-too');
    await grant('sam', 'vpn-users', 'by-name');
    await grant('liam', 'deploy', 'by-group');
    await grant('priya', 'deploy', 'by-group-too');
    // Standing access: she was in it before.
    const asked = await s.grant({
      grantId: 'standing',
      user: { username: 'dana' },
      group: { name: 'on-call' },
      durationSeconds: 3600,
    });
    assert.equal(await succeeded(s, asked.jobId), 'already_standing');
    await s.stopStub();
    assert.equal((await stat(join(s.stateDir, 'operator.sock'))).mode & 0o777, 0o600);
    assert.equal((await open()).length, 7);

    const one = await command('revoke', 'by-id', '--yes', '--reason', 'left the company');
    assert.equal(one.code, 0, one.stderr);
    assert.match(one.stdout, /^by-id: uid=zoe.*a probe shows that the user has left the group\n1 ended, 0 left\n$/);
    await s.member(s.group('vpn-users'), s.person('zoe'), false);
    const shared = await command('revoke', '--user', 'shared@example.test', '--yes');
    assert.equal(shared.code, 1);
    assert.match(shared.stderr, /the directory has 2 entries for "shared@example\.test"/);

    assert.deepEqual(await ended({ by: 'user', named: s.person('rosa').toUpperCase() }), ['by-dn', 'by-dn-too']);
    assert.deepEqual(await ended({ by: 'user', named: 'sam' }), ['by-name']);
    assert.deepEqual(await ended({ by: 'group', named: 'deploy' }), ['by-group', 'by-group-too']);
    assert.deepEqual(await ended({ by: 'user', named: 'uma' }), []);
    assert.match(
      String(await ended({ by: 'user', named: 'nobody-of-that-name' })),
      /no open grant is of a user "nobody-of-that-name", and the directory has none in scope/,
    );
    assert.deepEqual(
      (await s.ldap.members(s.group('vpn-users'))).filter((dn) => /rosa|sam/.test(dn)),
      [],
    );
    assert.deepEqual(await s.ldap.members(s.group('deploy')), []);
    assert.deepEqual(await open(), ['standing']);
  });

  test('all at once, asked on a terminal, and standing access is told to stay', async () => {
    const { text, code } = await onTerminal([process.execPath, MAIN, 'revoke', '--all'], {
      asks: /End this grant now\? \[y\/N\] $/,
      answer: 'y\r',
      cwd: s.folder,
      env: s.connectorEnv(),
    });
    assert.equal(code, 0, text);
    assert.match(text, /standing {2}uid=dana.*\(active\)/);
    assert.match(text, /1 of 1 ended/);
    assert.match(text, /standing: uid=dana.*STAYS in it/);
    await s.member(s.group('on-call'), s.person('dana'), true);
    assert.deepEqual(await open(), []);
    const over = await listed('--all');
    assert.equal(over.length, 7);
    assert.ok(over.every(({ cause }) => cause === 'operator'));
  });

  test('the control plane hears of each ending when it is back, once, with its cause', async () => {
    await s.startStub();
    for (const grantId of ['by-id', 'by-dn', 'by-dn-too', 'by-name', 'by-group', 'by-group-too'])
      assert.deepEqual(await endOf(grantId), ['operator', 'removed']);
    assert.deepEqual(await endOf('standing'), ['operator', 'kept_standing']);
    await assertToldOnce(s);
  });

  test('the story of a grant tells who asked, why, what was found and what was done', async () => {
    const { code, stdout, stderr } = await command('grants', 'show', 'by-id');
    assert.equal(code, 0, stderr);
    for (const said of [
      /asked for/,
      /asked: revoke: left the company/,
      /it is to end: operator/,
      /about to delete "uid=zoe/,
      /it ended \(operator\)/,
    ])
      assert.match(stdout, said);
    assert.deepEqual((await told({ request: 'show', grantId: 'no-such' as GrantId })).result.answer, 'refused');
  });

  test('what was accepted ends although the connector is killed right after, and once', async () => {
    await grant('zoe', 'vpn-users', 'killed');
    await s.stopConnector();
    await s.startConnector({ killAt: 'end.stored' });
    await s.stopStub();
    const asked = await command('revoke', 'killed', '--yes');
    assert.equal(asked.code, 69, asked.stdout);
    assert.match(asked.stderr, /the connector went away before it answered; what it had accepted is in its ledger/);
    await killed(s);
    await s.member(s.group('vpn-users'), s.person('zoe'), true);
    await s.startConnector();
    await s.member(s.group('vpn-users'), s.person('zoe'), false);
    await s.startStub();
    assert.deepEqual(await endOf('killed'), ['operator', 'removed']);
    await assertToldOnce(s);
  });

  test('without a connector the command does it by itself, and the next connector tells it', async () => {
    await grant('zoe', 'vpn-users', 'alone');
    await grant('sam', 'vpn-users', 'alone-too');
    await s.stopConnector();
    await s.stopStub();
    const { code, stdout, stderr } = await command('revoke', '--group', 'vpn-users', '--yes');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /2 ended, 0 left/);
    await s.member(s.group('vpn-users'), s.person('zoe'), false);
    await s.startStub();
    await s.startConnector();
    assert.deepEqual(await endOf('alone'), ['operator', 'removed']);
    assert.deepEqual(await endOf('alone-too'), ['operator', 'removed']);
    await assertToldOnce(s);
  });

  test('what cannot be ended is told with its reason, is never told as ended, and ends when it can', async () => {
    await grant('zoe', 'vpn-users', 'later');
    await s.stopStub();
    await s.ldap.kill('SIGKILL');
    const asked = await command('revoke', 'later', '--yes', '--wait', '1');
    assert.equal(asked.code, 1, asked.stderr);
    assert.match(asked.stderr, /NOT ENDED later: uid=zoe.*: directory_unavailable: /);
    assert.match(asked.stderr, /the running connector goes on trying/);
    assert.match(asked.stdout, /^0 ended, 1 left\n$/);
    await s.stopConnector();
    const alone = await command('revoke', '--all', '--yes', '--wait', '1');
    assert.equal(alone.code, 1, alone.stdout);
    assert.match(alone.stderr, /NOT ENDED later: .*directory_unavailable.*\n.*NOBODY goes on with them until a connector runs/s);
    const [left] = await listed();
    assert.equal(left?.state, 'ending');
    await s.ldap.start();
    await s.startStub();
    await s.startConnector();
    assert.deepEqual(await endOf('later'), ['operator', 'removed']);
    await s.member(s.group('vpn-users'), s.person('zoe'), false);
    await assertToldOnce(s);
    assert.equal(
      runningConnector(s).lines.some((line) => line.includes('"engine.failed"')),
      false,
    );
  });

  async function endOf(grantId: string): Promise<readonly [string, string]> {
    const { cause, membership } = await s.endOf(grantId);
    return [cause, membership];
  }
});
