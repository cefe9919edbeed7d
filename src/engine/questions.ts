import type { GrantId } from '../access/ids.ts';
import type { ListJob } from '../access/job.ts';
import type { JobResult, StoredJob } from '../ledger/ledger.ts';
import type { LinkConnection } from '../link/link.ts';
import { grantToWire } from '../protocol/event-frame.ts';
import { MAX_GRANTS_PER_PAGE } from '../protocol/limits.ts';
import { trace } from './claim-membership.ts';
import type { EngineParts } from './engine-parts.ts';
import type { Attempted } from './pursuits.ts';
import { succeeded, viewOf } from './views.ts';

/** Runs the preflight checks for a `check` job and reports them; a failed step is part of the report, not of the job. */
export async function answerCheck(parts: EngineParts, stored: StoredJob): Promise<Attempted> {
  const steps = await parts.directory.check(parts.signal);
  const report = { ok: steps.every(({ status }) => status !== 'fail'), steps };
  await settle(parts, stored, { ...succeeded(stored, 'done', null), report } as JobResult, { ok: report.ok });
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
  if (connection === null) return { done: false };
  const { ledger } = parts;
  let after: GrantId | null = null;
  let count = 0;
  // Bounded by the grants in the ledger: each page begins after the last id of the one before.
  for (let page = 1; ; page += 1) {
    const grants = await ledger.listGrants({ endedSince: query.endedSince ?? null, after, limit: MAX_GRANTS_PER_PAGE });
    const last = grants.length < MAX_GRANTS_PER_PAGE;
    if (
      !connection.send({
        type: 'grants.page',
        jobId: stored.jobId,
        page,
        last,
        grants: grants.map((grant) => grantToWire(viewOf(grant))),
      })
    )
      return { done: false };
    await connection.flushed();
    count += grants.length;
    after = grants.at(-1)?.grantId ?? null;
    if (last) break;
  }
  await settle(parts, stored, { ...succeeded(stored, 'done', null), count } as JobResult, { count });
  return { done: true };
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
