import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startChild } from '../support/child.ts';

const script = fileURLToPath(new URL('../../src/sandbox/demo.ts', import.meta.url));

const steps = [
  /ok {4}directory is up: a real slapd at ldaps:\/\/127\.0\.0\.1:\d+, process \d+$/,
  /ok {4}control plane is up: the stub at http:\/\/127\.0\.0\.1:\d+, process \d+$/,
  /ok {4}connector is connected: process \d+, ready at http:\/\/127\.0\.0\.1:\d+\/readyz$/,
  /ok {4}before: ldapsearch shows no uid=grace,\S+ in cn=on-call,\S+$/,
  /ok {4}grant requested: 4 s for Grace Mbeki in on-call, grant \S+$/,
  /ok {4}after: ldapsearch shows member: uid=grace,\S+$/,
  /ok {4}outcome: the control plane was told "granted", until \S+Z$/,
  /ok {4}control plane stopped: process \d+ has ended, nobody listens on port \d+, the member is still there$/,
  /ok {4}expired without the control plane: ldapsearch no longer shows the member, \d+ ms after the expiry$/,
  /ok {4}control plane started again: process \d+$/,
  /ok {4}outcomes arrived: job\.succeeded \(granted\), and grant\.ended \(cause expired, membership removed\)$/,
];

suite('the demo', () => {
  let temporary: string;
  const demo = (...args: string[]) => startChild({ script, args, env: { TMPDIR: temporary } });
  /** Every process that the demo named has ended, and its folder is gone. */
  const assertNothingLeft = async (lines: readonly string[], processes: number) => {
    const pids = new Set(lines.flatMap((line) => / ok {4}.*process (\d+)/.exec(line)?.[1] ?? []).map(Number));
    assert.equal(pids.size, processes, lines.join('\n'));
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' }, `process ${pid} is still there`);
    assert.deepEqual(
      (await readdir(temporary)).filter((name) => name.startsWith('latchkey-demo')),
      [],
    );
  };

  before(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'latchkey-demo-test-'));
  });
  after(() => rm(temporary, { recursive: true, force: true }));

  test('exits 0 with --once after every step was seen, in order, and leaves nothing behind', async () => {
    await using child = demo('--once');
    assert.equal(await child.ended, 0, child.lines.join('\n'));
    const marked = child.lines.filter((line) => / s {2}(ok|FAIL)/.test(line));
    assert.equal(marked.length, steps.length, marked.join('\n'));
    for (const [index, step] of steps.entries()) assert.match(marked[index] ?? '', step);
    await assertNothingLeft(child.lines, 4);
  });

  test('exits 1 when the connector does not start, with the last lines of its log, and leaves nothing behind', async () => {
    await using child = demo('--once', '--connector-script', join(temporary, 'missing.ts'));
    assert.equal(await child.ended, 1);
    const output = child.lines.join('\n');
    assert.match(output, /FAIL {2}connector is connected: waited for the connector to start, but the process ended$/m);
    assert.match(output, /^The last lines of the log of the connector:$/m);
    assert.match(output, /Cannot find module .*missing\.ts/);
    await assertNothingLeft(child.lines, 2);
  });

  test('exits 1 when a step fails without --once too', async () => {
    await using child = demo('--connector-script', join(temporary, 'missing.ts'));
    assert.equal(await child.ended, 1);
    await assertNothingLeft(child.lines, 2);
  });

  test('stays up without --once, with a look at the groups and a check that work when pasted, and leaves nothing behind after Ctrl-C', async () => {
    await using child = demo();
    await child.line((line) => line.startsWith('Press Ctrl-C'));
    const pasted = async (label: string) => {
      const line = child.lines.find((one) => one.startsWith(`  ${label}  `))?.slice(label.length + 2);
      return await promisify(execFile)('sh', ['-c', line ?? 'exit 1'], {
        env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
      });
    };
    assert.match((await pasted("latchkey's commands")).stdout, /^ok {4}control plane /m);
    const { stdout } = await pasted('who is in the groups');
    assert.match(stdout, /^dn: cn=on-call,ou=groups,dc=example,dc=test$/m);
    assert.match(stdout, /^member: uid=dana,ou=people,dc=example,dc=test$/m);
    assert.equal(await child.end('SIGINT'), 0);
    await assertNothingLeft(child.lines, 4);
  });

  test('ends with 128 + 15 on a SIGTERM during the steps, and leaves nothing behind', async () => {
    await using child = demo('--once');
    await child.line((line) => line.includes('grant requested'));
    assert.equal(await child.end('SIGTERM'), 143);
    await assertNothingLeft(child.lines, 3);
  });

  test('refuses an argument it does not know with the usage and exit code 64', async () => {
    await using child = demo('--forever');
    assert.equal(await child.ended, 64);
    assert.match(child.lines.join('\n'), /^demo: Unknown option '--forever'\n\nusage: npm run demo/);
  });
});
