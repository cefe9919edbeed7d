import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { instant } from '../../src/access/instant.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import { faulty } from '../support/ledger-contract.ts';
import { activeGrant, grantIdOf, pendingGrant, quietly, sampleIntent, samplePeriod } from '../support/ledger-samples.ts';
import { changeLedger, sqliteOptions, stateDirOnDisk } from '../support/ledgers-under-test.ts';

const OWNER = fileURLToPath(new URL('../support/ledger-owner.ts', import.meta.url));

/** Starts a process that owns the ledger of a directory, and waits until it does. */
async function startOwner(t: TestContext, stateDir: string, events = 0) {
  const child = spawn(process.execPath, [OWNER, stateDir, String(events)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  t.after(kill);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  assert.deepEqual(await lines.next(), { value: 'open', done: false });
  return { pid: child.pid, lines, kill };
}

test('another process is told who owns the ledger, and gets it as soon as that one is killed', async (t) => {
  const stateDir = await stateDirOnDisk(t);
  const owner = await startOwner(t, stateDir);
  await assert.rejects(openSqliteLedger(sqliteOptions(stateDir)), (error) => {
    assert.ok(error instanceof LedgerError);
    assert.equal(error.fault, 'locked');
    assert.match(error.message, new RegExp(`process ${owner.pid} on host \\S+, started at \\d{4}-`));
    return true;
  });
  await owner.kill();
  const ledger = await openSqliteLedger(sqliteOptions(stateDir));
  await ledger.close();
});

test('an owner that is killed leaves its lock to nobody but the first who asks', async (t) => {
  const stateDir = await stateDirOnDisk(t);
  const owner = await startOwner(t, stateDir);
  await owner.kill();
  const ledger = await openSqliteLedger(sqliteOptions(stateDir));
  t.after(() => ledger.close());
  await assert.rejects(openSqliteLedger(sqliteOptions(stateDir)), faulty('locked'));
});

test('what has been said to be durable survives SIGKILL', async (t) => {
  const stateDir = await stateDirOnDisk(t);
  const owner = await startOwner(t, stateDir, 1_000_000);
  const said: number[] = [];
  while (said.length < 500) {
    const line = await owner.lines.next();
    assert.equal(line.done, false);
    said.push(Number(line.value));
  }
  await owner.kill();
  // What it still said before it died counts too.
  for (let line = await owner.lines.next(); line.done !== true; line = await owner.lines.next()) {
    if (/^\d+$/.test(line.value)) said.push(Number(line.value));
  }
  const ledger = await openSqliteLedger(sqliteOptions(stateDir));
  t.after(() => ledger.close());
  const kept = await ledger.events({ after: 0, limit: 1_000_000 });
  const texts = new Map(kept.map(({ seq, event }) => [seq, event]));
  for (const seq of said) {
    assert.deepEqual(texts.get(seq), { kind: 'ledger.replaced', previousLedgerId: `event ${seq}` });
  }
  assert.ok((await ledger.identity()).nextSeq > Math.max(...said));
});

test('among a hundred thousand active grants a start finds what is unfinished, and the few that are due', async (t) => {
  const stateDir = await stateDirOnDisk(t);
  const ledger = await openSqliteLedger(sqliteOptions(stateDir));
  await ledger.activate({ grant: activeGrant('due'), period: samplePeriod(), intentId: null, placeholder: null }, quietly());
  await ledger.savePending(pendingGrant('open'), [], quietly());
  await ledger.openIntent(sampleIntent('open'), { period: null, replaces: null }, quietly());
  await ledger.close();
  // Each active grant with its period and a closed intent, as real ones have.
  changeLedger(stateDir, (database) =>
    database.script(`
    WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 100000)
    INSERT INTO grants (grant_id, state, user_id, user_dn, group_id, group_dn, standing, activated_at, expires_at)
    SELECT 'g' || n, 'active', 'u' || n, user_dn, group_id, group_dn, 'false', 1, 4000000000000 + n
    FROM counted, grants WHERE grant_id = '${grantIdOf('due')}';
    INSERT INTO periods SELECT user_id, user_dn, group_id, group_dn, 'false', 1, 'member', '[]', '[]', 0, 0, 1
    FROM grants WHERE grant_id LIKE 'g%' AND state = 'active' AND grant_id <> '${grantIdOf('due')}';
    INSERT INTO intents (kind, grant_id, user_id, user_dn, group_id, group_dn, member_attribute, "values", pre_image, at, epoch, closed_at)
    SELECT 'add', grant_id, user_id, user_dn, group_id, group_dn, 'member', '[]', 'absent', 1, 1, 1
    FROM grants WHERE state = 'active';`),
  );
  const started = performance.now();
  const reopened = await openSqliteLedger(sqliteOptions(stateDir));
  t.after(() => reopened.close());
  const unfinished = await reopened.unfinished();
  const startMs = performance.now() - started;
  assert.equal(unfinished.pending.length, 1);
  assert.equal(unfinished.intents.length, 1);
  await reopened.dueGrants(instant(3_000_000_000_000), 100);
  const asked = performance.now();
  for (let turn = 0; turn < 20; turn += 1) {
    assert.equal((await reopened.dueGrants(instant(3_000_000_000_000), 100)).length, 1);
    await reopened.nextExpiry();
  }
  const askMs = (performance.now() - asked) / 20;
  t.diagnostic(`start ${startMs.toFixed(0)} ms, due and next expiry ${askMs.toFixed(2)} ms`);
});
