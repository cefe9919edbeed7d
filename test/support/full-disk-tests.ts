// The tests of a full disk, run by disk-full.live.ts where a small file system can be mounted.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, suite, test } from 'node:test';
import { instant } from '../../src/access/instant.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { LEAST_LEFT_BYTES } from '../../src/ledger/sqlite/backup-folder.ts';
import { openLedgerDatabase } from '../../src/ledger/sqlite/ledger-database.ts';
import { MIGRATIONS } from '../../src/ledger/sqlite/migrations.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import { RESERVE_BYTES } from '../../src/ledger/sqlite/reserve.ts';
import {
  activeGrant,
  endedGrant,
  endingGrant,
  everyEvent,
  grantIdOf,
  jobIdOf,
  quietly,
  sampleAudit,
  sampleIntent,
  sampleJob,
  samplePair,
  samplePeriod,
  succeeded,
} from './ledger-samples.ts';
import { contentOf, ledgerWithHistory } from './ledger-with-history.ts';
import { NO_RESERVE, sqliteOptions } from './ledgers-under-test.ts';
import { NEXT_MIGRATIONS } from './next-migrations.ts';
import { atScale } from './scale.ts';
import { mountSmallDisk } from './small-disk.ts';
import { granted, killed, past, readiness, ready, runningConnector, startReady } from './survival.ts';
import { type System, startSystem } from './system.ts';
import { answer, grantOf } from './told.ts';

/** A smaller reserve is used up sooner, and shows the same. */
const reserveBytes = atScale({ sample: RESERVE_BYTES / 4, full: RESERVE_BYTES });

suite('the ledger on a full disk', () => {
  let folder = '';
  let disk: ReturnType<typeof mountSmallDisk>;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-full-'));
    disk = mountSmallDisk(folder, 48);
  });
  after(async () => {
    disk.unmount();
    await rm(folder, { recursive: true, force: true });
  });

  afterEach(() => disk.free());

  test('the reserve has room for a thousand endings, and half of it is for nothing else', async (t) => {
    const stateDir = join(folder, 'endings');
    const options = { ...sqliteOptions(stateDir), reserveBytes };
    let ledger = await openSqliteLedger(options);
    t.after(() => ledger.close());
    assert.equal(await ledger.space(), 'ok');
    const count = atScale({ sample: 1000, full: 8000 });
    const live = (number: number) => activeGrant(`${number}`, { pair: samplePair(number, 1) });
    await Promise.all(
      Array.from({ length: count }, (_, number) =>
        ledger.activate(
          { grant: live(number), period: samplePeriod({ pair: samplePair(number, 1) }), intentId: null, placeholder: null },
          quietly(),
        ),
      ),
    );
    disk.fill();
    let ended = 0;
    let endedWhenLow = 0;
    for (; ended < count; ended += 1) {
      try {
        await endOne(ended);
      } catch (error) {
        assert.ok(error instanceof LedgerError && error.fault === 'no_space', String(error));
        break;
      }
      if ((await ledger.space()) === 'low') endedWhenLow = ended;
      // Whoever filled the disk takes what becomes free.
      if (ended % 200 === 0) disk.fill();
    }
    t.diagnostic(`${ended} endings on a full disk, ${endedWhenLow} of them before the reserve was for endings alone`);
    assert.ok(ended >= (1000 * reserveBytes) / RESERVE_BYTES);
    assert.ok(endedWhenLow < ended);
    assert.equal(await ledger.space(), 'endings_only');

    await ledger.close();
    disk.fill();
    ledger = await openSqliteLedger(options);
    assert.equal(await ledger.space(), 'endings_only');
    assert.equal((await ledger.known(grantIdOf('0'))).grant?.state, 'ended');
    disk.free();
    assert.equal(await ledger.space(), 'ok');
    await endOne(ended + 1);

    async function endOne(number: number): Promise<void> {
      const name = `${number}`;
      const pair = samplePair(number, 1);
      await ledger.storeJob(sampleJob(name), quietly({ audit: [sampleAudit('job.accepted')] }));
      await ledger.beginEnding(endingGrant(name, pair), [jobIdOf(name)], quietly({ audit: [sampleAudit('grant.ending')] }));
      const remove = sampleIntent(name, { pair, kind: 'remove' });
      await ledger.openIntent(remove, { period: null, replaces: null }, quietly({ audit: [sampleAudit('intent.opened')] }));
      await ledger.end(
        { grant: endedGrant(name, { pair }), period: null, placeholder: null },
        quietly({
          events: everyEvent().filter(({ kind }) => kind === 'grant.ended'),
          results: [succeeded(name)],
          audit: [sampleAudit('grant.ended'), sampleAudit('job.succeeded')],
        }),
      );
      await ledger.acknowledge((await ledger.identity()).nextSeq - 1);
    }
  });

  test('a backup takes nothing of what endings need: none is written there, room is given back, and elsewhere they go on', async (t) => {
    const stateDir = join(folder, 'backups');
    const elsewhere = await mkdtemp(join(tmpdir(), 'latchkey-elsewhere-'));
    t.after(() => rm(elsewhere, { recursive: true, force: true }));
    const ledger = await openSqliteLedger({ ...sqliteOptions(stateDir), reserveBytes, backupDir: elsewhere });
    t.after(() => ledger.close());
    const kept = async (second: number) =>
      (await ledger.backUp(instant(second * 1000), new AbortController().signal)).map(({ problem }) => problem);
    const inPlace = async () => (await readdir(join(stateDir, 'backups'))).length;
    for (const second of [1, 2, 3]) assert.deepEqual(await kept(second), [null, null]);
    assert.equal(await inPlace(), 3);
    disk.fill();
    disk.leave(LEAST_LEFT_BYTES / 4);
    const [own, other] = await kept(4);
    assert.match(own ?? '', /has no room for a backup of \d+ MiB: free space on its disk/);
    assert.equal(other, null);
    assert.equal(await inPlace(), 1);
    assert.ok(disk.freeBytes() >= LEAST_LEFT_BYTES / 4);
    disk.free();
    assert.deepEqual(await kept(5), [null, null]);
  });

  test('a migration that meets a full disk is taken back whole, and taken once there is room', async () => {
    const stateDir = join(folder, 'migration');
    const { content } = await ledgerWithHistory(stateDir);
    const bulky = `CREATE TABLE bulk (x TEXT) STRICT;
      WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 1000)
      INSERT INTO bulk SELECT hex(randomblob(2000)) FROM counted`;
    const options = {
      stateDir,
      reserve: NO_RESERVE,
      migrations: [...MIGRATIONS, bulky, ...NEXT_MIGRATIONS.slice(MIGRATIONS.length)],
    };
    disk.fill();
    assert.throws(
      () => openLedgerDatabase(options),
      (error) => error instanceof LedgerError && error.fault === 'no_space',
    );
    disk.free();
    const ledger = await openSqliteLedger(sqliteOptions(stateDir));
    assert.deepEqual(await contentOf(ledger), content);
    await ledger.close();
    const opened = openLedgerDatabase(options);
    opened.begin();
    assert.deepEqual({ ...(opened.database.row('SELECT count(*) AS rows FROM bulk') as object) }, { rows: 1000 });
    opened.close();
  });
});

suite('the connector on a full disk', { concurrency: false }, () => {
  let s: System;
  let disk: ReturnType<typeof mountSmallDisk>;
  const group = { name: 'vpn-users' };
  const soon = (ms: number): string => new Date(Date.now() + ms).toISOString();

  before(async () => {
    s = await startSystem({ ldap: { people: 10 } });
    disk = mountSmallDisk(s.stateDir, 32);
    await s.startStub();
    await startReady(s);
  });
  after(async () => {
    await s.stopConnector();
    disk.unmount();
    await s[Symbol.asyncDispose]();
  });

  test('full while grants are active: new ones and extensions are refused, shortening, revoking and expiry go on', async () => {
    const long = await granted(s, { user: { username: 'u0004' }, group, durationSeconds: 600 });
    const short = await granted(s, { user: { username: 'u0001' }, group, expiresAt: soon(8000) });
    const other = await granted(s, { user: { username: 'u0002' }, group, durationSeconds: 600 });
    disk.fill();
    const refused = await s.grant({ user: { username: 'u0003' }, group, durationSeconds: 60 });
    assert.equal(await answer(s, refused.jobId), 'no_space');
    const health = await readiness(runningConnector(s));
    assert.equal(health.status, 503);
    assert.equal(health.body['ledger']?.['space'], 'low');
    assert.ok(runningConnector(s).lines.some((line) => line.includes('"ledger.space-low"')));

    const longer = await s.grant({ grantId: long.grantId, user: { username: 'u0004' }, group, durationSeconds: 700 });
    assert.equal(await answer(s, longer.jobId), 'no_space');
    const shorter = await s.grant({ grantId: long.grantId, user: { username: 'u0004' }, group, durationSeconds: 500 });
    assert.equal(await answer(s, shorter.jobId), 'updated');
    assert.equal(await answer(s, (await s.revoke(other.grantId)).jobId), 'revoked');
    await s.member(s.group('vpn-users'), s.person('u0002'), false);
    disk.fill();
    await past(short.expiresAt);
    assert.equal((await s.endOf(short.grantId)).membership, 'removed');
    await s.member(s.group('vpn-users'), s.person('u0001'), false);
    await s.member(s.group('vpn-users'), s.person('u0003'), false);
  });

  test('a start on a full disk recovers, and ends what became due meanwhile', async () => {
    disk.free();
    await ready(runningConnector(s), ({ status }) => status === 200);
    const due = await granted(s, { user: { username: 'u0001' }, group, expiresAt: soon(6000) });
    const revoked = await granted(s, { user: { username: 'u0002' }, group, durationSeconds: 600 });
    assert.equal(await s.stopConnector('SIGKILL'), 'SIGKILL');
    disk.fill();
    await s.startConnector({ killAt: 'end.intent-stored' });
    await s.revoke(revoked.grantId);
    await killed(s);
    disk.fill();
    await startReady(s);
    assert.equal((await s.endOf(revoked.grantId)).membership, 'removed');
    await past(due.expiresAt);
    assert.equal((await s.endOf(due.grantId)).membership, 'removed');
    for (const uid of ['u0002', 'u0001']) await s.member(s.group('vpn-users'), s.person(uid), false);
  });

  test('full in the middle of a grant: what was accepted is finished and ended', async () => {
    disk.free();
    await ready(runningConnector(s), ({ status }) => status === 200);
    assert.equal(await s.stopConnector(), 0);
    await s.startConnector({ killAt: 'grant.modify-answered' });
    const { grantId, jobId } = await s.grant({ user: { username: 'u0003' }, group, durationSeconds: 600 });
    await killed(s);
    disk.fill();
    await startReady(s);
    assert.equal(await answer(s, jobId), 'granted');
    assert.equal((await grantOf(s, jobId)).standing, false);
    assert.equal(await answer(s, (await s.revoke(grantId)).jobId), 'revoked');
    await s.member(s.group('vpn-users'), s.person('u0003'), false);
  });

  test('space that returns makes it ready again, and grants are accepted', async () => {
    disk.fill();
    const refused = await s.grant({ user: { username: 'u0003' }, group, durationSeconds: 60 });
    assert.equal(await answer(s, refused.jobId), 'no_space');
    disk.free();
    await ready(runningConnector(s), ({ status }) => status === 200);
    const again = await granted(s, { user: { username: 'u0003' }, group, durationSeconds: 600 });
    assert.equal(await answer(s, (await s.revoke(again.grantId)).jobId), 'revoked');
    assert.equal(await s.stopConnector(), 0);
    assert.deepEqual(await s.violations(), []);
  });
});
