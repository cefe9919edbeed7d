import assert from 'node:assert/strict';
import { test } from 'node:test';
import { observedDirectory } from '../../src/directory/observed-directory.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { observedLedger } from '../../src/ledger/observed-ledger.ts';
import { promMetrics } from '../../src/observability/prom-metrics.ts';
import { HOUR_MS, MINUTE_MS, startedEngine } from '../support/engine-under-test.ts';
import { SOUND, valueIn } from '../support/scraped.ts';

/** An engine whose ports are observed. */
async function observedEngine() {
  const metrics = promMetrics({ version: '0', node: 'v26' });
  const watch = {
    ledger: (ledger: Parameters<typeof observedLedger>[0]) => observedLedger(ledger, metrics),
    directory: (directory: Parameters<typeof observedDirectory>[0]) => observedDirectory(directory, metrics),
  };
  const started = await startedEngine({ watch });
  const value = async (name: string, labels: Readonly<Record<string, string>> = {}) =>
    valueIn((await metrics.expose(SOUND)).text, name, labels) ?? 0;
  return { ...started, value, [Symbol.dispose]: () => metrics.close() };
}

test('a grant and its expiry are counted once each, with the time they took', async () => {
  using world = await observedEngine();
  const { rig, value } = world;
  await rig.grant({ seconds: 3600 });
  await rig.pass(HOUR_MS + MINUTE_MS);
  assert.equal(await rig.stateOf(), 'ended');
  assert.equal(await value('latchkey_jobs_received_total', { kind: 'grant' }), 1);
  assert.equal(await value('latchkey_jobs_total', { kind: 'grant', result: 'granted' }), 1);
  assert.equal(await value('latchkey_job_latency_seconds_count', { kind: 'grant' }), 1);
  assert.equal(await value('latchkey_grants_ended_total', { cause: 'expired', membership: 'removed' }), 1);
  assert.equal(await value('latchkey_expiry_lateness_seconds_count'), 1);
  assert.ok((await value('latchkey_probe_results_total', { presence: 'member' })) >= 1);
  assert.ok((await value('latchkey_probe_results_total', { presence: 'absent' })) >= 1);
  assert.equal(await value('latchkey_queue_depth', { queue: 'ledger' }), 0);
  assert.equal(await value('latchkey_queue_depth', { queue: 'directory' }), 0);
});

test('an expiry that waited for the directory is as late as the directory was', async () => {
  using world = await observedEngine();
  const { rig, value } = world;
  await rig.grant({ seconds: 3600 });
  const before = await value('latchkey_directory_changes_total', { state: 'down' });
  rig.fake.goDown();
  await rig.pass(2 * HOUR_MS);
  assert.equal(await value('latchkey_grants_ended_total'), 0);
  assert.ok((await value('latchkey_directory_changes_total', { state: 'down' })) > before);
  rig.fake.goUp();
  await rig.pass(MINUTE_MS);
  assert.equal(await value('latchkey_grants_ended_total', { cause: 'expired' }), 1);
  const lateness = await value('latchkey_expiry_lateness_seconds_sum');
  assert.ok(lateness >= 3600 && lateness < 3660, `${lateness}`);
});

test('the latency of a job is counted from its receipt, through a restart too', async () => {
  using world = await observedEngine();
  const { rig, value } = world;
  rig.fake.goDown();
  await rig.grant({ seconds: 3600 });
  await rig.pass(5 * MINUTE_MS);
  await rig.restart();
  rig.fake.goUp();
  await rig.pass(MINUTE_MS);
  assert.equal(await rig.stateOf(), 'active');
  assert.equal(await value('latchkey_jobs_total', { kind: 'grant', result: 'granted' }), 1);
  const latency = await value('latchkey_job_latency_seconds_sum', { kind: 'grant' });
  assert.ok(latency >= 300 && latency < 360, `${latency}`);
});

test('a result that is told again, and a refusal of other content, are not counted again', async () => {
  using world = await observedEngine();
  const { rig, value } = world;
  const issuedAt = rig.now();
  await rig.grant({ jobId: 'same', issuedAt });
  await rig.grant({ jobId: 'same', issuedAt });
  await rig.grant({ jobId: 'same', issuedAt, seconds: 60 });
  assert.equal(await value('latchkey_jobs_received_total'), 1);
  assert.equal(await value('latchkey_jobs_total'), 1);
});

test('what could not be written is counted when it is, once', async () => {
  using world = await observedEngine();
  const { rig, value } = world;
  await rig.grant({ seconds: 60 });
  for (let left = 3; left > 0; left -= 1) rig.ledger.failNext('end', new LedgerError('failed', 'no answer'));
  await rig.pass(10 * MINUTE_MS);
  assert.equal(await rig.stateOf(), 'ended');
  assert.equal(await value('latchkey_grants_ended_total'), 1);
  assert.equal(await value('latchkey_queue_depth', { queue: 'ledger' }), 0);
});

test('what a rule refused is a trip of that rule', async () => {
  using world = await observedEngine();
  const { rig, value } = world;
  await rig.grant({ grantId: 'g2', seconds: 2_000_000_000 });
  assert.equal(await value('latchkey_jobs_total', { kind: 'grant', result: 'policy_denied' }), 1);
  assert.equal(await value('latchkey_policy_trips_total', { policy: 'local_policy' }), 1);
  assert.equal(await value('latchkey_policy_trips_total', { policy: 'scope' }), 0);
});

test('the first server of a process has taken over from nobody', async () => {
  using world = await observedEngine();
  assert.equal(await world.value('latchkey_directory_failovers_total'), 0);
});
