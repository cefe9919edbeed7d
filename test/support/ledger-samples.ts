import type { AuditRecord } from '../../src/access/audit.ts';
import type { Dn } from '../../src/access/dn.ts';
import type { Event } from '../../src/access/event.ts';
import {
  type ActiveGrant,
  closeGrant,
  type EndedGrant,
  type EndingGrant,
  endGrant,
  type FailedGrant,
  type PendingGrant,
} from '../../src/access/grant.ts';
import type { EntryId, GrantId, JobId } from '../../src/access/ids.ts';
import { type Instant, instant, later } from '../../src/access/instant.ts';
import type { NewIntent } from '../../src/access/intent.ts';
import type { Period } from '../../src/access/membership.ts';
import type { Pair } from '../../src/access/reference.ts';
import type { Consequence, JobResult, StoredJob } from '../../src/ledger/ledger.ts';

/** 2026-01-01T00:00:00Z: the instant at which the samples begin. */
export const DAWN: Instant = instant(Date.UTC(2026, 0, 1));

/** `DAWN` and so many seconds. */
export function seconds(count: number): Instant {
  return later(DAWN, count * 1000);
}

export const jobIdOf = (name: string): JobId => `job-${name}` as JobId;
export const grantIdOf = (name: string): GrantId => `grant-${name}` as GrantId;

/** A user and a group by their numbers; the same numbers are the same pair. */
export function samplePair(user: number, group: number): Pair {
  return {
    user: { id: entryId(user), dn: `uid=user${user},ou=people,dc=example` as Dn },
    group: { id: entryId(1000 + group), dn: `cn=group${group},ou=groups,dc=example` as Dn },
  };
}

function entryId(number: number): EntryId {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}` as EntryId;
}

/** A consequence that tells nothing, a second after the dawn unless told otherwise. */
export function quietly(others: Partial<Consequence> = {}): Consequence {
  return { at: seconds(1), audit: [], ...others };
}

export function sampleAudit(kind: AuditRecord['kind'], at: Instant = seconds(1)): AuditRecord {
  return { kind, at, facts: { why: 'a test', counted: 1 } };
}

export function sampleJob(name: string, others: Partial<StoredJob> = {}): Omit<StoredJob, 'result' | 'attempts'> {
  const jobId = jobIdOf(name);
  const { result: _result, attempts: _attempts, ...given } = others;
  return {
    jobId,
    hash: 'ab'.repeat(32),
    job: { kind: 'revoke', jobId, issuedAt: DAWN, grantId: grantIdOf(name) },
    receivedAt: DAWN,
    traceparent: null,
    grantId: null,
    ...given,
  };
}

export function succeeded(name: string): JobResult {
  return { kind: 'job.succeeded', jobId: jobIdOf(name), outcome: 'done' };
}

export function pendingGrant(name: string, pair: Pair | null = samplePair(1, 1)): PendingGrant {
  return { state: 'pending', grantId: grantIdOf(name), pair, end: { kind: 'after', durationMs: 60_000 }, deadline: seconds(900) };
}

export function activeGrant(name: string, others: Partial<Omit<ActiveGrant, 'state' | 'grantId'>> = {}): ActiveGrant {
  return {
    state: 'active',
    grantId: grantIdOf(name),
    pair: samplePair(1, 1),
    standing: false,
    activatedAt: seconds(1),
    expiresAt: seconds(60),
    ...others,
  };
}

export function endingGrant(name: string, pair: Pair = samplePair(1, 1)): EndingGrant {
  return endGrant(activeGrant(name, { pair }), 'expired', seconds(60));
}

export function endedGrant(
  name: string,
  {
    pair = samplePair(1, 1),
    endedAt = seconds(61),
    membership = 'removed',
  }: { pair?: Pair; endedAt?: Instant; membership?: EndedGrant['membership'] } = {},
): EndedGrant {
  return closeGrant(endingGrant(name, pair), { membership, standing: false, endedAt });
}

export function failedGrant(
  name: string,
  { pair = null, failedAt = seconds(61) }: { pair?: Pair | null; failedAt?: Instant } = {},
): FailedGrant {
  return { state: 'failed', grantId: grantIdOf(name), pair, code: 'job_expired', failedAt };
}

export function samplePeriod(others: Partial<Period> = {}): Period {
  const pair = others.pair ?? samplePair(1, 1);
  return {
    pair,
    standing: false,
    heldSince: seconds(1),
    memberAttribute: 'member',
    values: [pair.user.dn],
    metValues: ['cn=met'],
    seenAbsent: false,
    deleteSent: false,
    ...others,
  };
}

export function sampleIntent(name: string, others: Partial<Omit<NewIntent, 'grantId'>> = {}): NewIntent {
  const pair = others.pair ?? samplePair(1, 1);
  return {
    kind: 'add',
    grantId: grantIdOf(name),
    pair,
    memberAttribute: 'member',
    values: [pair.user.dn],
    preImage: 'absent',
    placeholder: null,
    at: seconds(1),
    ...others,
  };
}

/** One event of every kind, with every optional member once there and once missing. */
export function everyEvent(): readonly Event[] {
  const view = {
    ...samplePair(1, 1),
    grantId: grantIdOf('a'),
    state: 'ended',
    standing: 'unknown',
    activatedAt: seconds(1),
    expiresAt: null,
    endedAt: seconds(2),
  } as const;
  const error = {
    code: 'directory_refused',
    message: 'the group could not be changed; check the rights of the account',
    retryable: false,
    ldap: { resultCode: 50, resultName: 'insufficientAccessRights', diagnosticMessage: '', matchedDn: '' },
  } as const;
  const { endedAt: _, ...unresolved } = { ...view, user: null, group: null, standing: true } as const;
  const traceparent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
  const jobId = jobIdOf('a');
  const step = { step: 'bind', status: 'warn', detail: 'slow' } as const;
  const directory = {
    vendor: 'OpenLDAP',
    flavour: 'openldap',
    baseDn: 'dc=example',
    usersScope: ['dc=example'],
    groupsScope: [],
  };
  return [
    { kind: 'job.succeeded', jobId, outcome: 'granted', traceparent, grant: view, repeat: true, count: 0 },
    { kind: 'job.succeeded', jobId, outcome: 'done', report: { ok: false, steps: [step] } },
    { kind: 'job.failed', jobId, error, grant: unresolved, repeat: true },
    { kind: 'job.delayed', jobId, attempts: 3, nextAttemptAt: seconds(9), error },
    { kind: 'grant.ended', grant: view, cause: 'policy', membership: 'kept_by_grant' },
    { kind: 'grant.overdue', grant: view, since: seconds(3), error },
    { kind: 'grant.drifted', grant: view, observed: 'recreated', action: 'reported' },
    { kind: 'directory.changed', state: 'up', directory: { ...directory, version: '2.6', counts: { users: 3, groups: 1 } } },
    {
      kind: 'sync.completed',
      syncId: 's-1',
      mode: 'full',
      users: 3,
      groups: 1,
      memberships: 2,
      changed: 6,
      removed: 0,
      durationMs: 12,
    },
    { kind: 'sync.failed', syncId: 's-2', mode: 'delta', error },
    { kind: 'sync.failed', syncId: 's-3', mode: 'full', error: { ...error, code: 'removals_held' }, heldSyncId: 's-3' },
    { kind: 'policy.tripped', rule: 'protected_group', detail: 'the group is nested in a protected one' },
    { kind: 'ledger.replaced', previousLedgerId: 'f'.repeat(36) },
    { kind: 'audit.checkpoint', count: 7, hash: 'ab'.repeat(32), time: seconds(8) },
  ];
}
