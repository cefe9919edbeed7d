import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Instant } from '../access/instant.ts';
import { eventLoopLag } from './event-loop-lag.ts';
import { METRICS, type MetricName, type MetricRow, OTHER, POLICY_OF } from './metric-table.ts';
import type { LedgerStates, Metrics, States, SyncStates, WorkQueue } from './metrics.ts';

/** Text in the exposition format of Prometheus. */
export interface Exposed {
  readonly contentType: string;
  readonly text: string;
}

export interface PromMetrics extends Metrics {
  /** What was counted so far, and the states as they are now. */
  expose(states: States): Promise<Exposed>;
  close(): void;
}

type Labels = Readonly<Record<string, string>>;

/** A counter of so many series at most begins with all of them at 0, so that the first of a kind is seen as an increase. */
const MOST_SERIES_AT_ZERO = 32;

/** Counts for Prometheus. Every metric is of the table, and every value of a label too: any other becomes `other`. */
export function promMetrics({ version, node }: { version: string; node: string }): PromMetrics {
  const registry = new Registry();
  const made = instruments(registry);
  const seen = { waiting: { ledger: 0, directory: 0 }, certificates: new Map<string, Instant>() };
  const lag = eventLoopLag();

  return {
    ...counted(made, seen),
    async expose(states) {
      made.forgetStates();
      made.set('latchkey_build_info', 1, { version, node });
      setStates(made, states);
      for (const [queue, depth] of Object.entries(seen.waiting)) made.set('latchkey_queue_depth', depth, { queue });
      for (const [peer, notAfter] of seen.certificates)
        made.set('latchkey_certificate_not_after_timestamp_seconds', notAfter / 1000, { peer });
      for (const [quantile, late] of Object.entries(lag.quantiles()))
        made.set('latchkey_event_loop_lag_seconds', late, { quantile });
      setProcess(made);
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
    close() {
      lag.close();
      registry.clear();
    },
  };
}

type Instruments = ReturnType<typeof instruments>;

function instruments(registry: Registry) {
  const counters = new Map<MetricName, Counter>();
  const gauges = new Map<MetricName, Gauge>();
  const histograms = new Map<MetricName, Histogram>();
  const rows = Object.entries(METRICS) as readonly [MetricName, MetricRow][];
  for (const [name, { type, help, labels = {}, buckets = [] }] of rows) {
    const settings = { name, help, labelNames: Object.keys(labels), registers: [registry] };
    if (type === 'counter') counters.set(name, new Counter(settings));
    else if (type === 'gauge') gauges.set(name, new Gauge(settings));
    else histograms.set(name, new Histogram({ ...settings, buckets: [...buckets] }));
    const series = seriesOf(labels);
    if (type === 'counter' && series.length <= MOST_SERIES_AT_ZERO) for (const one of series) counters.get(name)?.inc(one, 0);
  }
  return {
    count: (name: MetricName, labels: Labels = {}, by = 1) => counters.get(name)?.inc(bounded(name, labels), by),
    observe: (name: MetricName, value: number, labels: Labels = {}) =>
      histograms.get(name)?.observe(bounded(name, labels), value),
    set: (name: MetricName, value: number, labels: Labels = {}) => gauges.get(name)?.set(bounded(name, labels), value),
    /** Nothing is said of any state until it is set again: what cannot be read now must not stand as it once was. */
    forgetStates: () => {
      for (const [name, gauge] of gauges) {
        const { labels }: MetricRow = METRICS[name];
        // One without labels would be reset to 0, which says something.
        if (labels === undefined) gauge.remove();
        else gauge.reset();
      }
    },
    total: (name: MetricName, value: number) => {
      const counter = counters.get(name);
      counter?.reset();
      counter?.inc(value);
    },
  };
}

/** Every combination of the labels' values; none where one of them is not of a closed set. */
function seriesOf(labels: NonNullable<MetricRow['labels']>): readonly Labels[] {
  let series: readonly Labels[] = [{}];
  for (const [label, values] of Object.entries(labels))
    series = series.flatMap((one) => (values ?? []).map((value) => ({ ...one, [label]: value })));
  return series;
}

function bounded(name: MetricName, labels: Labels): Labels {
  const { labels: known = {} }: MetricRow = METRICS[name];
  return Object.fromEntries(
    Object.entries(labels).map(([label, value]) => [label, known[label]?.includes(value) === false ? OTHER : value]),
  );
}

/** What is told as it happens, and is a state all the same. */
interface Seen {
  readonly waiting: Record<WorkQueue, number>;
  readonly certificates: Map<string, Instant>;
}

function counted(made: Instruments, seen: Seen): Metrics {
  return {
    jobReceived: (kind) => made.count('latchkey_jobs_received_total', { kind }),
    jobSettled({ kind, result, latencyMs }) {
      made.count('latchkey_jobs_total', { kind, result });
      if (latencyMs !== null) made.observe('latchkey_job_latency_seconds', seconds(latencyMs), { kind });
      const policy = result in POLICY_OF ? POLICY_OF[result as keyof typeof POLICY_OF] : null;
      if (policy !== null) made.count('latchkey_policy_trips_total', { policy });
    },
    grantEnded({ cause, membership, latenessMs }) {
      made.count('latchkey_grants_ended_total', { cause, membership });
      if (latenessMs !== null) made.observe('latchkey_expiry_lateness_seconds', seconds(latenessMs));
    },
    grantDrifted: (drift) => made.count('latchkey_grants_drifted_total', drift),
    policyTripped: (rule) => made.count('latchkey_policy_events_total', { rule }),
    syncEnded({ mode, result, durationMs }) {
      made.count('latchkey_sync_runs_total', { mode, result });
      if (durationMs !== null) made.observe('latchkey_sync_duration_seconds', seconds(durationMs), { mode });
    },
    ldapAnswered({ operation, result, tookMs }) {
      made.count('latchkey_ldap_operations_total', { operation, result });
      made.observe('latchkey_ldap_operation_seconds', seconds(tookMs), { operation });
    },
    ldapSession: (change) => made.count('latchkey_ldap_sessions_total', { change }),
    directoryChanged: (state) => made.count('latchkey_directory_changes_total', { state }),
    directoryFailedOver: () => made.count('latchkey_directory_failovers_total'),
    probed(presences) {
      for (const presence of presences) made.count('latchkey_probe_results_total', { presence });
    },
    ledgerCommitted({ works, tookMs }) {
      made.observe('latchkey_ledger_commit_seconds', seconds(tookMs));
      made.count('latchkey_ledger_works_total', {}, works);
    },
    linkChanged: (change) => made.count('latchkey_link_changes_total', { change }),
    jobUnverified: (reason) => made.count('latchkey_jobs_unverified_total', { reason }),
    certificateSeen(peer, notAfter) {
      // A date that cannot be read says nothing.
      if (Number.isFinite(notAfter)) seen.certificates.set(peer, notAfter);
    },
    waits(queue) {
      seen.waiting[queue] += 1;
      return () => {
        seen.waiting[queue] -= 1;
      };
    },
  };
}

function setStates(made: Instruments, { ready, ledger, link, linkSkewMs, clock, sync, backups, ...others }: States): void {
  for (const [part, isReady] of Object.entries(ready)) made.set('latchkey_ready', Number(isReady), { part });
  made.set('latchkey_directory_up', Number(others.isDirectoryUp));
  setOneOf(made, { name: 'latchkey_link_state', label: 'state', now: link });
  if (linkSkewMs !== null) made.set('latchkey_link_clock_skew_seconds', linkSkewMs / 1000);
  made.set('latchkey_queue_depth', others.pursued, { queue: 'attempts' });
  made.set('latchkey_attempts_failing', others.failing);
  made.set('latchkey_paused', Number(others.isPaused));
  made.set('latchkey_clock_timestamp_seconds', clock.now / 1000);
  made.set('latchkey_clock_ahead_seconds', clock.aheadMs / 1000);
  made.set('latchkey_clock_trusted', Number(clock.trusted));
  if (ledger !== null) setLedger(made, ledger);
  setSync(made, sync);
  if (backups.stateMs !== null) made.set('latchkey_backup_age_seconds', seconds(backups.stateMs), { place: 'state' });
  if (backups.elsewhereMs !== null) made.set('latchkey_backup_age_seconds', seconds(backups.elsewhereMs), { place: 'elsewhere' });
}

function setLedger(made: Instruments, ledger: LedgerStates): void {
  setEach(made, { name: 'latchkey_grants', label: 'state', values: ledger.grants });
  made.set('latchkey_grants_overdue_seconds', seconds(ledger.overdueMs));
  made.set('latchkey_grants_ownership_unknown', ledger.ownershipUnknown);
  made.set('latchkey_outbox_oldest_age_seconds', seconds(ledger.outboxAgeMs));
  setEach(made, { name: 'latchkey_queue_depth', label: 'queue', values: { jobs: ledger.openJobs, outbox: ledger.outbox } });
  setOneOf(made, { name: 'latchkey_ledger_space', label: 'space', now: ledger.space });
}

function setSync(made: Instruments, { lastSuccessAt, lastDueAt, nextRunAt, counts, held }: SyncStates): void {
  made.set('latchkey_sync_last_success_timestamp_seconds', (lastSuccessAt ?? 0) / 1000);
  made.set('latchkey_sync_last_due_timestamp_seconds', (lastDueAt ?? 0) / 1000);
  if (nextRunAt !== null) made.set('latchkey_sync_next_run_timestamp_seconds', nextRunAt / 1000);
  if (counts !== null) setEach(made, { name: 'latchkey_sync_entries', label: 'kind', values: counts });
  setEach(made, { name: 'latchkey_sync_removals_held', label: 'kind', values: held ?? { users: 0, groups: 0, memberships: 0 } });
}

function setProcess(made: Instruments): void {
  const { user, system } = process.cpuUsage();
  made.total('process_cpu_seconds_total', (user + system) / 1e6);
  made.set('process_resident_memory_bytes', process.memoryUsage.rss());
  made.set('process_start_time_seconds', performance.timeOrigin / 1000);
}

function setEach(
  made: Instruments,
  { name, label, values }: { name: MetricName; label: string; values: Readonly<Record<string, number>> },
): void {
  for (const value of valuesOf(name, label)) {
    // What is given may hold more than is told, such as whose the counts are.
    const count = values[value];
    if (count !== undefined) made.set(name, count, { [label]: value });
  }
}

/** 1 for the one that holds, 0 for the others. */
function setOneOf(made: Instruments, { name, label, now }: { name: MetricName; label: string; now: string }): void {
  for (const value of valuesOf(name, label)) made.set(name, Number(value === now), { [label]: value });
}

function valuesOf(name: MetricName, label: string): readonly string[] {
  const { labels = {} }: MetricRow = METRICS[name];
  return labels[label] ?? [];
}

/** Time that is measured by a clock which may be stepped is never less than none. */
function seconds(ms: number): number {
  return Math.max(0, ms) / 1000;
}
