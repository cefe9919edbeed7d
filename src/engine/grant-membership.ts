import type { AuditRecord } from '../access/audit.ts';
import { grantDeadline, mayPredateReplacement } from '../access/expiry.ts';
import { endGrant, expiryOf, type FailedGrant, type PendingGrant } from '../access/grant.ts';
import type { GrantId, JobId } from '../access/ids.ts';
import { formatInstant, type Instant } from '../access/instant.ts';
import type { Intent } from '../access/intent.ts';
import type { GrantJob } from '../access/job.ts';
import { memberValueOf } from '../access/membership.ts';
import { type JobError, jobError } from '../access/outcome.ts';
import { type Pair, pairKey, samePair } from '../access/reference.ts';
import type { GroupEntry, UserEntry } from '../directory/directory.ts';
import type { PairState, StoredJob } from '../ledger/ledger.ts';
import { activated, claim, driftEvents, type Member, trace } from './claim-membership.ts';
import { goOnLater } from './delays.ts';
import { directoryJobError, unknownMembership } from './directory-errors.ts';
import type { EngineParts } from './engine-parts.ts';
import type { Attempted } from './pursuits.ts';
import { foundApplied, putIn } from './put-in.ts';
import { changedMeanwhile, clockUntrusted, endRefusal, otherEntry, otherPair, recovering, refusal } from './refusals.ts';
import { entriesNow, resolvePair, writableValue } from './resolve-pair.ts';
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

/** What a grant that was found written after all leaves to be done. */
export interface FoundSteps {
  /** It was cancelled meanwhile: it goes over to its ending. */
  onEnding(grantId: GrantId): void;
  /** A job joined the grant after the write was begun: it changes an active grant now. */
  onUpdate(grantId: GrantId, jobId: JobId): void;
}

/** One attempt to turn a pending grant into a membership. */
export async function attemptGrant(
  parts: EngineParts,
  { grantId, nextDelayMs, steps }: { grantId: GrantId; nextDelayMs: number; steps: FoundSteps },
): Promise<Attempted> {
  return parts.locks.run(`grant:${grantId}`, 'grant', async () => {
    const { grant } = await parts.ledger.known(grantId);
    if (grant?.state !== 'pending') return DONE;
    const attempt: Attempt = { grant, ...splitJobs(await parts.ledger.attachedJobs(grantId)), nextDelayMs };
    try {
      return await tryGrant(parts, attempt, steps);
    } catch (error) {
      return wait(parts, attempt, directoryJobError(error));
    }
  });
}

async function tryGrant(parts: EngineParts, attempt: Attempt, steps: FoundSteps): Promise<Attempted> {
  const { grant } = attempt;
  const intent = grant.pair === null ? null : (await parts.ledger.pairState(grant.pair)).intent;
  const own = intent?.grantId === grant.grantId ? intent : null;
  if (own !== null) {
    const settled = await settleOwnIntent(parts, { attempt, intent: own, steps });
    if (settled !== null) return settled;
  }
  const over = reasonToStop(attempt, parts.time.now());
  if (over !== null) return fail(parts, attempt, over);
  if (!parts.time.trusted()) return fail(parts, attempt, clockUntrusted());
  if (!parts.mayWrite(grant.grantId)) return wait(parts, attempt, recovering());

  const resolved = await resolveAll(parts, attempt);
  if (!resolved.ok) return fail(parts, attempt, resolved.error);
  const { user, group, pair, waiting } = resolved;
  if (grant.pair !== null && !samePair(pair, grant.pair)) return fail(parts, attempt, otherEntry(grant.pair, pair));
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
  return parts.locks.run(`pair:${pairKey(pair)}`, 'grant', async () => {
    // The wait for the pair may have been long: names, scope and protection are those of now.
    const now = await entriesNow(parts, { user, group });
    if (now === null) return wait(parts, judged, changedMeanwhile(pair));
    const deniedNow = refusal(parts, now);
    if (deniedNow !== null) return fail(parts, judged, deniedNow);
    return writeGrant(parts, { ...judged, grant: { ...judged.grant, pair: now.pair } }, { ...now, steps });
  });
}

/** A pending grant whose write may have taken effect: found out by reading, before anything else. */
async function settleOwnIntent(
  parts: EngineParts,
  { attempt, intent, steps }: { attempt: Attempt; intent: Intent; steps: FoundSteps },
): Promise<Attempted | null> {
  const { directory, ledger, signal, failPoints } = parts;
  return parts.locks.run(`pair:${pairKey(intent.pair)}`, 'grant', async () => {
    const group = await directory.locateGroup(intent.pair.group.id, signal);
    if (group === null) return groupMissing(parts, attempt, intent);
    const user = await directory.locateUser(intent.pair.user.id, signal);
    // The value may have followed the user to another name since.
    const named = user === null ? null : memberValueOf(intent.memberAttribute, user);
    const values = [...new Set([...(named?.kind === 'value' ? [named.value] : []), ...intent.values])];
    const presences = await directory.probe({ group: group.dn, attribute: intent.memberAttribute, values }, signal);
    failPoints('recovery.probed');
    parts.onProbed(intent.pair);
    if (presences.includes('member')) {
      return claimFound(parts, attempt, { intent, state: await ledger.pairState(intent.pair), steps });
    }
    if (presences.some((presence) => presence !== 'absent')) return wait(parts, attempt, unknownMembership(group.dn));
    // Left open: should it still take effect, what the next probe finds is ours. The next write replaces it.
    return user === null ? userMissing(parts, attempt, intent) : null;
  });
}

/** A user that cannot be found may be a member by a name that we do not know: only proof that it is gone rules that out. */
async function userMissing(parts: EngineParts, attempt: Attempt, intent: Intent): Promise<Attempted | null> {
  const { group, user } = intent.pair;
  const verdict = await parts.goneProofs.ask({ entry: user, witness: group }, parts.signal);
  if (verdict.kind === 'proven') return null;
  const error = jobError(
    'user_not_found',
    `looked for the user "${user.dn}" (${user.id}) under the whole base and did not find it; that it is gone needs a second look on another session`,
  );
  return wait(parts, attempt, error, verdict.kind === 'unproven' ? verdict.againInMs : undefined);
}

/** The write took effect after all. The pair is locked. */
async function claimFound(
  parts: EngineParts,
  attempt: Attempt,
  { intent, state, steps }: { intent: Intent; state: PairState; steps: FoundSteps },
): Promise<Attempted> {
  const { ledger } = parts;
  const { grant, waiting, revokes } = attempt;
  const { grantId } = grant;
  const member = foundApplied(intent, state);
  const first = writtenFor(parts, waiting, member);
  const active = activated({ grant, pair: intent.pair, member, end: first?.job.end ?? grant.end });
  if (revokes.length === 0) {
    await claim(parts, { active, member, jobs: first === undefined ? [] : [first.stored], outcome: 'granted' });
    // Nobody has judged the ends and the references of those that joined since.
    for (const { stored } of waiting) if (stored.jobId !== first?.stored.jobId) steps.onUpdate(grantId, stored.jobId);
    return DONE;
  }
  // Cancelled, yet it was written: it is taken away again by the one path, and only then do the jobs hear of it.
  const at = parts.time.now();
  await ledger.activate(
    { grant: active, period: member.period, intentId: intent.intentId, placeholder: member.placeholder },
    {
      at,
      events: driftEvents(active, member),
      audit: [
        {
          kind: 'grant.activated',
          at,
          grantId,
          pair: active.pair,
          facts: { intentId: intent.intentId, evidence: 'probe: member', cancelled: true },
        },
      ],
    },
  );
  await ledger.beginEnding(endGrant(active, 'revoked', at), [], {
    at,
    audit: [{ kind: 'grant.ending', at, grantId, pair: active.pair, facts: { cause: 'revoked' } }],
  });
  steps.onEnding(grantId);
  return DONE;
}

/** The job whose end the write is claimed with: the first that the policy allows. One was judged before the write. */
function writtenFor(
  parts: EngineParts,
  waiting: readonly WaitingGrantJob[],
  { at, period }: Member,
): WaitingGrantJob | undefined {
  const isAllowed = ({ job }: WaitingGrantJob): boolean =>
    endRefusal(parts, { heldSince: period.heldSince, expiresAt: expiryOf(job.end, at), at }) === null;
  return waiting.find(isAllowed) ?? waiting[0];
}

async function groupMissing(parts: EngineParts, attempt: Attempt, intent: Intent): Promise<Attempted> {
  const { group, user } = intent.pair;
  parts.onProbed(intent.pair);
  const verdict = await parts.goneProofs.ask({ entry: group, witness: user }, parts.signal);
  const error = jobError('group_not_found', `the group "${group.dn}" (${group.id}) is gone`);
  if (verdict.kind === 'proven') return fail(parts, attempt, reasonToStop(attempt, parts.time.now()) ?? error);
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

async function writeGrant(
  parts: EngineParts,
  attempt: Attempt,
  { user, group, pair, steps }: { user: UserEntry; group: GroupEntry; pair: Pair; steps: FoundSteps },
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
    mayBeLost: waiting.some(({ job }) => mayPredateReplacement(job.issuedAt, parts.replacedAt())),
    judge: ({ at, heldSince }) =>
      reasonToStop(attempt, at) ?? endRefusal(parts, { heldSince, expiresAt: expiryOf(grant.end, at), at }),
  });
  switch (put.kind) {
    case 'member': {
      const active = activated({ grant, pair, member: put, end: grant.end });
      await claim(parts, { active, member: put, jobs: waiting.map(({ stored }) => stored), outcome: put.finding });
      return DONE;
    }
    case 'found':
      return claimFound(parts, attempt, { intent: put.intent, state, steps });
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
  const remainingMs = grant.pair === null ? 0 : lateWrites.remainingMs(grant.pair);
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
