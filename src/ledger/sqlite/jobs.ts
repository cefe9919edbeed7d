import { z } from 'zod';
import type { GrantId, JobId } from '../../access/ids.ts';
import { type JobResult, LedgerError, type StoredJob } from '../ledger.ts';
import { grantIdColumn, instantColumn, jobIdColumn, readRow } from './columns.ts';
import type { Database } from './database.ts';
import { jobResultColumn } from './event-column.ts';
import { jobColumn } from './job-column.ts';

const COLUMNS = 'job_id, hash, job, received_at, traceparent, grant_id, attempts, result';

const jobRow = z
  .strictObject({
    job_id: jobIdColumn,
    hash: z.string(),
    job: jobColumn.nullable(),
    received_at: instantColumn,
    traceparent: z.string().nullable(),
    grant_id: grantIdColumn.nullable(),
    attempts: z.int(),
    result: jobResultColumn.nullable(),
  })
  .transform(
    ({ job_id: jobId, received_at: receivedAt, grant_id: grantId, ...others }): StoredJob => ({
      jobId,
      receivedAt,
      grantId,
      ...others,
    }),
  );

/** The job of that id, open or settled. */
export function findJob(database: Database, jobId: JobId): StoredJob | null {
  const row = database.row(`SELECT ${COLUMNS} FROM jobs WHERE job_id = :jobId`, { jobId });
  return row === undefined ? null : readRow(jobRow, row);
}

/** Stores a new job; a known id is a `conflict`. */
export function insertJob(database: Database, job: Omit<StoredJob, 'result' | 'attempts'>): void {
  const stored = database.run(
    `INSERT INTO jobs (job_id, hash, job, received_at, traceparent, grant_id)
     VALUES (:jobId, :hash, :job, :receivedAt, :traceparent, :grantId) ON CONFLICT (job_id) DO NOTHING`,
    {
      jobId: job.jobId,
      hash: job.hash,
      job: job.job === null ? null : JSON.stringify(job.job),
      receivedAt: job.receivedAt,
      traceparent: job.traceparent,
      grantId: job.grantId,
    },
  );
  if (stored === 0) throw new LedgerError('conflict', `job ${job.jobId} is stored already`);
}

/** Counts one more attempt of each job. */
export function countJobAttempts(database: Database, jobIds: readonly JobId[]): void {
  for (const jobId of jobIds) database.run('UPDATE jobs SET attempts = attempts + 1 WHERE job_id = :jobId', { jobId });
}

/** Lets open jobs share the outcome of a grant; one that is unknown or settled is a `conflict`. */
export function attachJobs(database: Database, jobIds: readonly JobId[], grantId: GrantId): void {
  for (const jobId of jobIds) {
    const attached = database.run('UPDATE jobs SET grant_id = :grantId WHERE job_id = :jobId AND result IS NULL', {
      jobId,
      grantId,
    });
    if (attached === 0) throw notOpen(jobId);
  }
}

/** Keeps what a job came to. A job settles once: one that is unknown or settled is a `conflict`. */
export function settleJob(database: Database, result: JobResult): void {
  const settled = database.run('UPDATE jobs SET result = :result WHERE job_id = :jobId AND result IS NULL', {
    jobId: result.jobId,
    result: JSON.stringify(result),
  });
  if (settled === 0) throw notOpen(result.jobId);
}

/** Open jobs attached to a grant, in order of receipt. */
export function readAttachedJobs(database: Database, grantId: GrantId): readonly StoredJob[] {
  return database
    .rows(`SELECT ${COLUMNS} FROM jobs WHERE grant_id = :grantId AND result IS NULL ORDER BY receipt`, { grantId })
    .map((row) => readRow(jobRow, row));
}

/** Every open job, in order of receipt. */
export function readOpenJobs(database: Database): readonly StoredJob[] {
  return database.rows(`SELECT ${COLUMNS} FROM jobs WHERE result IS NULL ORDER BY receipt`).map((row) => readRow(jobRow, row));
}

function notOpen(jobId: JobId): LedgerError {
  return new LedgerError('conflict', `job ${jobId} is unknown or settled already`);
}
