import type { AuditRecord } from '../access/audit.ts';
import { grantDeadline } from '../access/expiry.ts';
import { endGrant, expiryOf, type FailedGrant, type PendingGrant } from '../access/grant.ts';
import type { GrantId } from '../access/ids.ts';
import { formatInstant, type Instant } from '../access/instant.ts';
import type { Intent } from '../access/intent.ts';
import type { GrantJob } from '../access/job.ts';
import { type JobError, jobError } from '../access/outcome.ts';
import { judgeEnd } from '../access/policy.ts';
import { type Pair, pairKey, samePair } from '../access/reference.ts';
import type { GroupEntry, UserEntry } from '../directory/directory.ts';
import type { StoredJob } from '../ledger/ledger.ts';
import { activated, claim, trace } from './claim-membership.ts';
import { goOnLater } from './delays.ts';
import { directoryJobError, unknownMembership } from './directory-errors.ts';
import type { EngineParts } from './engine-parts.ts';
import type { Attempted } from './pursuits.ts';
import { foundApplied, putIn } from './put-in.ts';
import { resolvePair, writableValue } from './resolve-pair.ts';
import { failed, succeeded } from './views.ts';

/** A grant job that waits for its grant, with its content. */
export interface WaitingGrantJob {
  readonly stored: StoredJob;
  readonly job: GrantJob;
}

/** What the attempt knows: the grant, the jobs that share its outcome, and the revokes that cancel it. */
interface Attempt {
  readonly grant: PendingGrant;
  readonly waiting: readonly WaitingGrantJob[];
  readonly revokes: readonly StoredJob[];
  readonly nextDelayMs: number;
}

const DONE: Attempted = { done: true };

/** Splits the jobs attached to a grant by what they ask. */
export function splitJobs(jobs: readonly StoredJob[]): { waiting: readonly WaitingGrantJob[]; revokes: readonly StoredJob[] } {
  const waiting = jobs.flatMap((stored) => (stored.job?.kind === 'grant' ? [{ stored, job: stored.job }] : []));
  return { waiting, revokes: jobs.filter(({ job }) => job?.kind === 'revoke') };
}

/**
 * One attempt to turn a pending grant into a membership. `onEnding` is called where the grant went over to its ending.
 */
export async function attemptGrant(
  parts: EngineParts,
  { grantId, nextDelayMs, onEnding }: { grantId: GrantId; nextDelayMs: number; onEnding: (grantId: GrantId) => void },
): Promise<Attempted> {
  return parts.locks.run(`grant:${grantId}`, 'grant', async () => {
    const { grant } = await parts.ledger.known(grantId);
    if (grant?.state !== 'pending') return DONE;
    const attempt: Attempt = { grant, ...splitJobs(await parts.ledger.attachedJobs(grantId)), nextDelayMs };
    try {
      return await tryGrant(parts, attempt, onEnding);
    } catch (error) {
      return wait(parts, attempt, directoryJobError(error));
    }
  });
}

async function tryGrant(parts: EngineParts, attempt: Attempt, onEnding: (grantId: GrantId) => void): Promise<Attempted> {
  const { grant } = attempt;
  const intent = grant.pair === null ? null : (await parts.ledger.pairState(grant.pair)).intent;
  const own = intent?.grantId === grant.grantId ? intent : null;
  if (own !== null) {
    const settled = await settleOwnIntent(parts, { attempt, intent: own, onEnding });
    if (settled !== null) return settled;
  }
  const over = reasonToStop(attempt, parts.time.now());
  if (over !== null) return fail(parts, attempt, over);

  const resolved = await resolveAll(parts, attempt);
  if (!resolved.ok) return fail(parts, attempt, resolved.error);
  const { user, group, pair, waiting } = resolved;
  const decisive = newest(waiting);
  const judged = {
    ...attempt,
    grant: {
      ...grant,
      pair,
      end: decisive?.job.end ?? grant.end,
      deadline: decisive === undefined ? grant.deadline : deadlineOf(decisive, parts.policy.maxPendingMs),
    },
    waiting,
  };
  if (grant.pair === null) await savePair(parts, judged.grant);
  parts.failPoints('grant.resolved');
  await parts.protectedGroups.resolve(parts.signal);
  const denied = refusal(parts, { user, group });
  if (denied !== null) return fail(parts, judged, denied);
  return parts.locks.run(`pair:${pairKey(pair)}`, 'grant', () => writeGrant(parts, judged, { user, group, pair }));
}

/** A pending grant whose write may have taken effect: found out by reading, before anything else. */
async function settleOwnIntent(
  parts: EngineParts,
  { attempt, intent, onEnding }: { attempt: Attempt; intent: Intent; onEnding: (grantId: GrantId) => void },
): Promise<Attempted | null> {
  const { directory, ledger, signal, lateWrites, failPoints } = parts;
  return parts.locks.run(`pair:${pairKey(intent.pair)}`, 'grant', async () => {
    const group = await directory.locateGroup(intent.pair.group.id, signal);
    if (group === null) return groupMissing(parts, attempt, intent);
    const [presence] = await directory.probe(
      { group: group.dn, attribute: intent.memberAttribute, values: intent.values },
      signal,
    );
    failPoints('recovery.probed');
    parts.onProbed(intent.pair);
    if (presence === 'member') {
      const { period } = await ledger.pairState(intent.pair);
      const member = foundApplied(intent, period);
      const active = activated({
        grant: attempt.grant,
        pair: intent.pair,
        member,
        end: newest(attempt.waiting)?.job.end ?? attempt.grant.end,
      });
      if (attempt.revokes.length === 0) {
        await claim(parts, { active, member, jobs: attempt.waiting.map(({ stored }) => stored), outcome: 'granted' });
        return DONE;
      }
      // Cancelled, yet it was written: it is taken away again by the one path, and only then do the jobs hear of it.
      const at = parts.time.now();
      await ledger.activate(
        { grant: active, period: member.period, intentId: intent.intentId, placeholder: member.placeholder },
        { at, audit: [] },
      );
      await ledger.beginEnding(endGrant(active, 'revoked', at), [], {
        at,
        audit: [{ kind: 'grant.ending', at, grantId: active.grantId, pair: active.pair, facts: { cause: 'revoked' } }],
      });
      lateWrites.settled(active.grantId);
      onEnding(active.grantId);
      return DONE;
    }
    if (presence !== 'absent') return wait(parts, attempt, unknownMembership(group.dn));
    const stopping = reasonToStop(attempt, parts.time.now());
    const remainingMs = lateWrites.remainingMs(attempt.grant.grantId);
    if (stopping !== null && remainingMs > 0) return wait(parts, attempt, lateWrite(stopping), remainingMs);
    // Left open: should it still take effect, what the next probe finds is ours. The next write replaces it.
    return null;
  });
}

async function groupMissing(parts: EngineParts, attempt: Attempt, intent: Intent): Promise<Attempted> {
  const { group, user } = intent.pair;
  parts.onProbed(intent.pair);
  const verdict = await parts.goneProofs.ask({ entry: group, witness: user }, parts.signal);
  const error = jobError('group_not_found', `the group "${group.dn}" (${group.id}) is gone`);
  if (verdict.kind === 'proven') return fail(parts, attempt, error);
  return wait(parts, attempt, error, verdict.kind === 'unproven' ? verdict.againInMs : undefined);
}

/** Why a grant that is not written yet shall not be written any more; null where it may be. */
function reasonToStop({ grant, revokes }: Attempt, now: Instant): JobError | null {
  if (revokes.length > 0)
    return jobError('grant_revoked', 'the grant was revoked before it became a membership; nothing of it is in the directory');
  if (grant.deadline > now) return null;
  return jobError(
    'job_expired',
    `the grant was not written by ${formatInstant(grant.deadline)} (the earliest of notAfter, receipt + LATCHKEY_MAX_PENDING and expiresAt); nothing of it is in the directory. Ask again under a new id`,
  );
}

function lateWrite(error: JobError): JobError {
  return jobError(
    'directory_unavailable',
    `a write whose answer was lost may still take effect; waiting until it cannot. Then: ${error.message}`,
  );
}

function newest(waiting: readonly WaitingGrantJob[]): WaitingGrantJob | undefined {
  return waiting.at(-1);
}

type ResolvedAll =
  | {
      readonly ok: true;
      readonly user: UserEntry;
      readonly group: GroupEntry;
      readonly pair: Pair;
      readonly waiting: readonly WaitingGrantJob[];
    }
  | { readonly ok: false; readonly error: JobError };

/** The first job names the pair; a later one that names another is told so and waits no more. */
async function resolveAll(parts: EngineParts, { grant, waiting }: Attempt): Promise<ResolvedAll> {
  const { directory, signal } = parts;
  const [leader, ...joined] = waiting;
  if (leader === undefined) return { ok: false, error: jobError('internal', 'no job waits for this grant') };
  const first = await resolvePair({ directory, job: leader.job, own: grant.pair }, signal);
  if (!first.ok) return first;
  const agreeing: WaitingGrantJob[] = [leader];
  for (const one of joined) {
    const other = await resolvePair({ directory, job: one.job, own: first.pair }, signal);
    if (other.ok && samePair(other.pair, first.pair)) agreeing.push(one);
    else await dismiss(parts, one, other.ok ? otherPair(first.pair) : other.error, { ...grant, pair: first.pair });
  }
  return { ...first, waiting: agreeing };
}

/** The error of a job that names another user or group than its grant's. */
export function otherPair(pair: Pair): JobError {
  return jobError(
    'grant_conflict',
    `this grantId belongs to user "${pair.user.dn}" and group "${pair.group.dn}"; a grant of another pair needs an id of its own`,
  );
}

async function dismiss(
  { ledger, time }: EngineParts,
  { stored }: WaitingGrantJob,
  error: JobError,
  grant: PendingGrant,
): Promise<void> {
  const at = time.now();
  await ledger.tell({
    at,
    results: [failed(stored, error, grant)],
    audit: [{ kind: 'job.failed', at, jobId: stored.jobId, grantId: grant.grantId, facts: { code: error.code } }],
  });
}

async function savePair({ ledger, time }: EngineParts, grant: PendingGrant): Promise<void> {
  const at = time.now();
  await ledger.savePending(grant, [], {
    at,
    audit: [{ kind: 'grant.pending', at, grantId: grant.grantId, pair: grant.pair, facts: { resolved: true } }],
  });
}

/** Scope and protection, which bind every first write and every extension. */
export function refusal(
  { protectedGroups }: EngineParts,
  { user, group }: { user: UserEntry; group: GroupEntry },
): JobError | null {
  if (!user.inScope)
    return jobError(
      'user_not_found',
      `"${user.dn}" is no longer in LDAP_USERS_SCOPE, and a grant or an extension of one is bound by it`,
    );
  if (!group.inScope)
    return jobError(
      'group_not_found',
      `"${group.dn}" is no longer in LDAP_GROUPS_SCOPE, and a grant or an extension of one is bound by it`,
    );
  if (protectedGroups.protects(group))
    return jobError(
      'group_protected',
      `"${group.dn}" is protected by LATCHKEY_PROTECTED_GROUPS on the connector and is never granted`,
    );
  return null;
}

/** Whether the local policy lets the membership last that long. */
export function endRefusal(
  { policy }: EngineParts,
  { heldSince, expiresAt, at }: { heldSince: Instant; expiresAt: Instant; at: Instant },
): JobError | null {
  if (expiresAt <= at) return jobError('job_expired', `the grant would end at ${formatInstant(expiresAt)}, which is past`);
  const verdict = judgeEnd({ heldSince, expiresAt, maxGrantMs: policy.maxGrantMs });
  if (verdict.allowed) return null;
  return jobError(
    'policy_denied',
    `the membership would last until ${formatInstant(expiresAt)}; LATCHKEY_MAX_GRANT on the connector allows ${formatInstant(verdict.latestEnd)} at the latest, counted from ${formatInstant(heldSince)}`,
  );
}

async function writeGrant(
  parts: EngineParts,
  attempt: Attempt,
  { user, group, pair }: { user: UserEntry; group: GroupEntry; pair: Pair },
): Promise<Attempted> {
  const { grant, waiting } = attempt;
  const writable = writableValue(user, group);
  if (!writable.ok) return fail(parts, attempt, writable.error);
  const state = await parts.ledger.pairState(pair);
  const { intent } = state;
  const unsettled = intent?.kind === 'add' && intent.grantId === grant.grantId ? intent : null;
  if (intent !== null && unsettled === null) {
    return wait(
      parts,
      attempt,
      jobError('directory_unavailable', 'the outcome of another write of the same membership is still unknown'),
    );
  }
  const put = await putIn(parts, {
    grantId: grant.grantId,
    pair,
    attribute: writable.attribute,
    value: writable.value,
    state,
    unsettled,
    judge: ({ at, heldSince }) =>
      reasonToStop(attempt, at) ?? endRefusal(parts, { heldSince, expiresAt: expiryOf(grant.end, at), at }),
  });
  switch (put.kind) {
    case 'member': {
      const active = activated({ grant, pair, member: put, end: grant.end });
      await claim(parts, { active, member: put, jobs: waiting.map(({ stored }) => stored), outcome: put.finding });
      return DONE;
    }
    case 'denied':
      return fail(parts, attempt, put.error);
    case 'retry':
      return wait(parts, attempt, put.error);
    default:
      return put satisfies never;
  }
}

/** The grant never became a membership: every job that waited for it is told, and a revoke that cancelled it has succeeded. */
async function fail(parts: EngineParts, attempt: Attempt, error: JobError): Promise<Attempted> {
  const { ledger, time, log, lateWrites } = parts;
  const { grant, waiting, revokes } = attempt;
  const remainingMs = lateWrites.remainingMs(grant.grantId);
  if (remainingMs > 0) return wait(parts, attempt, lateWrite(error), remainingMs);
  const at = time.now();
  const failedGrant: FailedGrant = { state: 'failed', grantId: grant.grantId, pair: grant.pair, code: error.code, failedAt: at };
  const audit: AuditRecord[] = [
    { kind: 'grant.failed', at, grantId: grant.grantId, pair: grant.pair, facts: { code: error.code, message: error.message } },
    ...waiting.map(
      ({ stored }): AuditRecord => ({
        kind: 'job.failed',
        at,
        jobId: stored.jobId,
        grantId: grant.grantId,
        facts: { code: error.code },
      }),
    ),
    ...revokes.map(
      ({ jobId }): AuditRecord => ({ kind: 'job.succeeded', at, jobId, grantId: grant.grantId, facts: { outcome: 'revoked' } }),
    ),
  ];
  const results = [
    ...waiting.map(({ stored }) => failed(stored, error, failedGrant)),
    ...revokes.map((job) => succeeded(job, 'revoked', failedGrant)),
  ];
  await ledger.failGrant(failedGrant, { at, results, audit });
  lateWrites.settled(grant.grantId);
  const [first] = waiting;
  log.warn(
    {
      event: 'grant.failed',
      grantId: grant.grantId,
      ...(first === undefined ? {} : { jobId: first.stored.jobId }),
      ...trace(first?.stored),
      code: error.code,
      ldap: error.ldap,
    },
    `a grant came to nothing: ${error.message}`,
  );
  return DONE;
}

function wait(
  parts: EngineParts,
  { grant, waiting, revokes, nextDelayMs }: Attempt,
  error: JobError,
  afterMs?: number,
): Promise<Attempted> {
  const jobs = [...waiting.map(({ stored }) => stored), ...revokes];
  return goOnLater(parts, {
    grant,
    jobs,
    error,
    nextDelayMs: boundedDelay(parts, grant, nextDelayMs),
    ...(afterMs === undefined ? boundedAfter(parts, grant, nextDelayMs) : { afterMs }),
  });
}

/** A waiting grant looks up again when its deadline comes, however long the backoff. */
function boundedDelay({ time }: EngineParts, grant: PendingGrant, nextDelayMs: number): number {
  return Math.max(1, Math.min(nextDelayMs, grant.deadline - time.now()));
}

function boundedAfter(parts: EngineParts, grant: PendingGrant, nextDelayMs: number): { afterMs?: number } {
  const delayMs = boundedDelay(parts, grant, nextDelayMs);
  return delayMs < nextDelayMs && grant.deadline > parts.time.now() ? { afterMs: delayMs } : {};
}

/** The deadline of a pending grant: that of the newest job that asked for it. */
export function deadlineOf({ stored, job }: WaitingGrantJob, maxPendingMs: number): Instant {
  return grantDeadline(job, stored.receivedAt, maxPendingMs);
}
