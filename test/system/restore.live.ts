import assert from 'node:assert/strict';
import { open, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { runCommand } from '../support/program.ts';
import { granted, past, ready, runningConnector, succeeded } from '../support/survival.ts';
import { type System, startSystem, until } from '../support/system.ts';

const PAGE_BYTES = 4096;
/** Made at once and then never again, or never at all. */
const [SOON, NEVER] = [{ TEST_BACKUP_MS: '300:300' }, { TEST_BACKUP_MS: '3600000:3600000' }];

suite('a ledger that is damaged is restored from its own backup, and the truth is told', { concurrency: false }, () => {
  let s: System;
  const group = { name: 'vpn-users' };

  before(async () => {
    s = await startSystem();
    await s.startStub();
  });
  after(() => s[Symbol.asyncDispose]());

  const soon = (ms: number): string => new Date(Date.now() + ms).toISOString();
  const isMember = (uid: string, expected: boolean) => s.member(s.group('vpn-users'), s.person(uid), expected);
  const command = (...args: readonly string[]) => runCommand({ args, env: s.connectorEnv(), cwd: s.folder });
  const backups = async () => (await readdir(join(s.stateDir, 'backups')).catch(() => [])).filter((name) => name.endsWith('.db'));

  /** Gives it an end that comes at once, and waits for it. */
  async function endsOnTime(grantId: string, uid: string): Promise<void> {
    const expiresAt = soon(2_000);
    const { jobId } = await s.grant({ grantId, user: { username: uid }, group, expiresAt });
    assert.equal(await succeeded(s, jobId), 'updated');
    await past(expiresAt);
    assert.equal((await s.endOf(grantId)).membership, 'removed');
    await isMember(uid, false);
  }

  /** Resolves when what is decided by now is in a backup. */
  async function backedUp(): Promise<void> {
    const had = new Set(await backups());
    await until('another backup', async () => (await backups()).some((name) => !had.has(name)));
  }

  /** Overwrites a letter of each page of the ledger's file from that page on. */
  async function overwrite(from: number): Promise<void> {
    const file = await open(join(s.stateDir, 'ledger.db'), 'r+');
    const { size } = await file.stat();
    for (let page = from; page <= size / PAGE_BYTES; page += 1) await file.write('x', (page - 1) * PAGE_BYTES + 3000);
    await file.close();
  }

  test('killed, and its bytes overwritten: what the backup knows goes on, what came after is told and decided by a person', async () => {
    await s.startConnector({ env: SOON });
    await granted(s, { grantId: 'known', user: { username: 'dana' }, group, durationSeconds: 600 });
    const gone = await granted(s, { user: { username: 'zoe' }, group, durationSeconds: 600 });
    await backedUp();
    assert.equal(await s.stopConnector(), 0);

    await s.startConnector({ env: NEVER });
    const issuedAt = new Date().toISOString();
    await granted(s, { grantId: 'after-the-backup', user: { username: 'chen' }, group, durationSeconds: 600 });
    assert.equal(await succeeded(s, (await s.revoke(gone.grantId)).jobId), 'revoked');
    await isMember('zoe', false);
    // A stop tells a checkpoint of what will be lost.
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector({ env: NEVER });
    assert.equal(await s.stopConnector('SIGKILL'), 'SIGKILL');
    await overwrite(2);

    const child = await s.startConnector({ env: NEVER });
    await s.event(({ kind }) => kind === 'ledger.replaced');
    const [setAside = ''] = await readdir(join(s.stateDir, 'damaged'));
    assert.ok((await readdir(join(s.stateDir, 'damaged', setAside))).includes('ledger.db'));
    // What the backup believes to be active was revoked since: that it is not there is told at once.
    await s.event((told) => told.kind === 'grant.drifted' && told.observed === 'absent' && told.grant.grantId === gone.grantId);

    // The control plane gives again what it believes to be given, and is told that nobody knows whose it is.
    const again = { kind: 'grant', grantId: 'after-the-backup', issuedAt, user: { username: 'chen' }, group };
    const { jobId } = await s.job({ ...again, jobId: 'given-again', expiresAt: soon(600_000) });
    const told = await s.outcome(jobId);
    assert.ok(told.kind === 'job.succeeded' && told.outcome === 'already_standing' && told.grant?.standing === 'unknown');
    await ready(child, ({ status, body }) => status === 503 && /unknown whether/.test(String(body['ledger']?.['message'])));
    await isMember('chen', true);
    const adopted = await command('adopt', 'after-the-backup', '--yes');
    assert.equal(adopted.code, 0, adopted.stderr);
    await ready(child, ({ status }) => status === 200);
    assert.equal(await succeeded(s, (await s.revoke('after-the-backup')).jobId), 'revoked');
    await isMember('chen', false);

    await endsOnTime('known', 'dana');
    assert.equal(await succeeded(s, (await s.revoke(gone.grantId)).jobId), 'already_absent');
    await isMember('zoe', false);
    assert.deepEqual(await s.violations(), []);
  });

  test('its audit trail is whole, says what was restored, and the checkpoints show what was cut off', async () => {
    const checkpoints = (await s.events()).filter(({ event }) => event.kind === 'audit.checkpoint');
    const file = join(s.folder, 'checkpoints.ndjson');
    await writeFile(file, checkpoints.map((one) => `${JSON.stringify(one)}\n`).join(''));
    const verified = await command('audit', 'verify', '--checkpoints', file);
    assert.equal(verified.code, 0, verified.stderr);
    assert.match(verified.stdout, /the audit trail is whole.*record \d+ says that an older copy of the ledger was put back/s);
    assert.match(verified.stdout, /are of a ledger that this one has replaced/);
    const { stdout } = await command('audit', 'export');
    const record = stdout.split('\n').find((line) => line.includes('"ledger.replaced"')) ?? '';
    for (const said of ['"setAside":', '"backup":', '"backupAgeSeconds":', 'the ledger is damaged: page'])
      assert.ok(record.includes(said), `${said} in ${record}`);
  });

  test('found while it runs: the connector ends with exit code 69, and the next start restores and ends what is due', async () => {
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector({ env: SOON });
    await granted(s, { grantId: 'due', user: { username: 'sam' }, group, durationSeconds: 600 });
    await backedUp();
    const child = runningConnector(s);
    await overwrite(4);
    // What makes another backup worth it.
    await s.job({ kind: 'check', jobId: 'a-check' });
    assert.equal(await child.ended, 69, child.lines.slice(-5).join('\n'));
    assert.ok(child.lines.some((line) => line.includes('it is started again and restores its ledger from a backup')));
    await s.stopConnector();
    await s.startConnector({ env: NEVER });
    await endsOnTime('due', 'sam');
  });
});
