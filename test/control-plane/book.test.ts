import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBook } from '../../src/control-plane/book.ts';

const AT = '2026-01-02T00:00:00.000Z';
const told = { connectorId: 'c', ledgerId: 'l', at: AT, storedAt: AT };

test('after a ledger was replaced, what was received and has no result yet is sent again', () => {
  const book = openBook(undefined);
  for (const jobId of ['settled', 'open']) {
    const job = {
      connectorId: 'c',
      job: { jobId, kind: 'revoke', grantId: jobId },
      createdAt: AT,
      receivedAt: null,
      refused: null,
    };
    book.addJob(job);
    book.received(job, AT);
  }
  book.addEvent({ ...told, seq: 1, event: { kind: 'job.succeeded', jobId: 'settled', outcome: 'already_absent' } });
  assert.deepEqual([...book.unreceived('c')], []);
  book.addEvent({ ...told, ledgerId: 'm', seq: 2, event: { kind: 'ledger.replaced', previousLedgerId: 'l' } });
  assert.deepEqual(
    [...book.unreceived('c')].map(({ job }) => job['jobId']),
    ['open'],
  );
  assert.deepEqual([...book.unreceived('another')], []);
});
