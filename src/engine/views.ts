import type { Event, GrantView } from '../access/event.ts';
import type { EndedMembership, Grant } from '../access/grant.ts';
import type { JobError, Outcome } from '../access/outcome.ts';
import type { JobResult, StoredJob } from '../ledger/ledger.ts';

/** A grant as the control plane is told of it. */
export function viewOf(grant: Grant): GrantView {
  const base = { grantId: grant.grantId, user: grant.pair?.user ?? null, group: grant.pair?.group ?? null, state: grant.state };
  switch (grant.state) {
    case 'pending':
      return { ...base, standing: false, activatedAt: null, expiresAt: grant.end.kind === 'at' ? grant.end.expiresAt : null };
    case 'failed':
      return { ...base, standing: false, activatedAt: null, expiresAt: null };
    case 'active':
    case 'ending':
      return { ...base, standing: grant.standing, activatedAt: grant.activatedAt, expiresAt: grant.expiresAt };
    case 'ended':
      return {
        ...base,
        standing: grant.standing,
        activatedAt: grant.activatedAt,
        expiresAt: grant.expiresAt,
        endedAt: grant.endedAt,
      };
    default:
      return grant satisfies never;
  }
}

type JobFacts = Pick<StoredJob, 'jobId' | 'traceparent'>;

function about({ jobId, traceparent }: JobFacts, grant: Grant | null) {
  return { jobId, ...(traceparent === null ? {} : { traceparent }), ...(grant === null ? {} : { grant: viewOf(grant) }) };
}

export function succeeded(job: JobFacts, outcome: Outcome, grant: Grant | null): JobResult {
  return { kind: 'job.succeeded', ...about(job, grant), outcome };
}

export function failed(job: JobFacts, error: JobError, grant: Grant | null): JobResult {
  return { kind: 'job.failed', ...about(job, grant), error };
}

export function delayed(
  job: JobFacts,
  facts: Pick<Extract<Event, { kind: 'job.delayed' }>, 'attempts' | 'nextAttemptAt' | 'error'>,
  grant: Grant | null,
): Event {
  return { kind: 'job.delayed', ...about(job, grant), ...facts };
}

/** What a revoke is told, by what became of the membership. */
export const REVOKE_OUTCOMES: Record<EndedMembership, Outcome> = {
  removed: 'revoked',
  kept_standing: 'kept_standing',
  kept_by_grant: 'kept_by_grant',
  already_absent: 'already_absent',
};
