import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePorts } from '../../src/sandbox/loopback.ts';
import { startChild } from '../support/child.ts';
import { onTerminal } from '../support/on-terminal.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;

/** A connector whose directory and control plane are both away, which has enough to say. */
async function alone(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-log-format-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [ldap = 0, controlPlane = 0] = await freePorts(2);
  const env = {
    LATCHKEY_CONTROL_PLANE_URL: `ws://127.0.0.1:${controlPlane}/connect`,
    LATCHKEY_CONTROL_PLANE_TOKEN: 'a-token-that-nobody-sees',
    LDAP_URL: `ldap://127.0.0.1:${ldap}`,
    LDAP_BIND_DN: 'cn=latchkey,dc=example,dc=test',
    LDAP_BIND_PASSWORD: 'a-password-that-nobody-sees',
    LATCHKEY_STATE_DIR: join(folder, 'state'),
    LATCHKEY_HTTP_ADDR: 'off',
  };
  return { folder, env };
}

test('a connector on a terminal writes lines for people, and none of them is JSON', async (t) => {
  const { folder, env } = await alone(t);
  const control = '\u0003';
  const { text, code } = await onTerminal(['exec', process.execPath, MAIN, 'run'], {
    asks: /directory\.down/,
    answer: control,
    cwd: folder,
    env: { ...env, NO_COLOR: '1' },
  });
  assert.equal(code, 0);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('^C'));
  assert.ok(lines.length >= 4, text);
  for (const line of lines)
    assert.match(line.replace(/^\^C/, ''), /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z\] (?:INFO|WARN|ERROR): [a-z]+\.[a-z-]+: /);
});

test('a connector that is asked for ECS writes every line so, from the first to the last', async (t) => {
  const { folder, env } = await alone(t);
  const child = startChild({ script: MAIN, args: ['run'], cwd: folder, env: { ...env, LATCHKEY_LOG_FORMAT: 'ecs' } });
  t.after(() => child[Symbol.asyncDispose]());
  await child.line((line) => line.includes('"directory.down"'));
  assert.equal(await child.end('SIGTERM'), 0);
  const lines = child.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const actions = lines.map((line) => line['event.action']);
  for (const action of ['connector.started', 'directory.down', 'connector.stopped']) assert.ok(actions.includes(action), action);
  for (const line of lines) {
    for (const name of ['@timestamp', 'log.level', 'ecs.version', 'event.action', 'message', 'latchkey'])
      assert.ok(name in line, name);
    assert.equal(line['service.name'], 'latchkey');
  }
  assert.ok(!child.lines.join('').includes('that-nobody-sees'));
});
