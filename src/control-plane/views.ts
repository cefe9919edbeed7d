import type { WireGrant } from '../protocol/event-frame.ts';
import type { Book, KnownConnector, StoredEvent, StoredJob } from './book.ts';

export type JobState = 'queued' | 'received' | 'delayed' | 'succeeded' | 'failed' | 'refused';

/** How a job stands. Its first final result decides; a later one under the same id answers a repetition or a conflict. */
export function jobState(book: Book, job: StoredJob): { state: JobState; outcome?: string; error?: unknown } {
  const results = resultsOf(book, job);
  for (const { event } of results) {
    if (event.kind === 'job.succeeded') return { state: 'succeeded', outcome: event.outcome };
    if (event.kind === 'job.failed') return { state: 'failed', error: event.error };
  }
  const last = results.at(-1)?.event;
  if (last?.kind === 'job.delayed') return { state: 'delayed', error: last.error };
  if (job.refused !== null) return { state: 'refused', error: job.refused };
  return { state: job.receivedAt === null ? 'queued' : 'received' };
}

/** The events about a job, oldest first. */
export function resultsOf(book: Book, { job }: StoredJob): readonly StoredEvent[] {
  return typeof job['jobId'] === 'string' ? book.eventsOfJob(job['jobId']) : [];
}

export function jobView(book: Book, job: StoredJob) {
  const { connectorId, createdAt, receivedAt } = job;
  const results = resultsOf(book, job).map(({ event }) => event);
  return { jobId: job.job['jobId'], connectorId, job: job.job, createdAt, receivedAt, ...jobState(book, job), results };
}

/** What is known of a grant: its jobs, the last the connector said of it, and how it ended. */
export function grantView(book: Book, grantId: string) {
  const jobs = book.jobsByGrant(grantId);
  const asked = jobs.find(({ job }) => job['kind'] === 'grant') ?? jobs[0];
  return {
    grantId,
    connectorId: asked?.connectorId,
    request: asked?.job,
    jobs: jobs.map((job) => ({ jobId: job.job['jobId'], kind: job.job['kind'], ...jobState(book, job) })),
    grant: lastGrant(book, grantId),
    ended: ending(book, grantId),
  };
}

function lastGrant(book: Book, grantId: string): WireGrant | null {
  const last = book.eventsOfGrant(grantId).at(-1)?.event;
  return last !== undefined && 'grant' in last ? (last.grant ?? null) : null;
}

function ending(book: Book, grantId: string) {
  for (const { event, at } of book.eventsOfGrant(grantId)) {
    if (event.kind === 'grant.ended') return { cause: event.cause, membership: event.membership, at };
  }
  return null;
}

export function connectorView(book: Book, known: KnownConnector, connected: boolean) {
  const { connectorId, name, ledgerId, hello, connectedAt, lastSeenAt } = known;
  return { connectorId, name, connected, ledgerId, hello, connectedAt, lastSeenAt, ackedSeq: book.ackedSeq(ledgerId) ?? null };
}
