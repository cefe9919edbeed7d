import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { AuditRecord } from '../../src/access/audit.ts';
import { auditRows, ledgerIn, verifyAudit } from '../../src/connector/audit.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import { attackedTrail } from '../support/audit-attacks.ts';
import { grantIdOf, jobIdOf, quietly, sampleAudit, samplePair, seconds } from '../support/ledger-samples.ts';
import { changeLedger, scratchFolder, sqliteOptions } from '../support/ledgers-under-test.ts';
import { atScale } from '../support/scale.ts';
import { seeded, seedOf } from '../support/seeded.ts';

const ATTACKS = atScale({ sample: 300, full: 10_000 });

function recordOf(number: number): AuditRecord {
  const facts = { number, why: `because of ${'x'.repeat(number % 50)} "ü" \uFFFD` };
  const record = { ...sampleAudit(number % 3 === 0 ? 'grant.pending' : 'job.accepted', seconds(number)), facts };
  if (number % 4 === 0) return record;
  return { ...record, jobId: jobIdOf(`${number}`), grantId: grantIdOf(`${number % 7}`), pair: samplePair(number, 1) };
}

/** A ledger with fifty records; of `forgotten` of them only the chain is left. */
async function ledgerWithTrail(stateDir: string, forgotten: number): Promise<string> {
  const ledger = await openSqliteLedger(sqliteOptions(stateDir));
  for (let number = 0; number < 50; number += 2)
    await ledger.tell(quietly({ at: seconds(number), audit: [recordOf(number), recordOf(number + 1)] }));
  if (forgotten > 0) await ledger.forget(seconds(forgotten));
  await ledger.close();
  return ledgerIn(stateDir);
}

const verified = (path: string, checkpoints: Parameters<typeof verifyAudit>[0]['checkpoints'] = []) =>
  verifyAudit({ path, checkpoints }, () => undefined);

describe('verifying an audit trail', () => {
  let folder = '';
  before(async () => {
    folder = await scratchFolder();
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test('reads a trail to its end, however many pages that takes', async () => {
    const stateDir = join(folder, 'long');
    const ledger = await openSqliteLedger(sqliteOptions(stateDir));
    const audit = Array.from({ length: 1200 }, (_, number) => recordOf(number));
    await ledger.tell(quietly({ at: seconds(1200), audit }));
    await ledger.close();
    const whole = verified(ledgerIn(stateDir));
    assert.deepEqual([whole.whole, whole.report.records], [true, 1201]);
    const rows = [...auditRows(ledgerIn(stateDir), { grantId: null, since: seconds(1000) })];
    assert.deepEqual([rows.length, rows[0]?.seq], [200, 1002]);
    const ofGrant = [...auditRows(ledgerIn(stateDir), { grantId: grantIdOf('3'), since: null })];
    assert.equal(ofGrant.length, audit.filter(({ grantId }) => grantId === grantIdOf('3')).length);
    changeLedger(stateDir, (database) => {
      database.script("DROP TRIGGER audit_is_never_changed; UPDATE audit SET kind = 'job.refused' WHERE audit_id = 1150");
    });
    const broken = verified(ledgerIn(stateDir));
    assert.deepEqual(broken.whole ? null : [broken.found.fault, broken.found.seq], ['column_changed', 1150]);
  });

  for (const [what, forgotten] of [
    ['whole', 0],
    ['of which the retention has deleted a part', 20],
  ] as const) {
    test(`finds any edit, swap, insertion and removal in a trail ${what}, and says where`, async (t) => {
      const path = await ledgerWithTrail(join(folder, what), forgotten);
      const trail = attackedTrail(path);
      t.after(() => trail.close());
      const seed = seedOf(20_261_122);
      const random = seeded(seed);
      const whole = verified(path, [trail.checkpoint]);
      assert.ok(whole.whole, JSON.stringify(whole));
      assert.equal(whole.report.met, 1);
      assert.equal(whole.report.records, forgotten === 0 ? 51 : 51 - forgotten);
      const byFault: Record<string, number> = {};
      for (let done = 0; done < ATTACKS / 2; done += 1) {
        const { what: attack, seq, needsCheckpoint } = trail.attack(random);
        const verdict = verified(path, needsCheckpoint ? [trail.checkpoint] : []);
        const about = `seed ${seed}, attack ${done}: ${attack}: ${JSON.stringify(verdict)}`;
        assert.ok(!verdict.whole, about);
        if (seq !== null) assert.equal(verdict.found.seq, seq, about);
        byFault[verdict.found.fault] = (byFault[verdict.found.fault] ?? 0) + 1;
        trail.restore();
      }
      t.diagnostic(`${ATTACKS / 2} attacks, all found: ${JSON.stringify(byFault)}`);
      assert.ok(verified(path, [trail.checkpoint]).whole, 'what was attacked was put right again');
    });
  }
});
