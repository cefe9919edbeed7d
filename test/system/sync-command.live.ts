import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { SyncRecord } from '../../src/access/sync.ts';
import { extraPerson } from '../support/extra-people.ts';
import { runCommand } from '../support/program.ts';
import { readiness, runningConnector } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

suite('latchkey sync', () => {
  let s: System;
  before(async () => {
    s = await startSystem({ ldap: { people: 30 }, env: { SYNC_MAX_REMOVED: '20%', LATCHKEY_LOG_LEVEL: 'info' } });
    await s.startStub();
  });
  after(() => s[Symbol.asyncDispose]());

  const command = (...args: readonly string[]) => runCommand({ args: ['sync', ...args], env: s.connectorEnv(), cwd: s.folder });
  const counted = async () => (await s.api<unknown[]>('/users?limit=1000')).length;

  test('without a connector nothing can be told, but the directory can be read', async () => {
    const told = await command();
    assert.equal(told.code, 69, told.stderr);
    assert.match(told.stderr, /no connector runs with the state directory/);
    const dry = await command('--dry-run');
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /^in the directory: 54 users, \d+ groups.*\na sync would tell everything: 54 users/);
    assert.equal((await command('--dry-run', '--accept-removals', 'x')).code, 64);
    assert.equal((await command('--out')).code, 64);
  });

  test('--out writes every record as a line of JSON, which only its owner can read', async () => {
    const path = join(s.folder, 'records.ndjson');
    const { code, stderr } = await command('--out', path);
    assert.equal(code, 0, stderr);
    const records = (await readFile(path, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as SyncRecord);
    assert.equal(records.filter(({ record }) => record === 'user').length, 54);
    assert.ok(records.some((record) => record.record === 'group' && record.name === 'domain-admins' && record.protected));
    assert.ok(records.some((record) => record.record === 'members' && record.add.length > 0));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  test('the running connector is asked through its socket, and a dry run beside it changes nothing', async () => {
    await s.startConnector();
    assert.equal((await stat(join(s.stateDir, 'operator.sock'))).mode & 0o777, 0o600);
    const { code, stdout, stderr } = await command('--full');
    assert.deepEqual([code, stdout], [0, 'the control plane has the picture of the directory\n'], stderr);
    assert.equal(await counted(), 54);
    await s.ldap.modify(`dn: ${s.person(extraPerson(1))}\nchangetype: delete\n`);
    const dry = await command('--dry-run');
    assert.match(dry.stdout, /a sync would tell 0 users, \d+ groups and 0 memberships anew or otherwise, and remove 1 users/);
    assert.equal(await counted(), 54);
    assert.equal((await command()).code, 0);
    assert.equal(await counted(), 53);
  });

  test('removals that are held make readiness red, and are told once a person accepts them', async () => {
    const connector = runningConnector(s);
    assert.equal((await readiness(connector)).body['sync']?.['ready'], true);
    for (let number = 2; number <= 20; number += 1)
      await s.ldap.modify(`dn: ${s.person(extraPerson(number))}\nchangetype: delete\n`);
    const { code, stderr } = await command();
    assert.equal(code, 1);
    assert.match(stderr, /would remove 19 of 53 users/);
    const failed = await s.event((event) => event.kind === 'sync.failed');
    assert.ok(failed.event.kind === 'sync.failed' && failed.event.error.code === 'removals_held');
    const { heldSyncId } = failed.event;
    assert.ok(heldSyncId !== undefined);
    const red = await readiness(connector);
    assert.equal(red.status, 503);
    assert.equal(red.body['sync']?.['heldSyncId'], heldSyncId);
    assert.equal(await counted(), 53);
    const accepted = await command('--accept-removals', heldSyncId);
    assert.equal(accepted.code, 0, accepted.stderr);
    assert.equal(await counted(), 34);
    assert.equal((await readiness(connector)).body['sync']?.['ready'], true);
    assert.equal((await command('--accept-removals', heldSyncId)).code, 1);
  });

  test('a connector without a control plane says that nothing could be told', async () => {
    await s.stopStub();
    await runningConnector(s).line((line) => line.includes('"link.waiting"'));
    const { code, stderr } = await command();
    assert.equal(code, 69);
    assert.match(stderr, /no connection to the control plane/);
  });
});
