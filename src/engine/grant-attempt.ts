import type { AuditRecord } from '../access/audit.ts';
import type { Event } from '../access/event.ts';
import { grantDeadline } from '../access/expiry.ts';
import type { FailedGrant, PendingGrant } from '../access/grant.ts';
import { formatInstant, type Instant } from '../access/instant.ts';
import type { GrantJob } from '../access/job.ts';
import { errorFacts, type JobError, jobError } from '../access/outcome.ts';
import type { StoredJob } from '../ledger/ledger.ts';
import { trace } from './claim-membership.ts';
import { goOnLater } from './delays.ts';
import type { EngineParts } from './engine-parts.ts';
import { type Attempted, DONE } from './pursuits.ts';
import { failed, succeeded, viewOf } from './views.ts';

/** A grant job that waits for its grant, with its content. */
export interface WaitingGrantJob {
  readonly stored: StoredJob;
  readonly job: GrantJob;
}

/** What the attempt knows: the grant, the jobs that share its outcome, and the revokes that cancel it. */
export interface GrantAttempt {
  readonly grant: PendingGrant;
  readonly waiting: readonly WaitingGrantJob[];
  readonly revokes: readonly StoredJob[];
  /** Values of an unsettled write that lead to another person by now; they stay, and are reported where nothing else tells of them. */
  readonly strayed: readonly string[];
  readonly nextDelayMs: number;
}

/** Splits the jobs attached to a grant by what they ask. */
export function splitJobs(jobs: readonly StoredJob[]): { waiting: readonly WaitingGrantJob[]; revokes: readonly StoredJob[] } {
  const waiting = jobs.flatMap((stored) => (stored.job?.kind === 'grant' ? [{ stored, job: stored.job }] : []));
  return { waiting, revokes: jobs.filter(({ job }) => job?.kind === 'revoke') };
}

/** A revoke, or a person on the machine, has ended it before it was written. */
export function isCancelled({ grant, revokes }: Pick<GrantAttempt, 'grant' | 'revokes'>): boolean {
  return revokes.length > 0 || grant.cancelledAt !== undefined;
}

/** Why a grant that is not written yet shall not be written any more; null where it may be. */
export function reasonToStop({ grant, revokes }: GrantAttempt, now: Instant): JobError | null {
  if (isCancelled({ grant, revokes }))
    return jobError('grant_revoked', 'the grant was revoked before it became a membership; nothing of it is in the directory');
  if (grant.deadline > now) return null;
  return jobError(
    'job_expired',
    `the grant was not written by ${formatInstant(grant.deadline)} (the earliest of notAfter, receipt + LATCHKEY_MAX_PENDING and expiresAt); nothing of it is in the directory. Ask again under a new id`,
  );
}

function lateWrite(error: JobError): JobError {
  return jobError(
    'directory_unavailable',
    `a write whose answer was lost may still take effect; waiting until it cannot. Then: ${error.message}`,
  );
}

export function newest(waiting: readonly WaitingGrantJob[]): WaitingGrantJob | undefined {
  return waiting.at(-1);
}

/** The grant never became a membership: every job that waited for it is told, and a revoke that cancelled it has succeeded. */
export async function fail(parts: EngineParts, attempt: GrantAttempt, error: JobError): Promise<Attempted> {
  const { ledger, time, log, lateWrites } = parts;
  const { grant, waiting, revokes, strayed } = attempt;
  const remainingMs = grant.pair === null ? 0 : lateWrites.remainingMs(grant.pair);
  // It is looked for as often as anything that does not come, since a server may catch up with it long before.
  if (remainingMs > 0) return wait(parts, attempt, lateWrite(error), Math.min(remainingMs, attempt.nextDelayMs));
  const at = time.now();
  const failedGrant: FailedGrant = { state: 'failed', grantId: grant.grantId, pair: grant.pair, code: error.code, failedAt: at };
  const audit: AuditRecord[] = [
    {
      kind: 'grant.failed',
      at,
      grantId: grant.grantId,
      pair: grant.pair,
      facts: { ...errorFacts(error), ...(strayed.length === 0 ? {} : { recreated: strayed }) },
    },
    ...waiting.map(
      ({ stored }): AuditRecord => ({
        kind: 'job.failed',
        at,
        jobId: stored.jobId,
        grantId: grant.grantId,
        facts: errorFacts(error),
      }),
    ),
    ...revokes.map(
      ({ jobId }): AuditRecord => ({ kind: 'job.succeeded', at, jobId, grantId: grant.grantId, facts: { outcome: 'revoked' } }),
    ),
  ];
  const results = [
    ...waiting.map(({ stored }) => failed(stored, error, failedGrant)),
    ...revokes.map((job) => succeeded(job, 'revoked', failedGrant)),
  ];
  const events: Event[] =
    strayed.length === 0
      ? []
      : [{ kind: 'grant.drifted', grant: viewOf(failedGrant), observed: 'recreated', action: 'reported' }];
  await ledger.failGrant(failedGrant, { at, events, results, audit });
  parts.overs.over(failedGrant);
  parts.failPoints('grant.failed');
  const [first] = waiting;
  log.warn(
    {
      event: 'grant.failed',
      grantId: grant.grantId,
      ...(first === undefined ? {} : { jobId: first.stored.jobId }),
      ...trace(first?.stored),
      code: error.code,
      rule: error.rule,
      ldap: error.ldap,
    },
    `a grant came to nothing: ${error.message}`,
  );
  return DONE;
}

export function wait(
  parts: EngineParts,
  { grant, waiting, revokes, nextDelayMs }: GrantAttempt,
  error: JobError,
  afterMs?: number,
): Promise<Attempted> {
  const jobs = [...waiting.map(({ stored }) => stored), ...revokes];
  return goOnLater(parts, {
    grant,
    jobs,
    error,
    nextDelayMs: boundedDelay(parts, grant, nextDelayMs),
    ...(afterMs === undefined ? boundedAfter(parts, grant, nextDelayMs) : { afterMs }),
  });
}

/** A waiting grant looks up again when its deadline comes, however long the backoff. */
function boundedDelay({ time }: EngineParts, grant: PendingGrant, nextDelayMs: number): number {
  return Math.max(1, Math.min(nextDelayMs, grant.deadline - time.now()));
}

function boundedAfter(parts: EngineParts, grant: PendingGrant, nextDelayMs: number): { afterMs?: number } {
  const delayMs = boundedDelay(parts, grant, nextDelayMs);
  return delayMs < nextDelayMs && grant.deadline > parts.time.now() ? { afterMs: delayMs } : {};
}

/** The deadline of a pending grant: that of the newest job that asked for it. */
export function deadlineOf({ stored, job }: WaitingGrantJob, maxPendingMs: number): Instant {
  return grantDeadline(job, stored.receivedAt, maxPendingMs);
}
