import { type JobError, jobError } from '../access/outcome.ts';
import { LedgerError, type StoredJob } from '../ledger/ledger.ts';
import type { ReceivedJob } from '../protocol/frames.ts';
import { trace } from './claim-membership.ts';
import type { EngineParts } from './engine-parts.ts';
import { failed } from './views.ts';

/** Stores a job durably; resolves then, with the stored job where it is new and must be decided. */
export type ReceiveJob = (received: ReceivedJob) => Promise<StoredJob | null>;

/** The way in: every job is stored before it is acknowledged. */
export function receiveJob({ ledger, time, log, locks, failPoints }: EngineParts): ReceiveJob {
  /** What is left of the disk may be too little even for refusals: then a job is not received, and comes again. */
  async function keepSpaceForEndings({ job, jobId }: ReceivedJob): Promise<void> {
    if (job.ok && job.value.kind === 'revoke') return;
    if ((await ledger.space()) !== 'endings_only') return;
    throw new LedgerError(
      'no_space',
      `job ${jobId} is not taken: the disk of the state directory is full, and what is left of it is kept for endings; free space on it`,
    );
  }

  async function store({ jobId, hash, job, traceparent }: ReceivedJob): Promise<StoredJob | null> {
    const at = time.now();
    const stored: StoredJob = {
      jobId,
      hash,
      job: job.ok ? job.value : null,
      receivedAt: at,
      traceparent: traceparent ?? null,
      grantId: null,
      attempts: 0,
      result: null,
    };
    if (!job.ok) {
      const error = invalidJob(job.problem);
      await ledger.storeJob(stored, {
        at,
        results: [failed(stored, error, null)],
        audit: [{ kind: 'job.refused', at, jobId, facts: { code: error.code, message: error.message } }],
      });
      log.warn({ event: 'job.failed', jobId, ...trace(stored), code: error.code }, error.message);
      return null;
    }
    const about = 'grantId' in job.value ? { grantId: job.value.grantId } : {};
    await ledger.storeJob(stored, {
      at,
      audit: [{ kind: 'job.accepted', at, jobId, ...about, facts: { hash, job: job.value } }],
    });
    log.info(
      {
        event: 'job.stored',
        jobId,
        ...trace(stored),
        kind: job.value.kind,
        ...('grantId' in job.value ? { grantId: job.value.grantId } : {}),
      },
      'a job was stored',
    );
    return stored;
  }

  /** A known id: the stored result again, or the refusal of other content. Neither has an effect. */
  async function meetAgain({ jobId, hash, job, traceparent }: ReceivedJob, known: StoredJob): Promise<null> {
    const at = time.now();
    const told = { jobId, traceparent: traceparent ?? null };
    if (known.hash !== hash) {
      const error = job.ok
        ? jobError('job_conflict', 'this jobId is known with other content; a new request needs a new id')
        : invalidJob(job.problem);
      await ledger.tell({
        at,
        events: [failed(told, error, null)],
        audit: [{ kind: 'job.refused', at, jobId, facts: { code: error.code, message: error.message, hash } }],
      });
      log.warn({ event: 'job.failed', jobId, ...trace(known), code: error.code }, error.message);
      return null;
    }
    if (known.result !== null) await ledger.tell({ at, events: [{ ...known.result, repeat: true }], audit: [] });
    log.debug({ event: 'job.repeated', jobId, ...trace(known), settled: known.result !== null }, 'a known job came again');
    return null;
  }

  return (received) =>
    locks.run(`job:${received.jobId}`, 'grant', async () => {
      await keepSpaceForEndings(received);
      const known = await ledger.job(received.jobId);
      const stored = known === null ? await store(received) : await meetAgain(received, known);
      failPoints('job.stored');
      return stored;
    });
}

function invalidJob(problem: string): JobError {
  return jobError('invalid_job', `the job cannot be read: ${problem}. PROTOCOL, Jobs, lists the fields of each kind`);
}
