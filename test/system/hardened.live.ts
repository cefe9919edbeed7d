import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';
import type { Child } from '../support/child.ts';
import { assertToldOnce, granted, startReady, succeeded } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

const LAUNCHER = new URL('../../scripts/latchkey.sh', import.meta.url).pathname;

suite('the connector as the image starts it', { concurrency: false, skip: process.platform !== 'linux' }, () => {
  let s: System;
  let child: Child;
  let flags: readonly string[];
  const start = () => startReady(s, { script: LAUNCHER });

  before(async () => {
    s = await startSystem();
    await s.startStub();
    child = await start();
    const words = (await readFile(`/proc/${child.pid}/cmdline`, 'utf8')).split('\0');
    flags = words.filter((word) => word.startsWith('--'));
  });
  after(() => s[Symbol.asyncDispose]());

  test('grants, ends on time, checks and syncs under its flags', async () => {
    assert.ok(flags.includes('--permission') && flags.includes('--disable-proto=throw') && flags.includes('--disable-sigusr1'));
    const short = await granted(s, { user: { username: 'grace' }, group: { name: 'on-call' }, durationSeconds: 2 });
    await s.endOf(short.grantId);
    await s.member(s.group('on-call'), s.person('grace'), false);
    for (const job of [{ kind: 'check' }, { kind: 'sync', mode: 'full' }, { kind: 'sync', mode: 'delta' }]) {
      const { jobId } = await s.job(job);
      const outcome = await s.outcome(jobId);
      assert.equal(outcome.kind, 'job.succeeded', JSON.stringify(outcome));
    }
  });

  test('its ledger is whole after a kill, and a commit of then is there', async () => {
    const { grantId } = await granted(s, { user: { username: 'liam' }, group: { name: 'on-call' }, durationSeconds: 300 });
    await s.stopConnector('SIGKILL');
    child = await start();
    assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
    await assertToldOnce(s);
  });

  test('SIGHUP reads its files again', async () => {
    const from = child.lines.length;
    child.signal('SIGHUP');
    await child.line((line) => line.includes('"process.reloaded"'), from);
  });

  test('SIGHUP refuses a file that was not named at the start, and says that it takes a restart', async () => {
    const from = child.lines.length;
    await writeFile(join(s.folder, 'another-ca.pem'), await readFile(join(s.ldap.dir, 'ca.pem')));
    await writeFile(join(s.folder, '.env'), 'LATCHKEY_CONTROL_PLANE_CA_FILE=./another-ca.pem\n');
    child.signal('SIGHUP');
    const refused = await child.line((line) => line.includes('"process.reload-refused"'), from);
    assert.match(refused, /LATCHKEY_CONTROL_PLANE_CA_FILE.*start it again/);
    await rm(join(s.folder, '.env'));
  });

  test('SIGUSR1 opens no inspector, and nothing dumps core', async () => {
    child.signal('SIGUSR1');
    const { grantId } = await granted(s, { user: { username: 'maria' }, group: { name: 'on-call' }, durationSeconds: 300 });
    assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
    assert.ok(!child.lines.some((line) => /Debugger listening/.test(line)));
    assert.match(await readFile(`/proc/${child.pid}/limits`, 'utf8'), /^Max core file size +0 +0 /m);
  });

  test('what the flags forbid is refused, and what they must allow is not', async () => {
    await writeFile(join(s.folder, 'beside'), 'x');
    const tried = await tryUnder(flags, [
      `fs.readFileSync(${JSON.stringify(join(s.folder, 'beside'))})`,
      `fs.readFileSync('/etc/hostname')`,
      `fs.writeFileSync(${JSON.stringify(join(s.folder, 'beside'))}, 'y')`,
      `child_process.execFileSync('true')`,
      `new worker_threads.Worker('1', { eval: true })`,
      `inspector.open(0)`,
      `process.report.writeReport()`,
      `({}).__proto__`,
      `fs.statSync(${JSON.stringify(s.stateDir)})`,
      `fs.readFileSync(${JSON.stringify(join(s.folder, 'token'))})`,
      `fs.readFileSync('/proc/self/stat')`,
    ]);
    const denied = 'ERR_ACCESS_DENIED';
    assert.deepEqual(tried, [denied, denied, denied, denied, denied, denied, denied, 'ERR_PROTO_ACCESS', 'ok', 'ok', 'ok']);
  });
});

/** What became of each expression in a Node.js with these flags: `ok`, or the code of its error. */
async function tryUnder(flags: readonly string[], expressions: readonly string[]): Promise<unknown> {
  const tries = expressions.map((one) => `(() => { try { ${one}; return 'ok'; } catch (error) { return error.code; } })()`);
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, '-p', `JSON.stringify([${tries.join(', ')}])`]);
  return JSON.parse(stdout);
}
