import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { Instant } from '../../src/access/instant.ts';
import { connectorBackups } from '../../src/connector/backups.ts';
import type { LedgerError } from '../../src/ledger/ledger.ts';
import type { SqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import { damageNoted } from '../../src/ledger/sqlite/restore.ts';
import { createLogger } from '../../src/observability/pino-logger.ts';
import { activate, at, backedUpLedger, NEVER } from '../support/backed-up-ledger.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { faulty } from '../support/ledger-contract.ts';

const PAGE_BYTES = 4096;
const EVERY_MS = 60_000;

/** Overwrites one byte of a page of the open ledger, as a disk does that forgets. The process keeps its locks: another has the file open. */
function rot(path: string, page: number): void {
  const change = `const fs=require('fs'),f=fs.openSync(process.argv[1],'r+'),b=Buffer.alloc(1),p=${(page - 1) * PAGE_BYTES + 2000};
    fs.readSync(f,b,0,1,p);b[0]^=0x20;fs.writeSync(f,b,0,1,p)`;
  assert.equal(spawnSync(process.execPath, ['-e', change, path]).status, 0);
}

suite('a backup of a ledger in use', () => {
  test('is made while it is written, of mode 0600, in both folders, and is a whole ledger', async (t) => {
    const rig = await backedUpLedger(t);
    await activate(rig.first, 1);
    // What is written meanwhile is no reason to begin again, nor is it taken for damage.
    let writing = true;
    const written = (async () => {
      for (let number = 2; writing; number += 1) await activate(rig.first, number);
    })();
    const kept = await rig.first.backUp(at(1), NEVER);
    writing = false;
    await written;
    assert.deepEqual(
      kept.map(({ problem }) => problem),
      [null, null],
    );
    for (const { folder } of rig.places) assert.deepEqual(await rig.first.backupTimes(folder), [at(1)]);
    for (const [place, { folder }] of rig.places.entries()) {
      const names = await rig.backupsIn(place);
      assert.equal(names.length, 1);
      assert.equal((await stat(join(folder, names[0] ?? ''))).mode & 0o777, 0o600);
      assert.equal((await stat(folder)).mode & 0o777, 0o700);
    }
    await rig.first.close();
    await rm(rig.stateDir, { recursive: true });
    assert.ok((await (await rig.opened()).census()).active >= 1);
  });

  test('finds what the disk has changed, keeps no copy of it, and has it restored at the next start', async (t) => {
    const rig = await backedUpLedger(t);
    for (let number = 1; number <= 40; number += 1) await activate(rig.first, number);
    await rig.first.close();
    const told: LedgerError[] = [];
    const ledger = await rig.opened({ onDamage: (error) => told.push(error) });
    await ledger.backUp(at(1), NEVER);
    const path = join(rig.stateDir, 'ledger.db');
    rot(path, Math.floor((await stat(path)).size / PAGE_BYTES));
    await assert.rejects(ledger.backUp(at(2), NEVER), faulty('damaged'));
    assert.equal(told.length, 1);
    assert.match(damageNoted(rig.stateDir)?.why ?? '', /page \d+ is not what was written/);
    assert.equal((await rig.backupsIn(0)).length, 1);
    await ledger.close();
    const again = await rig.opened();
    assert.equal((await again.census()).active, 40);
    assert.equal(damageNoted(rig.stateDir), null);
  });

  test('is not what a stop waits for', async (t) => {
    const rig = await backedUpLedger(t);
    const stopping = new AbortController();
    const backing = rig.first.backUp(at(1), stopping.signal);
    stopping.abort(new Error('it stops'));
    await assert.rejects(backing, /it stops/);
    await rig.first.close();
  });
});

suite('backups by the clock', () => {
  async function scheduled(t: Parameters<typeof backedUpLedger>[0]) {
    const rig = await backedUpLedger(t);
    return { rig, ...started(t, rig) };
  }

  /** As each start of the connector does, and each SIGHUP. */
  function started(t: Parameters<typeof backedUpLedger>[0], rig: Awaited<ReturnType<typeof backedUpLedger>>, now?: Instant) {
    const clock = fakeClock(now);
    const looking: Promise<unknown>[] = [];
    const lines: { event?: string; problem?: string }[] = [];
    const logger = createLogger({ level: 'debug', destination: { write: (line) => lines.push(JSON.parse(line) as object) } });
    let made = 0;
    const ledger: SqliteLedger = {
      ...rig.first,
      async backUp(...given) {
        made += 1;
        return await rig.first.backUp(...given);
      },
      backupTimes(folder) {
        const times = rig.first.backupTimes(folder);
        looking.push(times);
        return times;
      },
    };
    const backups = connectorBackups({ ledger, clock, log: logger, timings: { firstMs: EVERY_MS, everyMs: EVERY_MS } });
    t.after(() => backups.stop());
    backups.start();
    /** Lets the next turn begin, and waits until it is over. */
    const turn = async (): Promise<void> => {
      clock.advance(EVERY_MS);
      await clock.armed(EVERY_MS);
    };
    return { lines, backups, turn, made: () => made, looked: () => Promise.allSettled(looking) };
  }

  test('are made where something was decided since, and only then', async (t) => {
    const { rig, backups, turn, made } = await scheduled(t);
    await activate(rig.first, 1);
    await turn();
    assert.equal(made(), 1);
    await rig.first.advanceClock(at(100));
    await turn();
    assert.equal(made(), 1);
    assert.deepEqual(backups.states(), { stateMs: 0, elsewhereMs: 0 });
    await activate(rig.first, 2);
    await turn();
    assert.equal(made(), 2);
  });

  test('that cannot be kept elsewhere are told once, are red in no hurry, and are made again by themselves', async (t) => {
    const { rig, lines, backups, turn } = await scheduled(t);
    await rm(rig.backupDir, { recursive: true });
    await turn();
    await turn();
    assert.equal(lines.filter(({ event }) => event === 'backup.failed').length, 1);
    assert.match(lines.find(({ event }) => event === 'backup.failed')?.problem ?? '', /is no directory; is it mounted\?/);
    assert.equal(backups.health().ready, true);
    assert.ok((backups.states().elsewhereMs ?? 0) >= EVERY_MS);
    await mkdir(rig.backupDir);
    await turn();
    assert.ok(lines.some(({ event }) => event === 'backup.made-again'));
    assert.equal(backups.states().elsewhereMs, 0);
    assert.equal((await readdir(rig.places[1]?.folder ?? '')).length, 1);
  });

  test('are as old after a start as the newest of their own folder, and as the oldest of the other where there was never one', async (t) => {
    const rig = await backedUpLedger(t);
    for (const seconds of [0, 3000]) await rig.first.backUp(at(seconds), NEVER);
    const [own, elsewhere] = rig.places.map(({ folder }) => folder);
    const both = started(t, rig, at(3060));
    await both.looked();
    assert.deepEqual(both.backups.states(), { stateMs: 60_000, elsewhereMs: 60_000 });
    await rm(rig.backupDir, { recursive: true });
    const one = started(t, rig, at(3060));
    await one.looked();
    assert.deepEqual(one.backups.states(), { stateMs: 60_000, elsewhereMs: 3_060_000 });
    assert.deepEqual(one.backups.health()['folders'], [
      { folder: own, ageSeconds: 60 },
      { folder: elsewhere, ageSeconds: null },
    ]);
  });

  test('that vanish from the second folder are missed though nothing was decided since', async (t) => {
    const { rig, backups, turn, lines } = await scheduled(t);
    await turn();
    await rm(rig.backupDir, { recursive: true });
    await turn();
    assert.equal(lines.filter(({ event }) => event === 'backup.failed').length, 1);
    assert.deepEqual(backups.states(), { stateMs: 0, elsewhereMs: EVERY_MS });
  });
});
