import { randomUUID } from 'node:crypto';
import { parseJob } from '../protocol/job-frame.ts';
import type { Book, StoredJob } from './book.ts';

/** A request that cannot be served; the message goes to the client. */
export class RequestProblem extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

type Body = Readonly<Record<string, unknown>>;

const GRANT_FIELDS = new Set([
  'connectorId',
  'grantId',
  'jobId',
  'user',
  'group',
  'durationSeconds',
  'expiresAt',
  'notAfter',
  'justification',
  'requestedBy',
  'traceparent',
]);

/** Makes a grant job of the body of POST /grants. Throws a RequestProblem that names what was found and expected. */
export function grantJob(book: Book, body: Body, at: string): StoredJob {
  expectOnly(body, GRANT_FIELDS);
  const { connectorId, ...fields } = body;
  const job = { jobId: randomUUID(), kind: 'grant', issuedAt: at, grantId: randomUUID(), ...fields };
  const read = parseJob(job);
  if (!read.ok) throw new RequestProblem(400, read.problem);
  expectNew(book, job.jobId);
  const before = book.jobsByGrant(job.grantId)[0];
  if (before !== undefined && connectorId !== undefined && connectorId !== before.connectorId) {
    throw new RequestProblem(
      409,
      `grant ${job.grantId} belongs to connector ${before.connectorId}, not to ${shown(connectorId)}`,
    );
  }
  return stored(before?.connectorId ?? chooseConnector(book, connectorId), job, at);
}

const SYNC_FIELDS = new Set(['connectorId', 'jobId', 'mode', 'acceptRemovals', 'notAfter', 'traceparent']);

/** Makes a sync job of the body of POST /syncs. Throws a RequestProblem that names what was found and expected. */
export function syncJob(book: Book, body: Body, at: string): StoredJob {
  expectOnly(body, SYNC_FIELDS);
  const { connectorId, ...fields } = body;
  const job = { jobId: randomUUID(), kind: 'sync', issuedAt: at, ...fields };
  const read = parseJob(job);
  if (!read.ok) throw new RequestProblem(400, read.problem);
  expectNew(book, job.jobId);
  return stored(chooseConnector(book, connectorId), job, at);
}

/** Makes a revoke job for a grant that was asked for. */
export function revokeJob(book: Book, grantId: string, reason: string | null, at: string): StoredJob {
  const first = book.jobsByGrant(grantId)[0];
  if (first === undefined) throw new RequestProblem(404, `there is no grant ${grantId}; GET /grants lists them`);
  const job = { jobId: randomUUID(), kind: 'revoke', issuedAt: at, grantId, ...(reason === null ? {} : { reason }) };
  const read = parseJob(job);
  if (!read.ok) throw new RequestProblem(400, read.problem);
  return stored(first.connectorId, job, at);
}

/** Takes the body of POST /jobs as it is: for tests, so it may be wrong in every way. */
export function rawJob(book: Book, body: Body, at: string): StoredJob {
  const { connectorId, job } = body;
  if (typeof job !== 'object' || job === null || Array.isArray(job)) {
    throw new RequestProblem(400, `job: found ${shown(job)}; expected an object`);
  }
  return stored(chooseConnector(book, connectorId), { jobId: randomUUID(), issuedAt: at, ...job }, at);
}

function expectOnly(body: Body, fields: ReadonlySet<string>): void {
  const unknown = Object.keys(body).filter((name) => !fields.has(name));
  if (unknown.length > 0) throw new RequestProblem(400, `found ${unknown.join(', ')}; expected only ${[...fields].join(', ')}`);
}

function expectNew(book: Book, jobId: string): void {
  if (book.jobsById(jobId).length > 0)
    throw new RequestProblem(409, `job ${jobId} exists already; POST /jobs sends it all the same`);
}

function stored(connectorId: string, job: Record<string, unknown>, at: string): StoredJob {
  return { connectorId, job, createdAt: at, receivedAt: null, refused: null };
}

/** The connector that was named, known yet or not; or the only one known. */
function chooseConnector(book: Book, named: unknown): string {
  if (typeof named === 'string' && named !== '') return named;
  if (named !== undefined) throw new RequestProblem(400, `connectorId: found ${shown(named)}; expected a string`);
  const known = book.connectors().map(({ connectorId }) => connectorId);
  const only = known[0];
  if (only === undefined) throw new RequestProblem(409, 'no connector has connected yet: name one in connectorId');
  if (known.length > 1)
    throw new RequestProblem(409, `there are several connectors (${known.join(', ')}): name one in connectorId`);
  return only;
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 100);
}
