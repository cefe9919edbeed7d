import assert from 'node:assert/strict';
import { test } from 'node:test';
import { instant } from '../../src/access/instant.ts';
import { resultNameOf } from '../../src/directory/ldap/result-codes.ts';
import { METRICS, type MetricRow } from '../../src/observability/metric-table.ts';
import { type PromMetrics, promMetrics } from '../../src/observability/prom-metrics.ts';
import { SOUND, samplesIn, valueIn } from '../support/scraped.ts';

async function withMetrics(work: (metrics: PromMetrics) => Promise<void>): Promise<void> {
  const metrics = promMetrics({ version: '1.2.3', node: 'v26.0.0' });
  try {
    await work(metrics);
  } finally {
    metrics.close();
  }
}

/** Tells one of everything. */
function tellAll(metrics: PromMetrics): void {
  metrics.jobReceived('grant');
  metrics.jobSettled({ kind: 'grant', result: 'out_of_scope', latencyMs: 1500 });
  metrics.grantEnded({ cause: 'expired', membership: 'removed', latenessMs: 700 });
  metrics.grantDrifted({ observed: 'absent', action: 'restored' });
  metrics.policyTripped('group_rate');
  metrics.syncEnded({ mode: 'full', result: 'completed', durationMs: 2500 });
  metrics.ldapAnswered({ operation: 'modify', result: 'success', tookMs: 3 });
  metrics.ldapSession('opened');
  metrics.directoryChanged('up');
  metrics.directoryFailedOver();
  metrics.probed(['member', 'unknown']);
  metrics.ledgerCommitted({ works: 3, tookMs: 2 });
  metrics.linkChanged('welcomed');
  metrics.jobUnverified('unknown_key');
  metrics.certificateSeen('directory', instant(1_800_000_000_000));
}

test('every metric of the table is exposed with its type, and none beside it', async () => {
  await withMetrics(async (metrics) => {
    tellAll(metrics);
    const { text, contentType } = await metrics.expose(SOUND);
    assert.match(contentType, /^text\/plain; version=0\.0\.4/);
    const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type]) => [name, type] as const);
    assert.deepEqual(
      Object.fromEntries(types),
      Object.fromEntries(Object.entries(METRICS).map(([name, { type }]) => [name, type])),
    );
    const sampled = new Set(samplesIn(text).map(({ name }) => name.replace(/_(?:bucket|sum|count)$/, '')));
    for (const name of Object.keys(METRICS)) assert.ok(sampled.has(name), `${name} has no sample`);
  });
});

test('names follow the conventions: a counter ends in _total, and what has a unit names it', () => {
  for (const [name, { type }] of Object.entries<MetricRow>(METRICS)) {
    assert.match(name, /^(?:latchkey|process)_[a-z]+(?:_[a-z]+)*$/);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    if (type === 'histogram') assert.match(name, /_seconds$/);
  }
});

test('a label has only values that the table names: whatever else is said becomes "other"', async () => {
  await withMetrics(async (metrics) => {
    tellAll(metrics);
    const said = 'cn=admins,ou=groups,dc=example,dc=test';
    metrics.ldapAnswered({ operation: 'search', result: said, tookMs: 1 });
    metrics.ldapAnswered({ operation: 'search', result: 'code4711', tookMs: 1 });
    metrics.jobSettled({ kind: said as 'grant', result: said as 'granted', latencyMs: 1 });
    metrics.grantEnded({ cause: said as 'expired', membership: said as 'removed', latenessMs: null });
    metrics.certificateSeen(said as 'directory', instant(1));
    const { text } = await metrics.expose(SOUND);
    assert.ok(!text.includes('dc=example'));
    for (const { name, labels } of samplesIn(text)) {
      const { labels: known = {} }: MetricRow = METRICS[name.replace(/_(?:bucket|sum|count)$/, '') as keyof typeof METRICS];
      for (const [label, value] of Object.entries(labels))
        if (label !== 'le')
          assert.ok(known[label] === null || known[label]?.includes(value) || value === 'other', `${name} ${value}`);
    }
    assert.equal(valueIn(text, 'latchkey_ldap_operations_total', { operation: 'search', result: 'other' }), 2);
  });
});

test('every result code that the connector knows has a label of its own', () => {
  for (let code = 0; code < 200; code += 1) {
    const name = resultNameOf(code);
    if (!/^code\d+$/.test(name)) assert.ok(METRICS.latchkey_ldap_operations_total.labels.result.includes(name), name);
  }
});

test('what is counted adds up, and spans are told in seconds', async () => {
  await withMetrics(async (metrics) => {
    tellAll(metrics);
    tellAll(metrics);
    const over = [metrics.waits('ledger'), metrics.waits('ledger')];
    over[0]?.();
    const { text } = await metrics.expose(SOUND);
    const expected: readonly (readonly [string, Readonly<Record<string, string>>, number])[] = [
      ['latchkey_jobs_total', { kind: 'grant', result: 'out_of_scope' }, 2],
      ['latchkey_policy_trips_total', { policy: 'scope' }, 2],
      ['latchkey_policy_trips_total', { policy: 'clock' }, 0],
      ['latchkey_policy_events_total', { rule: 'group_rate' }, 2],
      ['latchkey_policy_events_total', { rule: 'protected_group' }, 0],
      ['latchkey_job_latency_seconds_sum', { kind: 'grant' }, 3],
      ['latchkey_expiry_lateness_seconds_sum', {}, 1.4],
      ['latchkey_expiry_lateness_seconds_bucket', { le: '0.5' }, 0],
      ['latchkey_expiry_lateness_seconds_bucket', { le: '1' }, 2],
      ['latchkey_probe_results_total', { presence: 'unknown' }, 2],
      ['latchkey_probe_results_total', { presence: 'absent' }, 0],
      ['latchkey_ledger_works_total', {}, 6],
      ['latchkey_queue_depth', { queue: 'ledger' }, 1],
      ['latchkey_queue_depth', { queue: 'attempts' }, 8],
      ['latchkey_grants', { state: 'ending' }, 3],
      ['latchkey_grants_overdue_seconds', {}, 4],
      ['latchkey_outbox_oldest_age_seconds', {}, 7],
      ['latchkey_link_state', { state: 'connected' }, 1],
      ['latchkey_link_state', { state: 'waiting' }, 0],
      ['latchkey_link_clock_skew_seconds', {}, -0.25],
      ['latchkey_certificate_not_after_timestamp_seconds', { peer: 'directory' }, 1_800_000_000],
      ['latchkey_sync_last_due_timestamp_seconds', {}, 0],
      ['latchkey_sync_removals_held', { kind: 'users' }, 0],
      ['latchkey_build_info', { version: '1.2.3', node: 'v26.0.0' }, 1],
    ];
    for (const [name, labels, value] of expected) {
      const found = valueIn(text, name, labels);
      assert.ok(found !== null && Math.abs(found - value) < 1e-9, `${name} ${JSON.stringify(labels)}: ${found}, not ${value}`);
    }
  });
});

test('what stands beside the counts that are told is left out', async () => {
  await withMetrics(async (metrics) => {
    const held = { users: 1, groups: 0, memberships: 2, syncId: 'a-sync', at: instant(5) };
    const counts = { users: 1, groups: 2, memberships: 3, membersOutOfScope: 4 };
    const { text } = await metrics.expose({ ...SOUND, sync: { ...SOUND.sync, held, counts } });
    const told = samplesIn(text).filter(({ name }) => /^latchkey_sync_(?:entries|removals_held)$/.test(name));
    assert.deepEqual(new Set(told.map(({ labels }) => labels['kind'])), new Set(['users', 'groups', 'memberships']));
    assert.equal(valueIn(text, 'latchkey_sync_removals_held', { kind: 'memberships' }), 2);
  });
});

test('what cannot be read now is not told as it once was', async () => {
  await withMetrics(async (metrics) => {
    tellAll(metrics);
    await metrics.expose(SOUND);
    const { text } = await metrics.expose({
      ...SOUND,
      ready: { ...SOUND.ready, directory: false, ledger: false },
      ledger: null,
      isDirectoryUp: false,
      link: 'waiting',
      linkSkewMs: null,
      sync: { ...SOUND.sync, nextRunAt: null, counts: null },
    });
    for (const name of [
      'latchkey_grants',
      'latchkey_grants_overdue_seconds',
      'latchkey_grants_ownership_unknown',
      'latchkey_outbox_oldest_age_seconds',
      'latchkey_ledger_space',
      'latchkey_link_clock_skew_seconds',
      'latchkey_sync_entries',
      'latchkey_sync_next_run_timestamp_seconds',
    ])
      assert.equal(valueIn(text, name), null, name);
    assert.equal(valueIn(text, 'latchkey_queue_depth', { queue: 'outbox' }), null);
    assert.equal(valueIn(text, 'latchkey_directory_up'), 0);
    assert.equal(valueIn(text, 'latchkey_ready', { part: 'ledger' }), 0);
    assert.equal(valueIn(text, 'latchkey_link_state', { state: 'connected' }), 0);
    // What was counted stays counted.
    assert.equal(valueIn(text, 'latchkey_jobs_received_total', { kind: 'grant' }), 1);
  });
});
