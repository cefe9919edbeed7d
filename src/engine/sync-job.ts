import type { SyncJob } from '../access/job.ts';
import { jobError } from '../access/outcome.ts';
import type { StoredJob } from '../ledger/ledger.ts';
import type { LinkConnection } from '../link/link.ts';
import { aboutJob, trace } from './claim-membership.ts';
import type { EngineParts } from './engine-parts.ts';
import type { Attempted, Pursuits } from './pursuits.ts';
import { isSettled } from './questions.ts';
import type { EngineSync, SyncOutcome } from './sync-request.ts';
import { failed, succeeded } from './views.ts';

/** The `sync` jobs that are open. */
export interface SyncJobs {
  /** Runs a sync for the job, and settles it. Without a connection it waits: a stream is not durable. */
  answer(stored: StoredJob, job: SyncJob): void;
  /** Ends the runs; their jobs stay open, and run again at the next start. */
  stop(): void;
}

/**
 * A run takes minutes, and an attempt has one of the places that grants need: so attempts only begin a run, and store what
 * came of it.
 */
export function syncJobs(
  parts: EngineParts,
  {
    sync,
    pursue,
    connection,
    told,
  }: {
    sync: EngineSync | null;
    pursue: Pursuits['pursue'];
    connection: () => LinkConnection | null;
    told: (attempt: Promise<Attempted>) => Promise<Attempted>;
  },
): SyncJobs {
  const stopping = new AbortController();

  function begin(stored: StoredJob, job: SyncJob, lost: LinkConnection | null): void {
    pursue({
      key: `sync:${stored.jobId}`,
      about: aboutJob(stored),
      urgency: 'grant',
      waitsFor: 'link',
      async attempt() {
        const current = connection();
        // The connection on which a run failed is not asked again.
        if (current === null || current === lost) return { done: false };
        void run(stored, job, current);
        return { done: true };
      },
    });
  }

  async function run(stored: StoredJob, job: SyncJob, current: LinkConnection): Promise<void> {
    const outcome = await outcomeOf(stored, job);
    if (stopping.signal.aborted) return;
    if (outcome.kind === 'unlinked') return begin(stored, job, current);
    pursue({
      key: `sync-result:${stored.jobId}`,
      about: aboutJob(stored),
      urgency: 'grant',
      attempt: () => told(settle(parts, stored, outcome)),
    });
  }

  async function outcomeOf(stored: StoredJob, job: SyncJob): Promise<SyncOutcome> {
    if (sync === null) return { kind: 'failed', error: jobError('invalid_job', 'this connector was started without sync') };
    try {
      return await sync.request(
        { mode: job.mode, acceptRemovals: job.acceptRemovals ?? null, notAfter: job.notAfter ?? null },
        stopping.signal,
      );
    } catch (error) {
      if (!stopping.signal.aborted)
        parts.log.error({ event: 'engine.failed', what: 'sync', ...aboutJob(stored), error }, 'a sync failed unexpectedly');
      return {
        kind: 'failed',
        error: jobError('internal', 'the sync failed in a way that nobody expected; the log of the connector says how'),
      };
    }
  }

  return {
    answer: (stored, job) => begin(stored, job, null),
    stop: () => stopping.abort(new Error('the connector is stopping')),
  };
}

async function settle(
  parts: EngineParts,
  stored: StoredJob,
  outcome: Exclude<SyncOutcome, { kind: 'unlinked' }>,
): Promise<Attempted> {
  if (await isSettled(parts, stored)) return { done: true };
  const { ledger, time, log } = parts;
  const at = time.now();
  const { jobId } = stored;
  const result = outcome.kind === 'done' ? succeeded(stored, 'done', null) : failed(stored, outcome.error, null);
  const facts = outcome.kind === 'done' ? { outcome: 'done' } : { code: outcome.error.code, message: outcome.error.message };
  await ledger.tell({ at, results: [result], audit: [{ kind: result.kind, at, jobId, facts }] });
  log.info({ event: result.kind, jobId, ...trace(stored), ...facts }, 'a sync job was settled');
  return { done: true };
}
