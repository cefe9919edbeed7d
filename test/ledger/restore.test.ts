import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { verifyAudit } from '../../src/connector/audit.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { damageNoted, noteDamage } from '../../src/ledger/sqlite/restore.ts';
import { activate, at, backedUpLedger, NEVER, NEW_ID } from '../support/backed-up-ledger.ts';
import { capturedLog } from '../support/captured-log.ts';
import { faulty } from '../support/ledger-contract.ts';
import { auditRecordsOf, changeLedger } from '../support/ledgers-under-test.ts';

async function grantsOf(ledger: Ledger): Promise<readonly string[]> {
  return (await ledger.listGrants({ endedSince: null, after: null, limit: 100 })).map(({ grantId }) => grantId);
}

/** A backup of another connector in a folder, newer than all others. */
async function othersBackup(t: Parameters<typeof backedUpLedger>[0], folder: string): Promise<{ readonly path: string }> {
  const others = await backedUpLedger(t, { connectorId: 'another' });
  for (let number = 1; number <= 9; number += 1) await activate(others.first, number);
  const [kept] = await others.first.backUp(at(99), NEVER);
  await others.first.close();
  assert.ok(kept !== undefined);
  await mkdir(folder, { recursive: true });
  const [name = ''] = await readdir(join(others.stateDir, 'backups'));
  await copyFile(join(others.stateDir, 'backups', name), join(folder, name));
  return { path: join(folder, name) };
}

/** Two grants, a backup of the first, and one of both, in both folders. */
async function withBackups(t: Parameters<typeof backedUpLedger>[0]) {
  const rig = await backedUpLedger(t);
  await activate(rig.first, 1);
  await rig.first.backUp(at(1), NEVER);
  await activate(rig.first, 2);
  await rig.first.backUp(at(2), NEVER);
  await activate(rig.first, 3);
  await rig.first.close();
  return rig;
}

suite('a ledger that is damaged', () => {
  test('is set aside whole and restored from the newest backup, under a new id that is told', async (t) => {
    const rig = await withBackups(t);
    const before = await readFile(join(rig.stateDir, 'ledger.sum'));
    await rig.damage();
    const damaged = await readFile(join(rig.stateDir, 'ledger.db'));
    const ledger = await rig.opened({ now: () => at(300) });
    assert.deepEqual(await grantsOf(ledger), ['grant-1', 'grant-2']);
    const { ledgerId, replacedAt } = await ledger.identity();
    assert.deepEqual([ledgerId, replacedAt], [NEW_ID, at(300)]);
    const [told] = await ledger.events({ after: 0, limit: 1 });
    assert.deepEqual(told?.event, { kind: 'ledger.replaced', previousLedgerId: 'first-id' });

    const [folder = ''] = await readdir(join(rig.stateDir, 'damaged'));
    const setAside = join(rig.stateDir, 'damaged', folder);
    // Not deepEqual: where they differ, it makes a table of all bytes by all bytes.
    assert.ok(damaged.equals(await readFile(join(setAside, 'ledger.db'))));
    assert.ok(before.equals(await readFile(join(setAside, 'ledger.sum'))));
    const record = auditRecordsOf(rig.stateDir).at(-1);
    assert.equal(record?.kind, 'ledger.replaced');
    assert.match(String(record?.facts['why']), /the ledger is damaged: page \d+/);
    const facts = { ...record?.facts, why: '', commits: 0, backup: '' };
    assert.deepEqual(facts, {
      why: '',
      commits: 0,
      knownCommits: null,
      setAside,
      backup: '',
      backupAt: '2026-01-02T00:00:02.000Z',
      backupAgeSeconds: 298,
      grants: { pending: 0, active: 2, ending: 0 },
      openJobs: 0,
    });
    assert.equal(damageNoted(rig.stateDir), null);
    await ledger.close();
    assert.ok(verifyAudit({ path: join(rig.stateDir, 'ledger.db'), checkpoints: [] }, () => undefined).whole);
    assert.equal((await (await rig.opened()).identity()).ledgerId, NEW_ID, 'restored once');
  });

  test('is restored from an older backup where the newest is not what was written', async (t) => {
    const rig = await withBackups(t);
    await rig.damage();
    for (const place of [0, 1]) {
      const newest = join(rig.places[place]?.folder ?? '', (await rig.backupsIn(place)).at(-1) ?? '');
      const bytes = await readFile(newest);
      // A letter in the free part of a page: the structure is whole.
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 3000) ^ 1, bytes.length - 3000);
      await writeFile(newest, bytes);
    }
    assert.deepEqual(await grantsOf(await rig.opened()), ['grant-1']);
  });

  test('is restored from the second folder where that has the newest', async (t) => {
    const rig = await withBackups(t);
    await rm(join(rig.stateDir, 'backups'), { recursive: true });
    await rig.damage();
    assert.deepEqual(await grantsOf(await rig.opened()), ['grant-1', 'grant-2']);
  });

  test('is restored where its log was lost, and a backup has more of what that held than the file', async (t) => {
    const rig = await backedUpLedger(t);
    await activate(rig.first, 1);
    await rig.first.close();
    const ledger = await rig.opened();
    await activate(ledger, 2);
    await ledger.backUp(at(1), NEVER);
    await activate(ledger, 3);
    // As a kill leaves them, but for the log.
    const files = await Promise.all(
      ['ledger.db', 'ledger.sum'].map(async (name) => [name, await readFile(join(rig.stateDir, name))] as const),
    );
    await ledger.close();
    for (const [name, bytes] of files) await writeFile(join(rig.stateDir, name), bytes);
    const again = await rig.opened();
    assert.deepEqual(await grantsOf(again), ['grant-1', 'grant-2']);
    assert.match(
      String(auditRecordsOf(rig.stateDir).at(-1)?.facts['why']),
      /has lost its last \d+ commits, and there is a backup that has more/,
    );
  });

  test('is left as it is where no backup is whole, and the start says what to do', async (t) => {
    const rig = await withBackups(t);
    await rig.damage();
    for (const place of [0, 1])
      for (const name of await rig.backupsIn(place)) await writeFile(join(rig.places[place]?.folder ?? '', name), 'no ledger');
    const files = await readdir(rig.stateDir);
    await assert.rejects(rig.opened(), (error) => {
      assert.ok(faulty('damaged')(error));
      assert.match(String(error), /no backup of it is whole .*nothing is begun with an empty ledger.*Restore by hand/s);
      return true;
    });
    assert.deepEqual(await readdir(rig.stateDir), files);
  });

  test("is restored from the next backup where one is another connector's, and each that was passed over is told with its reason", async (t) => {
    const rig = await withBackups(t);
    const { path } = await othersBackup(t, rig.places[1]?.folder ?? '');
    const unreadable = join(rig.places[0]?.folder ?? '', 'ledger-20260103T000000000Z-0123456789abcdef.db');
    await writeFile(unreadable, 'no ledger');
    await rig.damage();
    const log = capturedLog();
    assert.deepEqual(await grantsOf(await rig.opened({ logger: log.logger })), ['grant-1', 'grant-2']);
    const unfit = log.lines.filter(({ event }) => event === 'ledger.backup-unfit');
    assert.deepEqual(
      unfit.map((line) => line['backup']),
      [unreadable, path],
    );
    assert.match(String(unfit[1]?.['problem']), /it is of connector "another", and this one is "connector-1"/);
  });

  for (const connectorId of [null, 'connector-1'])
    test(`is not restored where each backup is another connector's, and the start says whose and what to do (${connectorId})`, async (t) => {
      const rig = await withBackups(t);
      const [own = '', shared = ''] = rig.places.map(({ folder }) => folder);
      for (const folder of [own, shared]) await rm(folder, { recursive: true });
      const { path } = await othersBackup(t, shared);
      await rig.damage();
      const files = await readdir(rig.stateDir);
      const refused = (error: unknown) => {
        assert.ok(faulty('wrong_connector')(error));
        const said = String(error);
        assert.ok(said.includes(`${path}: it is of connector "another", and this one is "connector-1"`), said);
        assert.match(said, /Nothing was changed, .*set LATCHKEY_CONNECTOR_ID to .*Restore by hand.*move .* aside/);
        return true;
      };
      await assert.rejects(rig.opened({ connectorId }), refused);
      assert.deepEqual(await readdir(rig.stateDir), files);
      await rm(rig.stateDir, { recursive: true });
      await assert.rejects(rig.opened({ connectorId }), refused, 'where it is missing too');
    });

  test('without a configured id is restored from its own backups, though the host has another name by now', async (t) => {
    const rig = await withBackups(t);
    await othersBackup(t, rig.places[1]?.folder ?? '');
    await rig.damage();
    assert.deepEqual(await grantsOf(await rig.opened({ connectorId: null, defaultConnectorId: 'another' })), [
      'grant-1',
      'grant-2',
    ]);
  });

  test('is opened as it is where only another connector has a backup with more commits', async (t) => {
    const rig = await backedUpLedger(t);
    await activate(rig.first, 1);
    await rig.first.close();
    await othersBackup(t, rig.places[1]?.folder ?? '');
    changeLedger(rig.stateDir, (database) => database.script('UPDATE identity SET commits = commits - 1'));
    assert.deepEqual(await grantsOf(await rig.opened()), ['grant-1']);
  });

  test('is no reason to restore where only a row cannot be read: the copy would hold the same', async (t) => {
    const rig = await backedUpLedger(t);
    await activate(rig.first, 1);
    await rig.first.backUp(at(1), NEVER);
    await rig.first.close();
    changeLedger(rig.stateDir, (database) => database.script('UPDATE identity SET commits = -1'));
    await assert.rejects(rig.opened(), faulty('damaged'));
    assert.equal(damageNoted(rig.stateDir), null);
    await assert.rejects(readdir(join(rig.stateDir, 'damaged')));
  });
});

suite('a ledger that is missing', () => {
  test('is restored where there are backups of it: nothing is begun with an empty one', async (t) => {
    const rig = await withBackups(t);
    await rm(rig.stateDir, { recursive: true });
    const ledger = await rig.opened();
    assert.deepEqual(await grantsOf(ledger), ['grant-1', 'grant-2']);
    assert.equal((await ledger.identity()).ledgerId, NEW_ID);
  });

  test('is not begun anew where there is no backup, but its checksums are there', async (t) => {
    const rig = await backedUpLedger(t);
    await activate(rig.first, 1);
    await rig.first.close();
    await rm(join(rig.stateDir, 'ledger.db'));
    const refused = /the ledger is missing, and its checksums are there; there is no backup of it/;
    await assert.rejects(rig.opened(), refused);
    await assert.rejects(rig.opened(), refused);
  });

  test("is not restored from another connector's backups", async (t) => {
    const rig = await withBackups(t);
    await rm(rig.stateDir, { recursive: true });
    assert.deepEqual(await grantsOf(await rig.opened({ connectorId: 'another' })), []);
  });
});

suite('a restore that was cut off', () => {
  test('goes on at the next start, wherever that was, and sets nothing aside twice', async (t) => {
    const rig = await withBackups(t);
    noteDamage(rig.stateDir, 'SQLite met damage');
    const setAside = join(rig.stateDir, 'damaged', 'here');
    await (await rig.opened({ newLedgerId: () => 'second-id' })).close();
    // As a start that ended after the ledger was put in its place leaves it.
    await rename(join(rig.stateDir, 'damaged'), join(rig.stateDir, 'damaged-before'));
    await writeFile(
      join(rig.stateDir, 'ledger.damaged'),
      JSON.stringify({ why: 'SQLite met damage', setAside, isSetAside: true }),
    );
    const ledger = await rig.opened();
    assert.deepEqual(await grantsOf(ledger), ['grant-1', 'grant-2']);
    assert.equal((await ledger.identity()).ledgerId, NEW_ID);
    assert.equal(auditRecordsOf(rig.stateDir).at(-1)?.facts['setAside'], setAside);
    await assert.rejects(readdir(join(rig.stateDir, 'damaged')));
  });

  for (const name of ['ledger.db.restoring', 'ledger.db'])
    test(`loses no backup that became ${name} itself, for want of room for a copy`, async (t) => {
      const rig = await withBackups(t);
      const folder = rig.places[0]?.folder ?? '';
      const backup = join(folder, (await rig.backupsIn(0)).at(-1) ?? '');
      await rm(rig.places[1]?.folder ?? '', { recursive: true });
      for (const one of await readdir(rig.stateDir)) if (/^ledger\.(?:db|sum)/.test(one)) await rm(join(rig.stateDir, one));
      await rename(backup, join(rig.stateDir, name));
      const note = { why: 'SQLite met damage', setAside: null, isSetAside: true, backup };
      await writeFile(join(rig.stateDir, 'ledger.damaged'), JSON.stringify(note));
      assert.deepEqual(await grantsOf(await rig.opened()), ['grant-1', 'grant-2']);
      assert.equal(damageNoted(rig.stateDir), null);
      assert.equal(auditRecordsOf(rig.stateDir).at(-1)?.facts['backupAt'], '2026-01-02T00:00:02.000Z');
    });

  test('takes nothing for a ledger that is half of one', async (t) => {
    const rig = await withBackups(t);
    const backup = join(rig.places[0]?.folder ?? '', (await rig.backupsIn(0)).at(-1) ?? '');
    await rm(rig.places[1]?.folder ?? '', { recursive: true });
    for (const one of await readdir(rig.stateDir)) if (/^ledger\.(?:db|sum)/.test(one)) await rm(join(rig.stateDir, one));
    await writeFile(join(rig.stateDir, 'ledger.db.restoring'), (await readFile(backup)).subarray(0, 8192));
    await rm(backup);
    const note = { why: 'SQLite met damage', setAside: null, isSetAside: true, backup };
    await writeFile(join(rig.stateDir, 'ledger.damaged'), JSON.stringify(note));
    assert.deepEqual(await grantsOf(await rig.opened()), ['grant-1']);
  });

  test('before anything was moved begins anew, and moves all of it', async (t) => {
    const rig = await withBackups(t);
    await writeFile(join(rig.stateDir, 'ledger.damaged'), '{"why"');
    await (await rig.opened()).close();
    const [folder = ''] = await readdir(join(rig.stateDir, 'damaged'));
    assert.ok((await readdir(join(rig.stateDir, 'damaged', folder))).includes('ledger.db'));
  });
});

test('a backup that a person puts in the place of the ledger is taken up under a new id', async (t) => {
  const rig = await withBackups(t);
  const [oldest = ''] = await rig.backupsIn(1);
  for (const name of await readdir(rig.stateDir)) if (/^ledger\.(?:db|sum)/.test(name)) await rm(join(rig.stateDir, name));
  await copyFile(join(rig.places[1]?.folder ?? '', oldest), join(rig.stateDir, 'ledger.db'));
  const ledger = await rig.opened();
  assert.deepEqual(await grantsOf(ledger), ['grant-1']);
  assert.equal((await ledger.identity()).ledgerId, NEW_ID);
});
