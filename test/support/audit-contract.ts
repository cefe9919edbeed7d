import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AuditRecord } from '../../src/access/audit.ts';
import { CHAIN_START, type ChainPoint, chained } from '../../src/access/audit-chain.ts';
import { canonicalJsonOfDefined } from '../../src/access/canonical-json.ts';
import { instant } from '../../src/access/instant.ts';
import { faulty, type OpenLedger } from './ledger-contract.ts';
import { grantIdOf, jobIdOf, quietly, sampleAudit, sampleJob, seconds } from './ledger-samples.ts';

/** The chain of these records, worked out here. */
function chainOf(records: readonly AuditRecord[], start: ChainPoint = CHAIN_START): ChainPoint {
  return records.reduce((head, record) => chained(head, canonicalJsonOfDefined(record)), start);
}

/** The rules of the audit trail, one test each, for any adapter of the ledger. */
export function auditContract(adapter: string, open: OpenLedger): void {
  describe(`${adapter}: the audit trail`, () => {
    chainRules(open);
    retentionRules(open);
  });
}

function chainRules(open: OpenLedger): void {
  test('every audit record is chained to the one before it, across openings', async (t) => {
    const first = await open(t);
    await first.ledger.tell(quietly({ audit: [sampleAudit('job.accepted'), sampleAudit('job.succeeded')] }));
    const { ledger, auditRecords } = await first.reopen();
    await ledger.tell(quietly({ audit: [sampleAudit('job.refused')] }));
    await ledger.renew(quietly({ audit: [sampleAudit('ledger.replaced')] }));
    const records = await auditRecords();
    assert.equal(records.length, 5);
    assert.deepEqual(await ledger.auditHead(), chainOf(records));
  });

  test('a call that fails leaves no link in the chain, and its neighbours are chained to each other', async (t) => {
    const { ledger, auditRecords } = await open(t);
    await ledger.storeJob(sampleJob('a'), quietly({ audit: [sampleAudit('job.accepted')] }));
    const failing = ledger.storeJob(sampleJob('a'), quietly({ audit: [sampleAudit('job.failed')] }));
    const others = [
      ledger.storeJob(sampleJob('b'), quietly({ audit: [sampleAudit('job.accepted')] })),
      ledger.storeJob(sampleJob('c'), quietly({ audit: [sampleAudit('job.accepted')] })),
    ];
    await assert.rejects(failing, faulty('conflict'));
    await Promise.all(others);
    const records = await auditRecords();
    assert.equal(records.length, 4);
    assert.deepEqual(await ledger.auditHead(), chainOf(records));
  });

  test('the records of a grant are read by its id, in order and in pages', async (t) => {
    const { ledger } = await open(t);
    const of = (name: string): AuditRecord => ({
      ...sampleAudit('grant.pending'),
      jobId: jobIdOf(name),
      grantId: grantIdOf(name),
    });
    await ledger.tell(quietly({ audit: [of('a'), of('b'), of('a'), sampleAudit('job.accepted'), of('a')] }));
    const grantId = grantIdOf('a');
    const read = await ledger.auditOf({ grantId, after: 0, limit: 2 });
    assert.deepEqual(
      read.map(({ seq, record }) => [seq, record]),
      [
        [2, of('a')],
        [4, of('a')],
      ],
    );
    const rest = await ledger.auditOf({ grantId, after: 4, limit: 2 });
    assert.deepEqual(
      rest.map(({ seq, hash }) => ({ count: seq, hash })),
      [await ledger.auditHead()],
    );
    assert.deepEqual(await ledger.auditOf({ grantId: grantIdOf('c'), after: 0, limit: 2 }), []);
  });
}

function retentionRules(open: OpenLedger): void {
  test('what the retention deletes of the trail is told by a record, and the rest is chained to it', async (t) => {
    const { ledger, auditRecords } = await open(t);
    await ledger.tell(quietly({ audit: [sampleAudit('job.accepted', seconds(1)), sampleAudit('job.failed', seconds(2))] }));
    await ledger.tell(quietly({ audit: [sampleAudit('job.accepted', seconds(50))] }));
    const deleted = chainOf((await auditRecords()).slice(0, 3));
    assert.equal(await ledger.forget(seconds(50)), 3);
    const [kept, pruned, ...others] = await auditRecords();
    assert.deepEqual(kept, sampleAudit('job.accepted', seconds(50)));
    assert.deepEqual(pruned, { kind: 'audit.pruned', at: seconds(50), facts: { ...deleted, before: seconds(50) } });
    assert.deepEqual(others, []);
    assert.deepEqual(await ledger.auditHead(), chainOf(await auditRecords(), deleted));
    assert.equal(await ledger.forget(seconds(50)), 0);
  });

  test('a record of a later time keeps what comes after it: the trail never has a gap', async (t) => {
    const { ledger, auditRecords } = await open(t);
    await ledger.tell(quietly({ audit: [sampleAudit('job.accepted', seconds(90)), sampleAudit('job.failed', seconds(2))] }));
    await ledger.forget(seconds(50));
    assert.deepEqual(
      (await auditRecords()).map(({ at }) => at),
      [seconds(90), seconds(2), seconds(50)],
    );
  });

  test('the trail can be deleted whole, and goes on where it was', async (t) => {
    const first = await open(t);
    const head = await first.ledger.auditHead();
    assert.equal(await first.ledger.forget(instant(seconds(1000))), 1);
    const { ledger, auditRecords } = await first.reopen();
    assert.deepEqual(
      (await auditRecords()).map(({ kind }) => kind),
      ['audit.pruned'],
    );
    assert.deepEqual(await ledger.auditHead(), chainOf(await auditRecords(), head));
  });
}
