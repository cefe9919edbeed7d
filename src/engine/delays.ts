import type { AuditRecord } from '../access/audit.ts';
import type { Event } from '../access/event.ts';
import type { Grant } from '../access/grant.ts';
import { later } from '../access/instant.ts';
import type { JobError } from '../access/outcome.ts';
import type { StoredJob } from '../ledger/ledger.ts';
import { trace } from './claim-membership.ts';
import type { EngineParts } from './engine-parts.ts';
import type { Attempted } from './pursuits.ts';
import { delayed, viewOf } from './views.ts';

/** Tells that something goes on later: `job.delayed` for each waiting job, and `grant.overdue` for an ending. */
export async function goOnLater(
  { ledger, time, log, overs }: EngineParts,
  {
    grant,
    jobs,
    error,
    afterMs,
    nextDelayMs,
  }: { grant: Grant; jobs: readonly StoredJob[]; error: JobError; afterMs?: number; nextDelayMs: number },
): Promise<Attempted> {
  const at = time.now();
  overs.troubled(grant.grantId, error);
  const nextAttemptAt = later(at, afterMs ?? nextDelayMs);
  const events: Event[] = jobs.map((job) => delayed(job, { attempts: job.attempts + 1, nextAttemptAt, error }, grant));
  if (grant.state === 'ending') events.push({ kind: 'grant.overdue', grant: viewOf(grant), since: grant.since, error });
  const audit: AuditRecord[] = [];
  if (jobs.length > 0) await ledger.countAttempts(jobs.map(({ jobId }) => jobId));
  await ledger.tell({ at, events, audit });
  const fields = {
    grantId: grant.grantId,
    ...(jobs[0] === undefined ? {} : { jobId: jobs[0].jobId }),
    ...trace(jobs[0]),
    code: error.code,
    ldap: error.ldap,
    nextAttemptAt: new Date(nextAttemptAt).toISOString(),
  };
  if (grant.state === 'ending')
    log.error(
      { event: 'grant.overdue', ...fields, since: new Date(grant.since).toISOString() },
      `an ending that is due cannot be done yet: ${error.message}`,
    );
  else log.warn({ event: 'job.delayed', ...fields }, `the grant waits: ${error.message}`);
  return afterMs === undefined ? { done: false } : { done: false, afterMs };
}
