import type { AuditRecord } from '../access/audit.ts';
import { isOutdated } from '../access/expiry.ts';
import {
  type ActiveGrant,
  endGrant,
  expiryOf,
  type FailedGrant,
  type Grant,
  isLive,
  type Known,
  type LiveGrant,
  meetGrantJob,
  meetRevokeJob,
  type PendingGrant,
} from '../access/grant.ts';
import { formatInstant, type Instant } from '../access/instant.ts';
import type { CheckJob, GrantJob, ListJob, RevokeJob, SyncJob } from '../access/job.ts';
import { errorFacts, type JobError, jobError } from '../access/outcome.ts';
import type { JobResult, PolicyNote, StoredJob } from '../ledger/ledger.ts';
import { admitReceived } from './admission.ts';
import { trace } from './claim-membership.ts';
import type { EngineParts } from './engine-parts.ts';
import { deadlineOf } from './grant-attempt.ts';
import { type ReceiveJob, receiveJob } from './receive-job.ts';
import { failed, succeeded } from './views.ts';

/** What a decision asks to be done next. */
export interface NextSteps {
  pursueGrant(grant: PendingGrant): void;
  pursueEnding(grant: LiveGrant): void;
  pursueUpdate(grantId: ActiveGrant['grantId'], job: StoredJob): void;
  answerCheck(job: StoredJob): void;
  answerList(job: StoredJob, query: ListJob): void;
  answerSync(job: StoredJob, request: SyncJob): void;
}

export interface Intake {
  readonly receive: ReceiveJob;
  /** Decides a stored, open job against what the ledger knows. Repeating it, as a restart does, changes nothing. */
  decide(stored: StoredJob): Promise<void>;
}

/** The way in: every job is stored before it is acknowledged, and decided under the lock of its grant, in order of receipt. */
export function intake(parts: EngineParts, next: NextSteps): Intake {
  const { ledger, time, log, locks, failPoints } = parts;

  async function decide(stored: StoredJob): Promise<void> {
    const { job } = stored;
    if (job === null) return;
    switch (job.kind) {
      case 'grant':
      case 'revoke':
        // Both before waiting attempts, and among themselves in order of receipt.
        return locks.run(`grant:${job.grantId}`, 'ending', async () => {
          const current = await ledger.job(stored.jobId);
          if (current === null || current.result !== null) return;
          const known = await ledger.known(job.grantId);
          await (job.kind === 'grant' ? decideGrant(current, job, known) : decideRevoke(current, job, known));
        });
      case 'check':
      case 'list':
      case 'sync':
        return decideQuestion(stored, job);
      default:
        return job satisfies never;
    }
  }

  async function decideQuestion(stored: StoredJob, job: CheckJob | ListJob | SyncJob): Promise<void> {
    const now = time.now();
    if (isOutdated(job.issuedAt, now, parts.policy.retentionMs) || (job.notAfter !== undefined && job.notAfter <= now)) {
      await settle(
        stored,
        failed(
          stored,
          jobError('job_expired', 'the job was issued too long ago, or its notAfter has passed; ask again under a new id'),
          null,
        ),
      );
    } else if (job.kind === 'check') next.answerCheck(stored);
    else if (job.kind === 'list') next.answerList(stored, job);
    else next.answerSync(stored, job);
  }

  async function decideGrant(stored: StoredJob, job: GrantJob, known: Known): Promise<void> {
    const at = time.now();
    const deadline = deadlineOf({ stored, job }, parts.policy.maxPendingMs);
    const meets = meetGrantJob(known);
    if (isOutdated(job.issuedAt, at, parts.policy.retentionMs))
      return refuseGrant(
        stored,
        job,
        known,
        jobError('job_expired', 'the job was issued longer ago than LATCHKEY_RETENTION; ask again under new ids'),
      );
    // A job that already waits for its grant is judged by the attempt, which knows whether anything was written.
    if (stored.grantId === null && deadline <= at)
      return refuseGrant(
        stored,
        job,
        known,
        jobError(
          'job_expired',
          `the job could be begun until ${formatInstant(deadline)}, which has passed; ask again under a new id`,
        ),
      );
    switch (meets) {
      case 'grant_revoked':
        return refuseGrant(stored, job, known, jobError('grant_revoked', 'this grantId was revoked; a new grant needs a new id'));
      case 'grant_conflict':
        return refuseGrant(
          stored,
          job,
          known,
          jobError('grant_conflict', `this grantId is ${known.grant?.state ?? 'unknown'}; a new grant needs a new id`),
        );
      case 'update':
        // One that is attached was accepted before, and one that shortens is never refused.
        if (stored.grantId !== null || !isExtension(job, known.grant)) return attachUpdate(stored, job, []);
        return admitted(stored, job, known, ({ notes }) => attachUpdate(stored, job, notes));
      case 'new':
      case 'join':
        return admitted(stored, job, known, ({ notes }) => savePending(stored, { job, known, deadline, notes }));
      default:
        return meets satisfies never;
    }
  }

  /** What binds every grant and extension that is received; a limit that stopped one is told after that. */
  async function admitted(
    stored: StoredJob,
    job: GrantJob,
    known: Known,
    goOn: (received: { readonly notes: readonly PolicyNote[] }) => Promise<void>,
  ): Promise<void> {
    const received = await admitReceived(parts, 'takes');
    if (received.ok) return goOn(received);
    await refuseGrant(stored, job, known, received.error);
    if (received.trip !== null) await parts.policyTrips.tell({ ...received.trip, jobId: stored.jobId, grantId: job.grantId });
  }

  async function savePending(
    stored: StoredJob,
    { job, known, deadline, notes }: { job: GrantJob; known: Known; deadline: Instant; notes: readonly PolicyNote[] },
  ): Promise<void> {
    const at = time.now();
    const earlier = known.grant?.state === 'pending' ? known.grant : null;
    const grant: PendingGrant = {
      state: 'pending',
      grantId: job.grantId,
      pair: earlier?.pair ?? null,
      end: job.end,
      // Whether this job is of the same pair is not known yet: one that is not must not cut short the others' time.
      deadline: earlier !== null && earlier.deadline > deadline ? earlier.deadline : deadline,
    };
    const audit: AuditRecord = {
      kind: 'grant.pending',
      at,
      jobId: stored.jobId,
      grantId: job.grantId,
      facts: { end: job.end, deadline, requestedBy: job.requestedBy, justification: job.justification },
    };
    await ledger.savePending(grant, [stored.jobId], { at, notes, audit: [audit] });
    failPoints('grant.pending-stored');
    return next.pursueGrant(grant);
  }

  async function attachUpdate(stored: StoredJob, job: GrantJob, notes: readonly PolicyNote[]): Promise<void> {
    const at = time.now();
    if (stored.grantId === null) await ledger.attach(stored.jobId, job.grantId, { at, notes, audit: [] });
    failPoints('update.stored');
    next.pursueUpdate(job.grantId, stored);
  }

  /** A first grant that is refused leaves a failed grant behind, so that its id is never used again. */
  async function refuseGrant(stored: StoredJob, job: GrantJob, known: Known, error: JobError): Promise<void> {
    const at = time.now();
    const audit: AuditRecord[] = [
      { kind: 'job.failed', at, jobId: stored.jobId, grantId: job.grantId, facts: errorFacts(error) },
    ];
    if (known.grant === null && !known.revokedBefore) {
      const grant: FailedGrant = { state: 'failed', grantId: job.grantId, pair: null, code: error.code, failedAt: at };
      await ledger.failGrant(grant, { at, results: [failed(stored, error, grant)], audit });
    } else await ledger.tell({ at, results: [failed(stored, error, known.grant)], audit });
    failPoints('job.refusal-stored');
    log.warn(
      { event: 'job.failed', jobId: stored.jobId, grantId: job.grantId, ...trace(stored), code: error.code, rule: error.rule },
      error.message,
    );
  }

  async function decideRevoke(stored: StoredJob, job: RevokeJob, known: Known): Promise<void> {
    const at = time.now();
    const meets = meetRevokeJob(known);
    const audit: AuditRecord[] = [
      {
        kind: 'grant.ending',
        at,
        jobId: stored.jobId,
        grantId: job.grantId,
        pair: known.grant?.pair ?? null,
        facts: { cause: 'revoked', meets, reason: job.reason },
      },
    ];
    switch (meets) {
      case 'remember':
        await ledger.rememberRevoke(job.grantId, {
          at,
          results: [succeeded(stored, 'already_absent', null)],
          audit: [{ kind: 'revoke.remembered', at, jobId: stored.jobId, grantId: job.grantId, facts: {} }],
        });
        failPoints('revoke.remembered');
        return log.info(
          { event: 'revoke.remembered', jobId: stored.jobId, grantId: job.grantId, ...trace(stored) },
          'a revoke came before its grant and is remembered',
        );
      case 'already_ended':
        return settle(stored, succeeded(stored, 'already_ended', known.grant));
      case 'cancel':
        await ledger.attach(stored.jobId, job.grantId, { at, audit });
        failPoints('revoke.attached');
        return pursueKnown(known.grant);
      case 'end':
        await beginEnding(stored, known.grant, audit);
        return pursueKnown(known.grant);
      case 'join':
        await ledger.attach(stored.jobId, job.grantId, { at, audit });
        return pursueKnown(known.grant);
      default:
        return meets satisfies never;
    }
  }

  async function beginEnding(stored: StoredJob, grant: Grant | null, audit: readonly AuditRecord[]): Promise<void> {
    if (grant?.state !== 'active') return;
    const at = time.now();
    await ledger.beginEnding(endGrant(grant, 'revoked', at), [stored.jobId], { at, audit });
    failPoints('end.stored');
  }

  function pursueKnown(grant: Grant | null): void {
    if (grant?.state === 'pending') next.pursueGrant(grant);
    else if (grant !== null && isLive(grant)) next.pursueEnding(grant);
  }

  async function settle(stored: StoredJob, result: JobResult): Promise<void> {
    const at = time.now();
    const facts = result.kind === 'job.succeeded' ? { outcome: result.outcome } : { code: result.error.code };
    await ledger.tell({ at, results: [result], audit: [{ kind: result.kind, at, jobId: stored.jobId, facts }] });
    log.info({ event: result.kind, jobId: stored.jobId, ...trace(stored), ...facts }, 'a job was settled');
  }

  return { receive: receiveJob(parts), decide };
}

function isExtension({ end }: GrantJob, grant: Grant | null): boolean {
  return grant?.state === 'active' && expiryOf(end, grant.activatedAt) > grant.expiresAt;
}
