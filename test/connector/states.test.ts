import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readStates } from '../../src/connector/states.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { MINUTE_MS, startedEngine } from '../support/engine-under-test.ts';
import { SOUND } from '../support/scraped.ts';

type Parts = Parameters<typeof readStates>[0];

/** A started engine, and what is read of it. */
async function watchedEngine() {
  const started = await startedEngine();
  const { rig } = started;
  const ready = { ready: true };
  const parts = (): Parts => ({
    ledger: rig.ledger,
    directory: rig.fake.directory,
    link: { status: () => ({ state: 'waiting', since: rig.now(), reason: '', nextAttemptAt: rig.now() }) } as Parts['link'],
    engine: rig.engine,
    sync: { states: () => SOUND.sync } as Parts['sync'],
    backups: { states: () => SOUND.backups },
    health: async () => ({
      directory: ready,
      controlPlane: ready,
      ledger: ready,
      clock: ready,
      policy: { ready: false },
      sync: ready,
      backup: ready,
    }),
  });
  const states = () => readStates(parts());
  const ledger = async () => {
    const read = await states();
    assert.ok(read.ledger !== null);
    return read.ledger;
  };
  return { ...started, states, ledger };
}

test('an ending that waits for the directory is late from the end of its grant on, and not before', async () => {
  const { rig, ledger } = await watchedEngine();
  await rig.grant({ seconds: 600 });
  assert.equal((await ledger()).overdueMs, 0);
  rig.fake.goDown();
  await rig.pass(15 * MINUTE_MS);
  assert.equal((await ledger()).overdueMs, 5 * MINUTE_MS);
  assert.deepEqual((await ledger()).grants, { pending: 0, active: 0, ending: 1 });
  rig.fake.goUp();
  await rig.pass(MINUTE_MS);
  assert.equal((await ledger()).overdueMs, 0);
});

test('a grant that is due is late too while its ledger cannot begin to end it', async () => {
  const { rig, ledger } = await watchedEngine();
  await rig.grant({ seconds: 60 });
  for (let left = 200; left > 0; left -= 1) rig.ledger.failNext('beginEndings', new LedgerError('failed', 'no answer'));
  await rig.pass(3 * MINUTE_MS);
  assert.equal((await ledger()).grants.active, 1);
  assert.equal((await ledger()).overdueMs, 2 * MINUTE_MS);
});

test('the outbox is as old as its oldest event, and empty once that is acknowledged', async () => {
  const { rig, ledger } = await watchedEngine();
  rig.disconnect();
  await rig.grant();
  await rig.pass(2 * MINUTE_MS);
  const { outbox, outboxAgeMs } = await ledger();
  assert.ok(outbox >= 1);
  assert.equal(outboxAgeMs, 2 * MINUTE_MS);
  await rig.connect();
  assert.deepEqual([(await ledger()).outbox, (await ledger()).outboxAgeMs], [0, 0]);
});

test('of a ledger that does not answer nothing is said, and the rest is told all the same', async () => {
  const { rig, states } = await watchedEngine();
  rig.ledger.failNext('census', new LedgerError('failed', 'no answer'));
  const read = await states();
  assert.equal(read.ledger, null);
  assert.equal(read.isDirectoryUp, true);
  assert.deepEqual([read.link, read.linkSkewMs], ['waiting', null]);
  assert.deepEqual([read.ready.policy, read.ready.sync], [false, true]);
  assert.equal(read.clock.now, rig.now());
});
