import type { Grant } from '../access/grant.ts';
import type { GrantId, JobId } from '../access/ids.ts';
import type { ListJob } from '../access/job.ts';
import { bounded } from '../access/outcome.ts';
import type { JobResult, Ledger, StoredJob } from '../ledger/ledger.ts';
import type { LinkConnection } from '../link/link.ts';
import { grantToWire, type WireGrant } from '../protocol/event-frame.ts';
import { MAX_GRANTS_PER_PAGE } from '../protocol/limits.ts';
import { trace } from './claim-membership.ts';
import type { EngineParts } from './engine-parts.ts';
import type { Attempted } from './pursuits.ts';
import { succeeded, viewOf } from './views.ts';

/** Longest detail of a check step in a report, in characters. */
const MAX_DETAIL = 4096;

/**
 * Runs the preflight checks and reports them to every `check` job that waits; a failed step is part of the report, not of the job. Once
 * for all of them: each run has sessions of its own, and a thousand at a time would leave the directory no time for endings.
 */
export async function answerChecks(parts: EngineParts, waiting: Map<JobId, StoredJob>): Promise<Attempted> {
  const asked = [...waiting.values()];
  for (const { jobId } of asked) if (await isSettled(parts, { jobId })) waiting.delete(jobId);
  if (!asked.some(({ jobId }) => waiting.has(jobId))) return { done: true };
  const steps = [...(await parts.directory.check(parts.signal)), ...(await parts.localChecks())];
  const bound = steps.map((step) => ({ ...step, detail: bounded(step.detail, MAX_DETAIL) }));
  const report = { ok: bound.every(({ status }) => status !== 'fail'), steps: bound };
  for (const stored of asked) {
    if (!waiting.has(stored.jobId)) continue;
    await settle(parts, stored, { ...succeeded(stored, 'done', null), report } as JobResult, { ok: report.ok });
    waiting.delete(stored.jobId);
  }
  return { done: true };
}

/**
 * Sends every grant that has not ended (and those ended since) in pages on the connection of now, then settles the job.
 * Without a connection it waits: pages are not durable.
 */
export async function answerList(
  parts: EngineParts,
  { stored, query, connection }: { stored: StoredJob; query: ListJob; connection: LinkConnection | null },
): Promise<Attempted> {
  if (await isSettled(parts, stored)) return { done: true };
  if (connection === null) return { done: false };
  let count = 0;
  let page = 0;
  for await (const { grants, last } of pages(parts.ledger, query)) {
    page += 1;
    count += grants.length;
    if (!connection.send({ type: 'grants.page', jobId: stored.jobId, page, last, grants })) return { done: false };
    await connection.flushed();
  }
  await settle(parts, stored, { ...succeeded(stored, 'done', null), count } as JobResult, { count });
  return { done: true };
}

/** Largest page, in bytes of its grants: long names must not make a frame that is refused. */
const MAX_PAGE_BYTES = 524_288;

/** The grants in pages that are bounded by number and by size; at least one page, the last one marked. */
async function* pages(ledger: Ledger, query: ListJob): AsyncGenerator<{ grants: WireGrant[]; last: boolean }> {
  let after: GrantId | null = null;
  let page: WireGrant[] = [];
  let bytes = 0;
  // Bounded by the grants in the ledger: each reading begins after the last id of the one before.
  for (;;) {
    const read: readonly Grant[] = await ledger.listGrants({
      endedSince: query.endedSince ?? null,
      after,
      limit: MAX_GRANTS_PER_PAGE,
    });
    for (const grant of read) {
      const wire = grantToWire(viewOf(grant));
      const size = Buffer.byteLength(JSON.stringify(wire));
      if (page.length === MAX_GRANTS_PER_PAGE || (page.length > 0 && bytes + size > MAX_PAGE_BYTES)) {
        yield { grants: page, last: false };
        page = [];
        bytes = 0;
      }
      page.push(wire);
      bytes += size;
    }
    after = read.at(-1)?.grantId ?? null;
    if (read.length < MAX_GRANTS_PER_PAGE) break;
  }
  yield { grants: page, last: true };
}

/** A question that was asked for twice, by its job and by a start, is answered once. */
export async function isSettled({ ledger }: EngineParts, { jobId }: Pick<StoredJob, 'jobId'>): Promise<boolean> {
  return (await ledger.job(jobId))?.result !== null;
}

async function settle(
  { ledger, time, log }: EngineParts,
  stored: StoredJob,
  result: JobResult,
  facts: Readonly<Record<string, unknown>>,
): Promise<void> {
  const at = time.now();
  await ledger.tell({
    at,
    results: [result],
    audit: [{ kind: 'job.succeeded', at, jobId: stored.jobId, facts: { outcome: 'done', ...facts } }],
  });
  log.info(
    { event: 'job.succeeded', jobId: stored.jobId, ...trace(stored), outcome: 'done', ...facts },
    'a question was answered',
  );
}
