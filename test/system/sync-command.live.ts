import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { SyncRecord } from '../../src/access/sync.ts';
import { extraPerson } from '../support/extra-people.ts';
import { onTerminal } from '../support/on-terminal.ts';
import { runCommand } from '../support/program.ts';
import { readiness, runningConnector } from '../support/survival.ts';
import { type StoredEvent, type System, startSystem } from '../support/system.ts';

suite('latchkey sync', () => {
  let s: System;
  before(async () => {
    s = await startSystem({ ldap: { people: 60 }, env: { SYNC_MAX_REMOVED: '20%', LATCHKEY_LOG_LEVEL: 'info' } });
    await s.startStub();
  });
  after(() => s[Symbol.asyncDispose]());

  const command = (...args: readonly string[]) => runCommand({ args: ['sync', ...args], env: s.connectorEnv(), cwd: s.folder });
  const check = (...args: readonly string[]) => runCommand({ args: ['check', ...args], env: s.connectorEnv(), cwd: s.folder });
  const deletePeople = (from: number, to: number) => {
    const numbers = Array.from({ length: to - from + 1 }, (_, i) => from + i);
    return s.ldap.modify(numbers.map((number) => `dn: ${s.person(extraPerson(number))}\nchangetype: delete\n`).join('\n'));
  };
  const heldAfter = async (from: number): Promise<{ heldSyncId: string; index: number }> => {
    const isHeld = (one: StoredEvent['event']) => one.kind === 'sync.failed' && one.heldSyncId !== undefined;
    const { event: told, index } = await s.event(isHeld, from);
    assert.ok(told.kind === 'sync.failed' && told.error.code === 'removals_held' && told.heldSyncId !== undefined);
    return { heldSyncId: told.heldSyncId, index };
  };
  const counted = async () => (await s.api<unknown[]>('/users?limit=1000')).length;

  test('without a connector nothing can be told, but the directory can be read', async () => {
    const told = await command();
    assert.equal(told.code, 69, told.stderr);
    assert.match(told.stderr, /no connector runs with the state directory/);
    const dry = await command('--dry-run');
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /^in the directory: 84 users, \d+ groups.*\na sync would tell everything: 84 users/);
  });

  test('--out writes every record as a line of JSON, which only its owner can read', async () => {
    const path = join(s.folder, 'records.ndjson');
    const { code, stderr } = await command('--out', path);
    assert.equal(code, 0, stderr);
    const records = (await readFile(path, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as SyncRecord);
    assert.equal(records.filter(({ record }) => record === 'user').length, 84);
    assert.ok(records.some((record) => record.record === 'group' && record.name === 'domain-admins' && record.protected));
    assert.ok(records.some((record) => record.record === 'members' && record.add.length > 0));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  test('--out that fails leaves the file of before, and one that cannot be written is told before anything is read', async () => {
    const path = join(s.folder, 'records.ndjson');
    const old = await readFile(path, 'utf8');
    const env = { ...s.connectorEnv(), LDAP_BIND_PASSWORD: 'wrong', LDAP_BIND_PASSWORD_FILE: undefined };
    const refused = await runCommand({ args: ['sync', '--out', path], env, cwd: s.folder });
    assert.equal(refused.code, 1, refused.stderr);
    assert.equal(await readFile(path, 'utf8'), old);
    const full = await command('--out', '/dev/full');
    assert.equal(full.code, 1);
    assert.match(full.stderr, /^latchkey: cannot write \/dev\/full: the disk is full$/m);
    const nowhere = join(s.folder, 'missing', 'records.ndjson');
    const unwritable = await command('--out', nowhere);
    assert.deepEqual([unwritable.code, unwritable.stderr], [64, `latchkey: cannot write ${nowhere}: there is no such folder\n`]);
  });

  test('what is only read here needs no control plane in the configuration', async () => {
    const none = { LATCHKEY_CONTROL_PLANE_URL: undefined, LATCHKEY_CONTROL_PLANE_TOKEN_FILE: undefined };
    const env = { ...s.connectorEnv(), ...none };
    for (const args of [['sync', '--dry-run'], ['acl']])
      assert.equal((await runCommand({ args, env, cwd: s.folder })).code, 0, args.join(' '));
    assert.equal((await runCommand({ args: ['sync'], env, cwd: s.folder })).code, 78);
  });

  test('the running connector is asked through its socket, and a dry run beside it changes nothing', async () => {
    await s.startConnector();
    assert.equal((await stat(join(s.stateDir, 'operator.sock'))).mode & 0o777, 0o600);
    const { code, stdout, stderr } = await command('--full');
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /^full [0-9a-f-]{36}: \d+ added or changed, nothing removed; the control plane has 84 users, \d+ groups/,
    );
    assert.equal(await counted(), 84);
    await s.ldap.modify(`dn: ${s.person(extraPerson(1))}\nchangetype: delete\n`);
    const dry = await command('--dry-run');
    assert.match(dry.stdout, /a sync would add or change 0 users, \d+ groups? and 0 memberships, and remove 1 user, /);
    assert.equal(await counted(), 84);
    assert.equal((await command()).code, 0);
    assert.equal(await counted(), 83);
  });

  test('removals that are held make readiness red, and are told once a person accepts them', async () => {
    const connector = runningConnector(s);
    assert.equal((await readiness(connector)).body['sync']?.['ready'], true);
    await deletePeople(2, 20);
    const { code, stderr } = await command();
    assert.equal(code, 1);
    assert.match(stderr, /would remove 19 of 83 users/);
    const { heldSyncId } = await heldAfter(0);
    const red = await readiness(connector);
    assert.equal(red.status, 503);
    assert.equal(red.body['sync']?.['heldSyncId'], heldSyncId);
    const checked = await check();
    assert.equal(checked.code, 1);
    assert.match(checked.stdout, new RegExp(`^FAIL  sync .*would remove 19 users.*--accept-removals ${heldSyncId}`, 'm'));
    assert.equal(await counted(), 83);
    assert.match((await command('--dry-run')).stderr, /would remove 19 of 83 users/);
    const out = await command('--out', join(s.folder, 'fewer.ndjson'));
    assert.equal(out.code, 0, out.stderr);
    const accepted = await command('--accept-removals', heldSyncId);
    assert.equal(accepted.code, 0, accepted.stderr);
    assert.equal(await counted(), 64);
    assert.equal((await readiness(connector)).body['sync']?.['ready'], true);
    assert.equal((await command('--accept-removals', heldSyncId)).code, 1);
  });

  test('removals stay held through a restart, and a job accepts them, once', async () => {
    const { index } = await heldAfter(0);
    await deletePeople(21, 40);
    assert.equal((await command()).code, 1);
    const { heldSyncId } = await heldAfter(index);
    await s.stopConnector();
    await s.startConnector();
    const red = await readiness(runningConnector(s));
    assert.deepEqual([red.status, red.body['sync']?.['heldSyncId']], [503, heldSyncId]);
    const accept = async () => {
      const { jobId } = await s.api<{ jobId: string }>('/syncs', {
        method: 'POST',
        body: { mode: 'delta', acceptRemovals: heldSyncId },
      });
      return await s.outcome(jobId);
    };
    assert.equal((await accept()).kind, 'job.succeeded');
    assert.equal(await counted(), 44);
    assert.equal((await readiness(runningConnector(s))).body['sync']?.['ready'], true);
    const again = await accept();
    assert.ok(again.kind === 'job.failed' && again.error.code === 'removals_held');
  });

  test('check tells how changes are found, how much was told last, and what is wrong in the directory', async () => {
    const { code, stdout } = await check();
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^ok {4}changes .*by RFC 4533|^ok {4}changes .*every sync reads the whole directory/m);
    assert.match(stdout, /^ok {4}sync .*44 users, \d+ groups, \d+ memberships/m);
    assert.match(
      stdout,
      /^warn {2}directory content .*1 × duplicate_email: email shared@example\.test, userId \S+, otherUserId/m,
    );
  });

  test('a person at a terminal sees how far it is', async () => {
    const main = new URL('../../src/main.ts', import.meta.url).pathname;
    const { text, code } = await onTerminal([process.execPath, main, 'sync', '--dry-run', '--full'], {
      asks: /never asks/,
      answer: '',
      cwd: s.folder,
      env: s.connectorEnv(),
    });
    assert.equal(code, 0, text);
    assert.match(text, /\[#+\.*\] \d+ records/);
    assert.match(text, /a sync would tell everything: 44 users/);
  });

  test('a connector without a control plane says that nothing could be told', async () => {
    await s.stopStub();
    await runningConnector(s).line((line) => line.includes('"link.waiting"'));
    const { code, stderr } = await command();
    assert.equal(code, 69);
    assert.match(stderr, /no connection to the control plane/);
  });
});
