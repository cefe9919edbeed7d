import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type OpenLdap, startOpenLdap } from '../../src/sandbox/openldap.ts';
import { hashedPassword } from '../../src/sandbox/slapd-config.ts';
import { startChild } from '../support/child.ts';
import { type RunningStub, startStub, temporaryFolder } from '../support/control-plane.ts';
import { directoryEnv } from '../support/directory-env.ts';
import { onTerminal } from '../support/on-terminal.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const SECRET = 'the-password-of-grace';

suite('latchkey check and latchkey acl', { timeout: 120_000 }, () => {
  let server: OpenLdap;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let stub: RunningStub;
  let env: NodeJS.ProcessEnv;

  before(async () => {
    [server, folder] = await Promise.all([startOpenLdap(), temporaryFolder()]);
    stub = await startStub(folder.path);
    const grace = server.personDn('grace');
    await server.modify(`dn: ${grace}\nchangetype: modify\nreplace: userPassword\nuserPassword: ${hashedPassword(SECRET)}\n`);
    env = {
      ...directoryEnv(server),
      LATCHKEY_CONTROL_PLANE_URL: stub.connectUrl,
      LATCHKEY_CONTROL_PLANE_TOKEN_FILE: join(folder.path, 'token'),
      LATCHKEY_STATE_DIR: join(folder.path, 'state'),
    };
  });
  after(async () => {
    await stub.stop();
    await server.stop();
    await folder[Symbol.asyncDispose]();
  });

  const run = async (args: readonly string[], changes: NodeJS.ProcessEnv = {}) => {
    await using child = startChild({ script: main, args, cwd: folder.path, env: { ...env, ...changes } });
    return { code: await child.ended, lines: [...child.lines] };
  };

  test('say one line a step, and exit with 0 where none failed', async () => {
    const { code, lines } = await run(['check']);
    assert.equal(code, 0, lines.join('\n'));
    for (const line of lines) assert.match(line, /^ok {4}\S/);
    const steps = lines.map((line) => line.slice(6, 24).trim());
    assert.deepEqual(steps.slice(-5), ['changes', 'state directory', 'sync', 'control plane', 'clock']);
  });

  test('say the same as JSON for machines, and exit with 1 where a step failed', async () => {
    const { code, lines } = await run(['check', '--json'], { LATCHKEY_PROTECTED_GROUPS: 'no-such-group' });
    assert.equal(code, 1);
    const report: unknown = JSON.parse(lines.join('\n'));
    assert.ok(
      typeof report === 'object' && report !== null && 'ok' in report && 'steps' in report && Array.isArray(report.steps),
    );
    assert.equal(report.ok, false);
    const failed = report.steps.filter(({ status }: { status: string }) => status !== 'ok');
    assert.deepEqual(
      failed.map(({ step, status }: { step: string; status: string }) => [step, status]),
      [['protected groups', 'fail']],
    );
  });

  test('fail by a state directory that cannot be made, in one line, for people and for machines', async () => {
    const LATCHKEY_STATE_DIR = '/proc/latchkey/state';
    const { code, lines } = await run(['check'], { LATCHKEY_STATE_DIR });
    assert.equal(code, 1);
    const [found, ...others] = lines.filter((line) => !line.startsWith('ok '));
    assert.match(found ?? '', /^FAIL {2}state directory {5}.*\/proc/);
    assert.deepEqual(others, []);
    const json = await run(['check', '--json'], { LATCHKEY_STATE_DIR });
    const report = JSON.parse(json.lines.join('\n')) as { steps: { step: string; status: string; detail: string }[] };
    const marks: Readonly<Record<string, string>> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' };
    // But for what is another figure each time.
    const steady = (line: string) => line.replace(/\b\d+ s (?:ahead of|behind)/, '');
    assert.deepEqual(
      report.steps.map(({ step, status, detail }) => steady(`${marks[status]}  ${step.padEnd(18)}  ${detail}`)),
      lines.map(steady),
    );
  });

  test('ask for a password on a terminal only', async () => {
    const { code, lines } = await run(['check', '--login', 'grace']);
    assert.equal(code, 64);
    assert.match(lines.join('\n'), /asks for a password on a terminal/);
  });

  test('show nothing of a password that is typed, and say whether it is right', async () => {
    for (const [typed, code, said] of [
      [SECRET, 0, /^ok {4}login .*is right/m],
      ['a-wrong-password', 1, /^FAIL {2}login .*the password is wrong, or/m],
      ['', 64, /an empty password is not sent/],
    ] as const) {
      const { text, code: exited } = await onTerminal([process.execPath, main, 'check', '--login', 'grace@example.test'], {
        asks: /Password of grace@example\.test: $/,
        answer: `${typed}\r`,
        cwd: folder.path,
        env,
      });
      assert.match(text, said);
      assert.equal(exited, code, text);
      if (typed !== '') assert.ok(!text.includes(typed));
    }
  });

  test('print rights that can be pasted, from the configuration alone where it says the flavour', async () => {
    const asked = await run(['acl']);
    assert.equal(asked.code, 0, asked.lines.join('\n'));
    assert.ok(asked.lines.includes('add: olcAccess'));
    const nobody = { LDAP_URL: 'ldaps://127.0.0.1:9', LDAP_FLAVOUR: 'openldap' };
    assert.deepEqual(await run(['acl'], nobody), asked);
    const { code, lines } = await run(['acl'], { LDAP_URL: 'ldaps://127.0.0.1:9' });
    assert.equal(code, 69);
    assert.match(lines.join('\n'), /With LDAP_FLAVOUR, and LDAP_BASE_DN or LDAP_DOMAIN/);
  });
});
