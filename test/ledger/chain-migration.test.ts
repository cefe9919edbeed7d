import assert from 'node:assert/strict';
import { cp, mkdir, readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { canonicalJson } from '../../src/access/canonical-json.ts';
import { ledgerIn, verifyAudit } from '../../src/connector/audit.ts';
import { openDatabase } from '../../src/ledger/sqlite/database.ts';
import { MIGRATIONS, migrate } from '../../src/ledger/sqlite/migrations.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import { faulty } from '../support/ledger-contract.ts';
import { quietly, sampleAudit, seconds } from '../support/ledger-samples.ts';
import { auditRecordsOf, sqliteOptions, temporaryStateDir } from '../support/ledgers-under-test.ts';

/** A ledger of the version before there was a chain, with records of these numbers. */
async function oldLedger(stateDir: string, ids: readonly number[]): Promise<void> {
  await mkdir(stateDir, { recursive: true });
  const database = openDatabase({ path: ledgerIn(stateDir), busyMs: 0 });
  migrate(database, MIGRATIONS.slice(0, 2));
  database.run(
    `INSERT INTO identity (one, ledger_id, connector_id, next_seq, clock_mark) VALUES (1, 'old', 'connector-1', 1, :mark)`,
    {
      mark: seconds(9),
    },
  );
  for (const id of ids)
    database.run('INSERT INTO audit (audit_id, at, kind, job_id, record) VALUES (:id, :at, :kind, :jobId, :record)', {
      id,
      at: seconds(id),
      kind: 'job.accepted',
      jobId: `job-${id}`,
      record: canonicalJson({ at: seconds(id), facts: { id }, jobId: `job-${id}`, kind: 'job.accepted' }),
    });
  database.close();
}

const verified = (stateDir: string) => verifyAudit({ path: ledgerIn(stateDir), checkpoints: [] }, () => undefined);

for (const [what, ids] of [
  ['with its records from the first on', [1, 2, 3, 4, 5]],
  ['of which the retention has left gaps', [4, 5, 9, 10, 17]],
  ['of which all records are gone', []],
] as const) {
  test(`the records of an old ledger ${what} are chained as they are when it is opened`, async (t) => {
    const stateDir = await temporaryStateDir(t);
    await oldLedger(stateDir, ids);
    assert.throws(() => verified(stateDir), faulty('failed'));
    const opened = async () => {
      const ledger = await openSqliteLedger(sqliteOptions(stateDir));
      await ledger.tell(quietly({ audit: [sampleAudit('job.failed')] }));
      await ledger.close();
    };
    await opened();
    const records = auditRecordsOf(stateDir);
    assert.deepEqual(
      records.slice(0, ids.length).map(({ facts }) => facts['id']),
      ids,
    );
    assert.equal(records[ids.length]?.kind, 'audit.chained');
    assert.equal(records[ids.length]?.facts['records'], ids.length);
    const verdict = verified(stateDir);
    assert.ok(verdict.whole, JSON.stringify(verdict));
    assert.equal(verdict.report.head.count, (ids.at(-1) ?? 0) + records.length - ids.length);
    // Once: the next opening finds it done.
    await opened();
    assert.equal(auditRecordsOf(stateDir).length, records.length + 1);
    assert.ok(verified(stateDir).whole);
  });
}

test('a copy of a ledger is verified where nothing can be written beside it', async (t) => {
  const stateDir = await temporaryStateDir(t);
  await (await openSqliteLedger(sqliteOptions(stateDir))).close();

  await cp(ledgerIn(stateDir), `${stateDir}/backup.db`);
  assert.ok(verifyAudit({ path: `${stateDir}/backup.db`, checkpoints: [] }, () => undefined).whole);
  assert.deepEqual(
    (await readdir(stateDir)).filter((name) => name.startsWith('backup')),
    ['backup.db'],
  );
});
