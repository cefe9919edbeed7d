import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import { faulty } from '../support/ledger-contract.ts';
import { sqliteOptions, temporaryStateDir } from '../support/ledgers-under-test.ts';

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
  const stateDir = await temporaryStateDir(t);
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
  const stateDir = await temporaryStateDir(t);
  const owner = await startOwner(t, stateDir);
  await owner.kill();
  const ledger = await openSqliteLedger(sqliteOptions(stateDir));
  t.after(() => ledger.close());
  await assert.rejects(openSqliteLedger(sqliteOptions(stateDir)), faulty('locked'));
});

test('what has been said to be durable survives SIGKILL', async (t) => {
  const stateDir = await temporaryStateDir(t);
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
