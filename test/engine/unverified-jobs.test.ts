import assert from 'node:assert/strict';
import { test } from 'node:test';
import { instant } from '../../src/access/instant.ts';
import { trustedClock } from '../../src/engine/trusted-clock.ts';
import { unverifiedJobs } from '../../src/engine/unverified-jobs.ts';
import { capturedLog } from '../support/captured-log.ts';
import { settled } from '../support/engine-under-test.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { memoryLedger } from '../support/memory-ledger.ts';

function underTest() {
  const clock = fakeClock();
  const ledger = memoryLedger({ now: () => clock.wall() });
  const log = capturedLog();
  const jobs = unverifiedJobs({ ledger, clock, time: trustedClock({ clock, mark: instant(0) }), log: log.logger });
  const told = () => ledger.auditRecords().flatMap(({ kind, facts }) => (kind === 'job.unverified' ? [facts['refused']] : []));
  return { clock, ledger, log, jobs, told };
}

test('a job that is not believed is audited at once, and what follows as counts, once a minute', async () => {
  const { clock, log, jobs, told } = underTest();
  jobs.count('signature');
  await settled();
  assert.deepEqual(told(), [{ signature: 1 }]);
  for (let left = 10_000; left > 0; left -= 1) jobs.count(left % 4 === 0 ? 'expired' : 'unknown_key');
  clock.advance(59_999);
  await settled();
  assert.equal(told().length, 1);
  clock.advance(1);
  await settled();
  assert.deepEqual(told()[1], { expired: 2_500, unknown_key: 7_500 });
  assert.equal(log.lines.filter(({ event }) => event === 'job.unverified').length, 2);
  clock.advance(600_000);
  await settled();
  assert.equal(told().length, 2, 'nothing is told of nothing');
  assert.deepEqual(clock.pending(), []);
});

test('the log says which check failed, and speaks of the key only where that is to blame', async () => {
  const { clock, log, jobs } = underTest();
  jobs.count('expired');
  await settled();
  for (const fault of ['unknown_key', 'too_early', 'audience', 'claims', 'audience'] as const) jobs.count(fault);
  clock.advance(60_000);
  await settled();
  const [first = '', second = ''] = log.lines.filter(({ event }) => event === 'job.unverified').map(({ message }) => message);
  assert.match(first, /^jobs were refused: 1 rightly signed, until a time that is over \(exp\): .*\(expired\)$/);
  assert.doesNotMatch(first, /key|LATCHKEY_JOB_KEYS_FILE/);
  assert.match(second, /1 with the kid of no key .*LATCHKEY_JOB_KEYS_FILE is read on SIGHUP \(unknown_key\); 1 rightly signed/);
  assert.match(second, /2 rightly signed for another connector: their aud is not LATCHKEY_CONNECTOR_ID \(audience\)/);
});

test('what was not told yet is told at a stop, and no timer is left', async () => {
  const { clock, jobs, told } = underTest();
  jobs.count('unsigned');
  jobs.count('audience');
  await jobs.stop();
  jobs.count('audience');
  assert.deepEqual(told(), [{ unsigned: 1 }, { audience: 1 }]);
  assert.deepEqual(clock.pending(), []);
});

test('the space that a full disk keeps for endings is not spent on it', async () => {
  const { ledger, log, jobs, told } = underTest();
  ledger.space = async () => 'low';
  jobs.count('signature');
  await settled();
  assert.deepEqual(told(), []);
  assert.ok(
    log.lines.some(({ event }) => event === 'job.unverified'),
    'the log has it',
  );
});
