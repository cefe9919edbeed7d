import type { Event } from '../access/event.ts';
import type { JobId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import type { JobKind, Metrics } from '../observability/metrics.ts';
import type { Consequence, Ledger, StoredJob } from './ledger.ts';

/**
 * The same ledger, of which is counted what it was told once that is durable: nothing that was not written down is counted, and
 * nothing twice that is told again.
 */
export function observedLedger(ledger: Ledger, metrics: Metrics): Ledger {
  const jobs = openJobs(metrics);

  /** Counted as waiting until it is durable, and with what follows from it then. */
  async function written<T>(consequence: Consequence, work: () => Promise<T>): Promise<T> {
    const isOver = metrics.waits('ledger');
    try {
      const value = await work();
      for (const event of consequence.events ?? []) told(event, metrics);
      jobs.settled(consequence);
      return value;
    } finally {
      isOver();
    }
  }

  return {
    ...ledger,
    renew: (consequence) => written(consequence, () => ledger.renew(consequence)),
    storeJob: (job, consequence) =>
      written(consequence, async () => {
        await ledger.storeJob(job, consequence);
        jobs.received(job);
      }),
    tell: (consequence) => written(consequence, () => ledger.tell(consequence)),
    rememberRevoke: (grantId, consequence) => written(consequence, () => ledger.rememberRevoke(grantId, consequence)),
    savePending: (grant, attach, consequence) => written(consequence, () => ledger.savePending(grant, attach, consequence)),
    failGrant: (grant, consequence) => written(consequence, () => ledger.failGrant(grant, consequence)),
    attach: (jobId, grantId, consequence) => written(consequence, () => ledger.attach(jobId, grantId, consequence)),
    openIntent: (intent, change, consequence) => written(consequence, () => ledger.openIntent(intent, change, consequence)),
    closeIntent: (intentId, consequence) => written(consequence, () => ledger.closeIntent(intentId, consequence)),
    savePeriod: (period, consequence) => written(consequence, () => ledger.savePeriod(period, consequence)),
    activate: (change, consequence) => written(consequence, () => ledger.activate(change, consequence)),
    beginEnding: (grant, attach, consequence) => written(consequence, () => ledger.beginEnding(grant, attach, consequence)),
    beginEndings: async (endings) => {
      const isOver = metrics.waits('ledger');
      const begun = new Set(await ledger.beginEndings(endings).finally(isOver));
      for (const { grant, consequence } of endings)
        if (begun.has(grant.grantId)) for (const event of consequence.events ?? []) told(event, metrics);
      return [...begun];
    },
    end: (change, consequence) => written(consequence, () => ledger.end(change, consequence)),
    endAgain: (change, consequence) => written(consequence, () => ledger.endAgain(change, consequence)),
    async unfinished() {
      const unfinished = await ledger.unfinished();
      for (const job of unfinished.jobs) jobs.known(job);
      return unfinished;
    },
  };
}

/** Remembers of each open job when it was received: bounded by what is open. */
function openJobs(metrics: Metrics) {
  const open = new Map<JobId, { readonly kind: JobKind; readonly receivedAt: Instant }>();
  const known = ({ jobId, job, receivedAt }: Pick<StoredJob, 'jobId' | 'job' | 'receivedAt'>): void => {
    open.set(jobId, { kind: job?.kind ?? 'unreadable', receivedAt });
  };
  return {
    known,
    received(job: Pick<StoredJob, 'jobId' | 'job' | 'receivedAt'>): void {
      known(job);
      metrics.jobReceived(job.job?.kind ?? 'unreadable');
    },
    settled({ at, results = [] }: Consequence): void {
      for (const result of results) {
        const job = open.get(result.jobId);
        open.delete(result.jobId);
        metrics.jobSettled({
          kind: job?.kind ?? 'unreadable',
          result: result.kind === 'job.succeeded' ? result.outcome : result.error.code,
          latencyMs: job === undefined ? null : at - job.receivedAt,
        });
      }
    },
  };
}

function told(event: Event, metrics: Metrics): void {
  switch (event.kind) {
    case 'grant.ended': {
      const { cause, membership, grant } = event;
      const { expiresAt, endedAt } = grant;
      const isTimed = cause === 'expired' && expiresAt !== null && endedAt !== undefined;
      return metrics.grantEnded({ cause, membership, latenessMs: isTimed ? endedAt - expiresAt : null });
    }
    case 'grant.drifted':
      return metrics.grantDrifted({ observed: event.observed, action: event.action });
    case 'sync.completed':
      return metrics.syncEnded({ mode: event.mode, result: 'completed', durationMs: event.durationMs });
    case 'sync.failed':
      return metrics.syncEnded({
        mode: event.mode,
        result: event.heldSyncId === undefined ? 'failed' : 'held',
        durationMs: null,
      });
    case 'policy.tripped':
      return metrics.policyTripped(event.rule);
    // Results are counted as they are stored; what is told without that is one again, or of other content under a known id.
    case 'job.failed':
    case 'job.succeeded':
    case 'job.delayed':
    case 'grant.overdue':
    case 'directory.changed':
    case 'ledger.replaced':
    case 'audit.checkpoint':
      return;
    default:
      return event satisfies never;
  }
}
