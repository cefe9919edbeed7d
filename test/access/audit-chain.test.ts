import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import {
  CHAIN_START,
  type ChainPoint,
  chainCheck,
  chained,
  chainHash,
  type KeptCheckpoint,
  type KeptRow,
} from '../../src/access/audit-chain.ts';
import { canonicalJson } from '../../src/access/canonical-json.ts';

const LEDGER = 'ledger-of-now';

/** A trail of these records, from the first on. */
function trailOf(records: readonly Readonly<Record<string, unknown>>[]): { rows: KeptRow[]; head: ChainPoint } {
  let head = CHAIN_START;
  const rows = records.map((record): KeptRow => {
    const text = canonicalJson(record);
    head = chained(head, text);
    return {
      seq: head.count,
      hash: head.hash,
      record: Buffer.from(text),
      at: String(record['at']),
      kind: String(record['kind']),
      jobId: null,
      grantId: null,
    };
  });
  return { rows, head };
}

const plain = (count: number) => Array.from({ length: count }, (_, at) => ({ at, kind: 'job.accepted', facts: { at } }));

function verdictOf({ rows, head }: { rows: readonly KeptRow[]; head: ChainPoint }, checkpoints: readonly KeptCheckpoint[] = []) {
  const check = chainCheck({ head, pruned: CHAIN_START, ledgerId: LEDGER, strays: 0 }, checkpoints);
  for (const row of rows) if (!check.take(row)) break;
  return check.verdict();
}

test('a hash is SHA-256 over the canonical form of the hash before, the record and its number', () => {
  const record = '{"at":7,"kind":"job.accepted"}';
  const expected = createHash('sha256')
    .update(`{"previous":"${'0'.repeat(64)}","record":{"at":7,"kind":"job.accepted"},"seq":1}`)
    .digest('hex');
  assert.equal(chainHash({ previous: '0'.repeat(64), seq: 1, record }), expected);
  assert.deepEqual(chained(CHAIN_START, record), { count: 1, hash: expected });
  // As any other program works it out: printf %s '{"previous":…}' | sha256sum
  assert.equal(expected, 'bda4e17e2a45119f945df931d99640984d5fc15e3f57d781d5381d7d21a328fd');
});

test('a trail without records is whole, and has no checkpoint', () => {
  const none = verdictOf({ rows: [], head: CHAIN_START });
  assert.ok(none.whole);
  assert.equal(none.report.first, null);
  assert.equal(verdictOf({ rows: [], head: CHAIN_START }, [{ count: 3, hash: 'a'.repeat(64), ledgerId: null }]).whole, false);
});

test('a whole trail that is not the one of a checkpoint is told: somebody wrote it anew', () => {
  const honest = trailOf(plain(9));
  const forged = trailOf(plain(9).map((record) => (record.at === 3 ? { ...record, facts: { at: 'never' } } : record)));
  const checkpoint = { ...honest.head, ledgerId: LEDGER };
  assert.ok(verdictOf(forged).whole);
  assert.ok(verdictOf(honest, [checkpoint]).whole);
  const verdict = verdictOf(forged, [checkpoint]);
  assert.ok(!verdict.whole);
  assert.deepEqual([verdict.found.fault, verdict.found.seq], ['not_as_checkpointed', 9]);
});

test('a tail that was cut off with the end that the ledger knows is told by a later checkpoint alone', () => {
  const { rows, head } = trailOf(plain(9));
  const cut = { rows: rows.slice(0, 6), head: { count: 6, hash: rows[5]?.hash ?? '' } };
  assert.ok(verdictOf(cut, [{ count: 6, hash: rows[5]?.hash ?? '', ledgerId: null }]).whole);
  const verdict = verdictOf(cut, [{ ...head, ledgerId: null }]);
  assert.ok(!verdict.whole);
  assert.deepEqual([verdict.found.fault, verdict.found.seq], ['tail_cut', 7]);
});

test('checkpoints of a ledger that was replaced by an older copy are set apart, as far as the copy reached they must agree', () => {
  const records = plain(9).map((record) => (record.at === 5 ? { ...record, kind: 'ledger.replaced' } : record));
  const { rows, head } = trailOf(records);
  const lost: KeptCheckpoint = { count: 8, hash: 'a'.repeat(64), ledgerId: 'ledger-of-before' };
  const verdict = verdictOf({ rows, head }, [lost, { count: 2, hash: rows[1]?.hash ?? '', ledgerId: 'ledger-of-before' }]);
  assert.ok(verdict.whole);
  assert.deepEqual([verdict.report.ofReplaced, verdict.report.met, verdict.report.replacedAt], [1, 1, [6]]);
  assert.equal(verdictOf({ rows, head }, [{ ...lost, count: 2 }]).whole, false);
  assert.equal(verdictOf({ rows, head }, [{ ...lost, ledgerId: LEDGER }]).whole, false);
});
