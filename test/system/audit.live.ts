import assert from 'node:assert/strict';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { changeLedger } from '../support/ledgers-under-test.ts';
import { runCommand } from '../support/program.ts';
import { granted, runningConnector } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

interface ExportedLine {
  readonly seq: number;
  readonly record: { readonly kind: string; readonly grantId?: string; readonly facts: Readonly<Record<string, unknown>> };
}

suite('latchkey audit', { concurrency: false }, () => {
  let s: System;
  const checkpoints: string[] = [];
  before(async () => {
    s = await startSystem({ env: { LATCHKEY_MAX_GRANT: '8h' } });
    await s.startStub();
    await s.startConnector();
  });
  after(() => s[Symbol.asyncDispose]());

  const command = (...args: readonly string[]) => runCommand({ args: ['audit', ...args], env: s.connectorEnv(), cwd: s.folder });
  const exported = async (...args: readonly string[]): Promise<readonly ExportedLine[]> => {
    const { code, stdout, stderr } = await command('export', ...args);
    assert.equal(code, 0, stderr);
    return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as ExportedLine]));
  };
  const ledger = () => join(s.stateDir, 'ledger.db');

  test('verifies and exports the trail of a connector that runs', async () => {
    await granted(s, { grantId: 'audited', user: { username: 'zoe' }, group: { name: 'vpn-users' }, durationSeconds: 3600 });
    await granted(s, { grantId: 'other', user: { username: 'rosa' }, group: { name: 'vpn-users' }, durationSeconds: 3600 });
    const whole = await command('verify');
    assert.equal(whole.code, 0, whole.stderr);
    assert.match(whole.stdout, /^the audit trail is whole: \d+ records \(1 to \d+\)\nhead \d+:[0-9a-f]{64}\n/);
    const lines = await exported();
    assert.deepEqual(
      lines.map(({ seq }) => seq),
      lines.map((_, i) => i + 1),
    );
    const kinds = (await exported('--grant', 'audited')).map(({ record }) => record.kind);
    assert.deepEqual(kinds, [
      'job.accepted',
      'grant.pending',
      'grant.pending',
      'intent.opened',
      'grant.activated',
      'job.succeeded',
    ]);
    const csv = await command('export', '--format', 'csv', '--since', '1h');
    assert.equal(csv.stdout.split('\r\n').length, lines.length + 2);
    assert.deepEqual(await exported('--since', '2100-01-01T00:00:00Z'), []);
  });

  test('the trail says with what configuration the connector was started, and where a look was: never a secret', async () => {
    const lines = await exported();
    const started = lines.find(({ record }) => record.kind === 'connector.started');
    assert.match(JSON.stringify(started?.record.facts), /"maxGrantMs":28800000/);
    const activated = lines.find(({ record }) => record.kind === 'grant.activated');
    assert.match(String(activated?.record.facts['server']), /^(?:ldaps?:\/\/)?(?:127\.0\.0\.1|localhost):\d+/);
  });

  test('a stop tells where the trail ends, to the control plane and to the log', async () => {
    const connector = runningConnector(s);
    const told = connector.line((line) => line.includes('"audit.checkpoint"'));
    await s.stopConnector();
    checkpoints.push(await told);
    const { event } = await s.event(({ kind }) => kind === 'audit.checkpoint');
    assert.ok(event.kind === 'audit.checkpoint');
    const found = await command('verify', '--checkpoint', `${event.count}:${event.hash}`);
    assert.equal(found.code, 0, found.stderr);
    assert.match(found.stdout, /^1 checkpoints agree$/m);
    await writeFile(join(s.folder, 'log'), `${checkpoints.join('\n')}\n`);
    const fromLog = await command('verify', '--checkpoints', join(s.folder, 'log'));
    assert.match(fromLog.stdout, /^1 checkpoints agree$/m);
  });

  test('a tail that was cut off shows against the checkpoint, an edit without, in a copy of the file', async () => {
    const copy = join(s.folder, 'copy.db');
    await copyFile(ledger(), copy);
    assert.equal((await command('verify', copy)).code, 0);
    changeLedger(s.stateDir, (database) =>
      database.script(`DROP TRIGGER audit_lives_as_long_as_its_retention; DROP TRIGGER audit_is_never_changed;
        DELETE FROM audit WHERE audit_id > (SELECT audit_count - 2 FROM identity);
        UPDATE identity SET audit_count = audit_count - 2;
        UPDATE identity SET audit_hash = (SELECT hash FROM audit WHERE audit_id = audit_count)`),
    );
    assert.equal((await command('verify')).code, 0, 'alone it does not show');
    const cut = await command('verify', '--checkpoints', join(s.folder, 'log'));
    assert.equal(cut.code, 1);
    assert.match(cut.stderr, /is broken at record \d+ \(tail_cut\): records \d+ to \d+ are missing at the end/);
    changeLedger(s.stateDir, (database) =>
      database.script("UPDATE audit SET record = replace(record, 'zoe', 'eve') WHERE audit_id = 3"),
    );
    const edited = await command('verify', '--json');
    assert.equal(edited.code, 1);
    const { whole, found } = JSON.parse(edited.stdout) as { whole: boolean; found: { seq: number; fault: string } };
    assert.deepEqual([whole, found.seq, found.fault], [false, 3, 'changed']);
  });

  test('what cannot be read is said, with the exit code that fits', async () => {
    assert.equal((await command('verify', join(s.folder, 'nothing.db'))).code, 69);
    assert.equal((await command('verify', '--checkpoint', 'x')).code, 64);
    assert.equal((await command('export', '--since', 'yesterday')).code, 64);
    assert.equal((await command('export', '--format', 'xml')).code, 64);
    const { code, stderr } = await command('verify', join(s.folder, 'token'));
    assert.equal(code, 1);
    assert.match(stderr, /cannot be read/);
  });
});
