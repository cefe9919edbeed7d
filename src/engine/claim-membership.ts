import type { AuditRecord } from '../access/audit.ts';
import type { Event } from '../access/event.ts';
import type { ActiveGrant, PendingGrant } from '../access/grant.ts';
import { expiryOf } from '../access/grant.ts';
import type { JobId } from '../access/ids.ts';
import type { RequestedEnd } from '../access/job.ts';
import type { Outcome } from '../access/outcome.ts';
import type { Pair } from '../access/reference.ts';
import type { StoredJob } from '../ledger/ledger.ts';
import type { EngineParts } from './engine-parts.ts';
import { onServer } from './evidence.ts';
import type { PutIn } from './put-in.ts';
import { succeeded, viewOf } from './views.ts';

export type Member = Extract<PutIn, { kind: 'member' }>;

/** The grant as it is once its membership was proved. */
export function activated({
  grant,
  pair,
  member,
  end,
}: {
  grant: PendingGrant;
  pair: Pair;
  member: Member;
  end: RequestedEnd;
}): ActiveGrant {
  return {
    state: 'active',
    grantId: grant.grantId,
    pair,
    standing: member.period.standing,
    activatedAt: member.at,
    expiresAt: expiryOf(end, member.at),
  };
}

/**
 * Claims a membership in one transaction: the grant, its period, the outcome of every job that waited for it. It was proved by
 * a probe, unless the evidence is said to be another.
 */
export async function claim(
  parts: EngineParts,
  {
    active,
    member,
    jobs,
    outcome,
    evidence = 'probe: member',
  }: { active: ActiveGrant; member: Member; jobs: readonly StoredJob[]; outcome: Outcome; evidence?: string },
): Promise<void> {
  const { ledger, time, log, failPoints, onEndSet } = parts;
  const at = time.now();
  const { grantId, pair } = active;
  const kind = outcome === 'updated' ? 'grant.updated' : 'grant.activated';
  const audit: AuditRecord[] = [
    {
      kind,
      at,
      grantId,
      pair,
      facts: {
        outcome,
        standing: active.standing,
        activatedAt: active.activatedAt,
        expiresAt: active.expiresAt,
        intentId: member.intentId,
        evidence,
        ...onServer(parts),
      },
    },
    ...jobs.map(({ jobId }): AuditRecord => ({ kind: 'job.succeeded', at, jobId, grantId, facts: { outcome } })),
  ];
  await ledger.activate(
    { grant: active, period: member.period, intentId: member.intentId, placeholder: member.placeholder },
    {
      at,
      events: [...driftEvents(active, member), ...ownershipEvents(active, outcome)],
      results: jobs.map((job) => succeeded(job, outcome, active)),
      audit,
    },
  );
  parts.overs.settled(grantId);
  onEndSet(active.expiresAt);
  failPoints('grant.claimed');
  const [job] = jobs;
  log.info(
    {
      event: kind,
      grantId,
      ...(job === undefined ? {} : { jobId: job.jobId }),
      ...trace(job),
      outcome,
      standing: active.standing,
      user: pair.user,
      group: pair.group,
      expiresAt: new Date(active.expiresAt).toISOString(),
    },
    outcome === 'updated' ? 'the end of a grant has changed' : 'a probe shows the user in the group',
  );
}

/** A membership that may be ours from before the ledger was lost is reported, and left to an operator. */
function ownershipEvents(active: ActiveGrant, outcome: Outcome): Event[] {
  if (active.standing !== 'unknown' || outcome === 'updated') return [];
  return [{ kind: 'grant.drifted', grant: viewOf(active), observed: 'ownership_unknown', action: 'reported' }];
}

/** Other grants believed in a membership that was not there; writing it again restored it for them too. */
export function driftEvents(active: ActiveGrant, member: Member): Event[] {
  return member.drifted.map((grant) => ({
    kind: 'grant.drifted',
    grant: viewOf(grant.grantId === active.grantId ? active : { ...grant, standing: false }),
    observed: 'absent',
    action: 'restored',
  }));
}

/** The trace context of a job, for its log lines. */
export function trace(job: Pick<StoredJob, 'traceparent'> | undefined): { traceparent?: string } {
  return job?.traceparent == null ? {} : { traceparent: job.traceparent };
}

/** Which job a log line is about. */
export function aboutJob(job: Pick<StoredJob, 'jobId' | 'traceparent'>): { jobId: JobId; traceparent?: string } {
  return { jobId: job.jobId, ...trace(job) };
}
