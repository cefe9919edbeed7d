import type { Observed } from '../access/event.ts';
import type { EndCause, EndedMembership } from '../access/grant.ts';
import type { Presence } from '../access/membership.ts';
import type { JobErrorCode, Outcome } from '../access/outcome.ts';
import type { PolicyRule } from '../access/policy.ts';
import type { SignatureFault } from '../access/signature-fault.ts';
import type { SyncMode } from '../access/sync.ts';
import type { HealthParts } from './health.ts';
import type { DriftAction, JobKind, LdapOperation, States, WorkQueue } from './metrics.ts';

/** One metric, as it is documented and exposed. */
export interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Each label with every value that it can have; null for one that has a single value a process. */
  readonly labels?: Readonly<Record<string, readonly string[] | null>>;
  readonly buckets?: readonly number[];
}

/** The names of a closed set: a case more does not compile until it stands here. */
const names = <Name extends string>(set: Readonly<Record<Name, true>>): readonly string[] => Object.keys(set);

const CAUSES = names<EndCause>({
  revoked: true,
  expired: true,
  operator: true,
  policy: true,
  user_gone: true,
  group_gone: true,
});
const MEMBERSHIPS = names<EndedMembership>({ removed: true, kept_standing: true, kept_by_grant: true, already_absent: true });
const PRESENCES = names<Presence>({ member: true, absent: true, unknown: true });
const OBSERVED = names<Observed>({
  absent: true,
  renamed: true,
  moved: true,
  recreated: true,
  user_gone: true,
  group_gone: true,
  ownership_unknown: true,
});
const DRIFT_ACTIONS = names<DriftAction>({ reported: true, restored: true, followed: true, ended: true });
const JOB_KINDS = names<JobKind>({ grant: true, revoke: true, check: true, list: true, sync: true, unreadable: true });
const OUTCOMES = names<Outcome>({
  granted: true,
  already_standing: true,
  covered_by_grant: true,
  updated: true,
  revoked: true,
  kept_standing: true,
  kept_by_grant: true,
  already_absent: true,
  already_ended: true,
  done: true,
});

/** Which rule of ours a refusal is of; null where it is none. */
export const POLICY_OF: Readonly<Record<JobErrorCode, string | null>> = {
  invalid_job: null,
  job_conflict: null,
  job_expired: null,
  user_not_found: null,
  user_ambiguous: null,
  group_not_found: null,
  group_ambiguous: null,
  out_of_scope: 'scope',
  group_protected: 'protected_group',
  policy_denied: 'local_policy',
  grant_conflict: null,
  grant_revoked: null,
  paused: 'pause',
  clock_untrusted: 'clock',
  no_space: 'space',
  directory_unavailable: null,
  directory_refused: null,
  removals_held: 'removals',
  ownership_unknown: null,
  internal: null,
};
const POLICIES = Object.values(POLICY_OF).filter((policy) => policy !== null);
const RULES = names<PolicyRule>({
  protected_group: true,
  grant_rate: true,
  group_rate: true,
  user_rate: true,
  group_cap: true,
  exclusive: true,
});
const JOB_RESULTS = [...OUTCOMES, ...Object.keys(POLICY_OF)];

const LDAP_OPERATIONS = names<LdapOperation>({
  bind: true,
  who_am_i: true,
  search: true,
  compare: true,
  modify: true,
  read: true,
});
/** RFC 4511 appendix A and the registry of LDAP parameters; a server may answer with any number, and what is not here is `other`. */
const LDAP_RESULTS = [
  'success operationsError protocolError timeLimitExceeded sizeLimitExceeded compareFalse compareTrue authMethodNotSupported',
  'strongerAuthRequired referral adminLimitExceeded unavailableCriticalExtension confidentialityRequired saslBindInProgress',
  'noSuchAttribute undefinedAttributeType inappropriateMatching constraintViolation attributeOrValueExists invalidAttributeSyntax',
  'noSuchObject aliasProblem invalidDNSyntax aliasDereferencingProblem inappropriateAuthentication invalidCredentials',
  'insufficientAccessRights busy unavailable unwillingToPerform loopDetect namingViolation objectClassViolation',
  'notAllowedOnNonLeaf notAllowedOnRDN entryAlreadyExists objectClassModsProhibited affectsMultipleDSAs other canceled',
  'noSuchOperation tooLate cannotCancel assertionFailed authorizationDenied no_answer cancelled',
].flatMap((line) => line.split(' '));

const PARTS = names<keyof HealthParts>({
  directory: true,
  controlPlane: true,
  ledger: true,
  clock: true,
  policy: true,
  sync: true,
  backup: true,
});
const SIGNATURE_FAULTS = names<SignatureFault>({
  unsigned: true,
  no_keys: true,
  malformed: true,
  header: true,
  algorithm: true,
  unknown_key: true,
  signature: true,
  audience: true,
  claims: true,
  too_early: true,
  expired: true,
});
const LINK_STATES = names<States['link']>({ idle: true, connecting: true, connected: true, waiting: true, stopped: true });
const SPACES = names<NonNullable<States['ledger']>['space']>({ ok: true, low: true, endings_only: true });
const SYNC_MODES = names<SyncMode>({ full: true, delta: true });
const QUEUES = [...names<WorkQueue>({ ledger: true, directory: true }), 'jobs', 'attempts', 'outbox'];
const COUNTED = ['users', 'groups', 'memberships'];

/** From a commit to a slow directory, in seconds. */
const QUICK = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** From a moment to a directory that was away for a day, in seconds. */
const LONG = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400];

/** Every metric there is. The dashboard, the alert rules and the documentation name these and no others: tests compare them. */
export const METRICS = {
  latchkey_build_info: {
    type: 'gauge',
    help: 'Always 1; the version of the connector and of Node.js',
    labels: { version: null, node: null },
  },
  latchkey_ready: { type: 'gauge', help: '1 where that part of /readyz is ready, else 0', labels: { part: PARTS } },

  latchkey_grants: {
    type: 'gauge',
    help: 'Grants that are not over, by state',
    labels: { state: ['pending', 'active', 'ending'] },
  },
  latchkey_grants_overdue_seconds: {
    type: 'gauge',
    help: 'For how long the membership that is late the longest should have been gone; 0 where none is late',
  },
  latchkey_grants_ownership_unknown: {
    type: 'gauge',
    help: 'Grants of memberships of which it is unknown whether they are ours, since the ledger was restored',
  },
  latchkey_grants_ended_total: {
    type: 'counter',
    help: 'Grants that ended, by what asked for it and what became of the membership',
    labels: { cause: CAUSES, membership: MEMBERSHIPS },
  },
  latchkey_grants_drifted_total: {
    type: 'counter',
    help: 'Memberships that were found otherwise than they were left, and what was done',
    labels: { observed: OBSERVED, action: DRIFT_ACTIONS },
  },
  latchkey_expiry_lateness_seconds: {
    type: 'histogram',
    help: 'From the end of a grant to the proof that its membership is gone; grants that expired',
    buckets: LONG,
  },

  latchkey_jobs_received_total: { type: 'counter', help: 'Jobs that were stored, by kind', labels: { kind: JOB_KINDS } },
  latchkey_jobs_total: {
    type: 'counter',
    help: 'Jobs that were settled, by kind and outcome or error code',
    labels: { kind: JOB_KINDS, result: JOB_RESULTS },
  },
  latchkey_job_latency_seconds: {
    type: 'histogram',
    help: 'From the receipt of a job to its stored result',
    labels: { kind: JOB_KINDS },
    buckets: LONG,
  },
  latchkey_policy_trips_total: {
    type: 'counter',
    help: 'Jobs that a rule of the connector refused, by rule',
    labels: { policy: POLICIES },
  },
  latchkey_policy_events_total: {
    type: 'counter',
    help: 'How often it was told that a local limit stopped work, or ended grants, by limit',
    labels: { rule: RULES },
  },

  latchkey_queue_depth: {
    type: 'gauge',
    help: 'What waits: jobs without a result, attempts that are pursued, writes of the ledger, questions to the directory, events (at most; superseded ones are counted) for the control plane',
    labels: { queue: QUEUES },
  },
  latchkey_attempts_failing: {
    type: 'gauge',
    help: 'Of the attempts, those whose last failed in a way that nobody expected',
  },
  latchkey_paused: { type: 'gauge', help: '1 while a person lets no new grants be made, else 0' },
  latchkey_outbox_oldest_age_seconds: {
    type: 'gauge',
    help: 'Age of the oldest event that the control plane has not acknowledged; 0 where there is none',
  },

  latchkey_ldap_operations_total: {
    type: 'counter',
    help: 'LDAP operations by kind and result code; no_answer where the connection ended first, cancelled where nobody waited any more',
    labels: { operation: LDAP_OPERATIONS, result: LDAP_RESULTS },
  },
  latchkey_ldap_operation_seconds: {
    type: 'histogram',
    help: 'How long LDAP operations took, by kind',
    labels: { operation: LDAP_OPERATIONS },
    buckets: QUICK,
  },
  latchkey_ldap_sessions_total: {
    type: 'counter',
    help: 'LDAP sessions that were bound, and that ended',
    labels: { change: ['opened', 'ended'] },
  },
  latchkey_directory_up: { type: 'gauge', help: '1 while there is a session with the directory, else 0' },
  latchkey_directory_changes_total: {
    type: 'counter',
    help: 'How often the directory became reachable, and unreachable',
    labels: { state: ['up', 'down'] },
  },
  latchkey_directory_failovers_total: { type: 'counter', help: 'How often another directory server took over' },
  latchkey_probe_results_total: {
    type: 'counter',
    help: 'What probes of a membership saw; unknown where the directory gave no proof either way',
    labels: { presence: PRESENCES },
  },

  latchkey_link_state: {
    type: 'gauge',
    help: '1 for the state that the connection to the control plane is in, 0 for the others',
    labels: { state: LINK_STATES },
  },
  latchkey_link_changes_total: {
    type: 'counter',
    help: 'Connections that the control plane welcomed, and that were lost',
    labels: { change: ['welcomed', 'lost'] },
  },
  latchkey_jobs_unverified_total: {
    type: 'counter',
    help: 'Jobs that were not believed, by the check that failed',
    labels: { reason: SIGNATURE_FAULTS },
  },
  latchkey_link_clock_skew_seconds: {
    type: 'gauge',
    help: "How far the control plane's clock was ahead when it welcomed us; absent while not connected",
  },

  latchkey_ledger_commit_seconds: { type: 'histogram', help: 'How long a commit of the ledger took', buckets: QUICK },
  latchkey_ledger_works_total: { type: 'counter', help: 'Writes that were committed; several share a commit' },
  latchkey_ledger_space: {
    type: 'gauge',
    help: '1 for what the disk of the ledger has room for, 0 for the others',
    labels: { space: SPACES },
  },

  latchkey_backup_age_seconds: {
    type: 'gauge',
    help: 'For how long there has been no verified backup of what the ledger holds, in the state directory and in LATCHKEY_BACKUP_DIR; absent without the latter',
    labels: { place: ['state', 'elsewhere'] },
  },

  latchkey_sync_last_success_timestamp_seconds: {
    type: 'gauge',
    help: 'When a sync was last published; 0 where none is known',
  },
  latchkey_sync_last_due_timestamp_seconds: {
    type: 'gauge',
    help: 'When the schedule last asked for a sync; 0 where it did not since the start',
  },
  latchkey_sync_next_run_timestamp_seconds: {
    type: 'gauge',
    help: 'When the schedule asks for a sync next; absent where there is no schedule',
  },
  latchkey_sync_duration_seconds: {
    type: 'histogram',
    help: 'How long a sync took that was published',
    labels: { mode: SYNC_MODES },
    buckets: LONG,
  },
  latchkey_sync_runs_total: {
    type: 'counter',
    help: 'Syncs that ended, by mode and result',
    labels: { mode: SYNC_MODES, result: ['completed', 'held', 'failed'] },
  },
  latchkey_sync_entries: {
    type: 'gauge',
    help: 'What the last sync that was published found; absent where none is known',
    labels: { kind: COUNTED },
  },
  latchkey_sync_removals_held: {
    type: 'gauge',
    help: 'What the sync that is held would remove; 0 where none is held',
    labels: { kind: COUNTED },
  },

  latchkey_certificate_not_after_timestamp_seconds: {
    type: 'gauge',
    help: "When the server's certificate ends that was last seen; absent without TLS",
    labels: { peer: ['directory', 'control_plane'] },
  },
  latchkey_clock_timestamp_seconds: { type: 'gauge', help: 'The time that the connector goes by' },
  latchkey_clock_ahead_seconds: { type: 'gauge', help: 'How far that is ahead of the wall clock of the machine' },
  latchkey_clock_trusted: { type: 'gauge', help: '1 while new grants are given by that time, else 0' },
  latchkey_event_loop_lag_seconds: {
    type: 'gauge',
    help: 'How late the event loop turned within the last minute or two',
    labels: { quantile: ['0.5', '0.99', '1'] },
  },
  process_start_time_seconds: { type: 'gauge', help: 'When the process began' },
  process_cpu_seconds_total: { type: 'counter', help: 'Processor time that the process has used' },
  process_resident_memory_bytes: { type: 'gauge', help: 'Memory that the process has in RAM' },
} as const satisfies Readonly<Record<string, MetricRow>>;

export type MetricName = keyof typeof METRICS;

/** What a label says of a value that is not among its own: nothing of a person, an entry or a server ever becomes a label. */
export const OTHER = 'other';
