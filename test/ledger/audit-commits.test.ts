import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { CHAIN_START, chained } from '../../src/access/audit-chain.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { openDatabase } from '../../src/ledger/sqlite/database.ts';
import { createIdentity } from '../../src/ledger/sqlite/identity.ts';
import { MIGRATIONS, migrate } from '../../src/ledger/sqlite/migrations.ts';
import { sqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { faulty } from '../support/ledger-contract.ts';
import { quietly, sampleAudit } from '../support/ledger-samples.ts';

const recordRows = z.array(z.object({ record: z.string() }));

test('a record whose commit fails is no part of the chain, and no checkpoint is of it', async (t) => {
  const database = openDatabase({ path: ':memory:', busyMs: 0 });
  t.after(() => database.close());
  migrate(database, MIGRATIONS);
  createIdentity(database, { ledgerId: 'l', connectorId: 'c' });
  let fails = false;
  const ledger = sqliteLedger({
    database,
    hooks: {
      // The last step of a transaction, when all of it was written.
      sealing() {
        if (fails) throw new LedgerError('failed', 'the disk is away');
      },
      committed: () => undefined,
      relieve: () => false,
    },
    space: () => 'ok',
    newLedgerId: () => 'l',
    release: () => undefined,
  });
  await ledger.tell(quietly({ audit: [sampleAudit('job.accepted')] }));
  const committed = await ledger.auditHead();
  fails = true;
  await assert.rejects(ledger.tell(quietly({ audit: [sampleAudit('job.failed')] })), faulty('failed'));
  assert.deepEqual(await ledger.auditHead(), committed);
  fails = false;
  await ledger.tell(quietly({ audit: [sampleAudit('job.refused')] }));
  const records = recordRows.parse(database.rows('SELECT record FROM audit ORDER BY audit_id'));
  assert.deepEqual(
    await ledger.auditHead(),
    records.reduce((head, { record }) => chained(head, record), CHAIN_START),
  );
  assert.equal(records.length, 2);
});
