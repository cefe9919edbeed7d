import type { AuditRecord } from '../access/audit.ts';
import { closeGrant, type EndedMembership, type EndingGrant, type Standing } from '../access/grant.ts';
import type { Period } from '../access/membership.ts';
import { type JobError, jobError } from '../access/outcome.ts';
import type { Absence } from '../access/pair-history.ts';
import type { JobResult, PlaceholderChange, StoredJob } from '../ledger/ledger.ts';
import { trace } from './claim-membership.ts';
import { goOnLater } from './delays.ts';
import type { EngineParts } from './engine-parts.ts';
import { onServer } from './evidence.ts';
import { type Attempted, DONE } from './pursuits.ts';
import { failed, REVOKE_OUTCOMES, succeeded, viewOf } from './views.ts';

export interface EndingAttempt {
  readonly grant: EndingGrant;
  readonly jobs: readonly StoredJob[];
  readonly nextDelayMs: number;
}

interface Ended {
  readonly membership: EndedMembership;
  readonly standing: Standing;
  readonly remaining: Period | null;
  readonly placeholder: PlaceholderChange | null;
  readonly recreated?: readonly string[];
  readonly absence?: Absence | null;
}

/** Claims the end in one transaction: the grant, what remains of its period, and the outcome of every job that waited. */
export async function claimEnded(
  parts: EngineParts,
  { grant, jobs }: EndingAttempt,
  { membership, standing, remaining, placeholder, recreated = [], absence = null }: Ended,
): Promise<Attempted> {
  const { ledger, time, log, failPoints } = parts;
  const at = time.now();
  const ended = closeGrant(grant, { membership, standing, endedAt: at });
  const results = jobs.map(
    (job): JobResult =>
      job.job?.kind === 'revoke' ? succeeded(job, REVOKE_OUTCOMES[membership], ended) : failed(job, overtaken(grant), ended),
  );
  const audit: AuditRecord[] = [
    {
      kind: 'grant.ended',
      at,
      grantId: grant.grantId,
      pair: grant.pair,
      facts: {
        cause: grant.cause,
        membership,
        standing,
        recreated,
        ...(membership === 'kept_by_grant' ? { evidence: 'ledger: another grant' } : { evidence: 'probe', ...onServer(parts) }),
      },
    },
    ...results.map(
      (result): AuditRecord => ({
        kind: result.kind,
        at,
        jobId: result.jobId,
        grantId: grant.grantId,
        facts:
          result.kind === 'job.succeeded'
            ? { outcome: result.outcome }
            : { code: result.error.code, message: result.error.message },
      }),
    ),
  ];
  const view = viewOf(ended);
  const drifted =
    recreated.length === 0 ? [] : [{ kind: 'grant.drifted', grant: view, observed: 'recreated', action: 'reported' } as const];
  // A grant ends once (PROTOCOL): what a failover undid and is done again was told.
  const told =
    grant.endedBefore === undefined ? [{ kind: 'grant.ended', grant: view, cause: grant.cause, membership } as const] : [];
  await ledger.end(
    { grant: ended, period: remaining, placeholder, absence },
    { at, events: [...drifted, ...told], results, audit },
  );
  // Its intent is closed with it, so nothing of the pair is left to be looked at.
  parts.onProbed(grant.pair);
  parts.overs.over(ended);
  failPoints('end.claimed');
  const [job] = jobs;
  log.info(
    {
      event: 'grant.ended',
      grantId: grant.grantId,
      ...(job === undefined ? {} : { jobId: job.jobId }),
      ...trace(job),
      cause: grant.cause,
      membership,
      user: grant.pair.user,
      group: grant.pair.group,
      latenessMs: at - grant.since,
    },
    ENDED[membership],
  );
  return DONE;
}

/** What the log says of an ended grant. */
const ENDED: Readonly<Record<EndedMembership, string>> = {
  removed: 'a probe shows that the user has left the group',
  kept_standing: 'a grant ended; the user was in the group before, and stays in it',
  kept_by_grant: 'a grant ended; another grant holds the membership still',
  already_absent: 'a grant ended; nothing was left to take away',
};

/** A grant job that was still waiting when its grant ended. */
function overtaken(grant: EndingGrant): JobError {
  return grant.cause === 'revoked' || grant.cause === 'operator'
    ? jobError('grant_revoked', 'the grant was revoked before this job took effect')
    : jobError('grant_conflict', `the grant ended (${grant.cause}) before this job took effect; a new grant needs a new id`);
}

/** How long an ending waits while there is no directory, whose return begins all of them anew: told once a minute, not oftener. */
const WITHOUT_DIRECTORY_MS = 60_000;

export function later(
  parts: EngineParts,
  { grant, jobs, nextDelayMs }: EndingAttempt,
  error: JobError,
  afterMs?: number,
): Promise<Attempted> {
  const waitMs = afterMs ?? (parts.directory.status().state === 'down' ? withoutDirectoryMs(parts) : undefined);
  return goOnLater(parts, { grant, jobs, error, nextDelayMs, ...(waitMs === undefined ? {} : { afterMs: waitMs }) });
}

/** Spread, so that thousands do not come back in one moment. */
function withoutDirectoryMs({ random }: EngineParts): number {
  return Math.round(WITHOUT_DIRECTORY_MS * (0.5 + random() / 2));
}
