import { mayPredateReplacement } from '../access/expiry.ts';
import { expiryOf, type PendingGrant } from '../access/grant.ts';
import type { GrantId } from '../access/ids.ts';
import { type Instant, instant } from '../access/instant.ts';
import { errorFacts, type JobError, jobError } from '../access/outcome.ts';
import { type Pair, pairKey, samePair } from '../access/reference.ts';
import { DirectoryError, type GroupEntry, isPrimaryGroup, type UserEntry } from '../directory/directory.ts';
import { type Admitted, admitResolved } from './admission.ts';
import { activated, claim, trace } from './claim-membership.ts';
import { directoryJobError } from './directory-errors.ts';
import type { EngineParts } from './engine-parts.ts';
import {
  deadlineOf,
  fail,
  type GrantAttempt,
  newest,
  reasonToStop,
  splitJobs,
  type WaitingGrantJob,
  wait,
} from './grant-attempt.ts';
import { type Attempted, DONE } from './pursuits.ts';
import { putIn, resolvedRecord } from './put-in.ts';
import {
  changedMeanwhile,
  clockUntrusted,
  endRefusal,
  otherEntry,
  otherPair,
  pausedRefusal,
  recovering,
  refusal,
  requesterRefusal,
  rulesChanged,
} from './refusals.ts';
import { entriesNow, resolvePair, writableValue } from './resolve-pair.ts';
import { claimFound, type FoundSteps, settleOwnIntent } from './settle-grant.ts';
import { failed } from './views.ts';

/**
 * What was looked up so long ago, and not waited with since, is what there is before the write: the probe and the intent that
 * come between take as long. A rename in that time is met by the look after the write.
 */
const OF_NOW_MS = 1000;

/** One attempt to turn a pending grant into a membership. */
export async function attemptGrant(
  parts: EngineParts,
  { grantId, nextDelayMs, steps }: { grantId: GrantId; nextDelayMs: number; steps: FoundSteps },
): Promise<Attempted> {
  return parts.locks.run(`grant:${grantId}`, 'grant', async () => {
    const { grant } = await parts.ledger.known(grantId);
    if (grant?.state !== 'pending') return DONE;
    const attempt: GrantAttempt = { grant, ...splitJobs(await parts.ledger.attachedJobs(grantId)), strayed: [], nextDelayMs };
    try {
      return await tryGrant(parts, attempt, steps);
    } catch (error) {
      return wait(parts, attempt, directoryJobError(error));
    }
  });
}

async function tryGrant(parts: EngineParts, begun: GrantAttempt, steps: FoundSteps): Promise<Attempted> {
  const { grant } = begun;
  let attempt = begun;
  const intent = grant.pair === null ? null : (await parts.ledger.pairState(grant.pair)).intent;
  const own = intent?.grantId === grant.grantId ? intent : null;
  if (own !== null) {
    const settled = await settleOwnIntent(parts, { attempt, intent: own, steps });
    if ('done' in settled) return settled;
    attempt = { ...begun, strayed: settled.strayed };
  }
  const over = reasonToStop(attempt, parts.time.now()) ?? pausedRefusal(parts);
  if (over !== null) return fail(parts, attempt, over);
  if (!parts.time.trusted()) return fail(parts, attempt, clockUntrusted());
  if (!parts.mayWrite(grant.grantId)) return wait(parts, attempt, recovering());

  const resolvingSinceMs = parts.clock.monotonicMs();
  const resolved = await resolveAll(parts, attempt);
  if (!resolved.ok) return fail(parts, attempt, resolved.error);
  const { user, group, pair } = resolved;
  if (grant.pair !== null && !samePair(pair, grant.pair)) return fail(parts, attempt, otherEntry(grant.pair, pair));
  await parts.protectedGroups.resolve(parts.signal);
  await parts.groupRules.resolve(parts.signal);
  const { allowed, refused } = byRequester(parts, group, resolved.waiting);
  // Where one may ask for it the grant is made, and the others are told; where none may, all of them share its failure.
  const waiting = allowed.length === 0 ? resolved.waiting : allowed;
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
  const [unasked] = refused;
  const denied = (await refusal(parts, { user, group })) ?? (allowed.length === 0 ? (unasked?.error ?? null) : null);
  if (denied !== null) return fail(parts, { ...judged, waiting: resolved.waiting }, denied);
  for (const { job, error } of refused) await dismiss(parts, job, error, { ...grant, pair });
  const admitted = grant.pair === null ? await admitResolved(parts, { grant: judged.grant, group, pair }) : ADMITTED_BEFORE;
  if (!admitted.ok) return failTripped(parts, judged, admitted);
  const key = `pair:${pairKey(pair)}`;
  const mustWait = parts.locks.isHeld(key);
  // Where it does not wait, the pair is saved with the intent.
  if (mustWait) await savePair(parts, judged.grant);
  parts.failPoints('grant.resolved');
  return parts.locks.run(key, 'grant', () =>
    keepingPair(parts, judged.grant, async () => {
      // The wait for the pair may have been long: names, scope and protection are those of now.
      const isOfNow = !mustWait && parts.clock.monotonicMs() - resolvingSinceMs <= OF_NOW_MS;
      const now = isOfNow ? { user, group, pair } : await entriesNow(parts, { user, group });
      if (now === null) return wait(parts, judged, changedMeanwhile(pair));
      const requesters = byRequester(parts, now.group, waiting);
      const deniedNow =
        (isOfNow ? null : await refusal(parts, now)) ??
        (requesters.allowed.length === 0 ? (requesters.refused[0]?.error ?? null) : null);
      if (deniedNow !== null) return fail(parts, judged, deniedNow);
      // The end is that of the newest, who may not be one that may ask any more: the next attempt tells them apart.
      if (requesters.refused.length > 0) return wait(parts, judged, rulesChanged(now.group));
      const found = { ...judged, grant: { ...judged.grant, pair: now.pair } };
      const unsaved = mustWait || grant.pair !== null || admitted.isSaved ? null : found.grant;
      return writeGrant(parts, found, { ...now, steps, unsaved });
    }),
  );
}

/** A pair that the ledger knows was counted when it was found. */
const ADMITTED_BEFORE = { ok: true, notes: [], isSaved: true } as const;

/** Which of the jobs may ask for the group: each says for itself who asks. */
function byRequester(parts: EngineParts, group: GroupEntry, waiting: readonly WaitingGrantJob[]) {
  const judged = waiting.map((job) => ({ job, error: requesterRefusal(parts, { group, job: job.job }) }));
  return {
    allowed: judged.flatMap(({ job, error }) => (error === null ? [job] : [])),
    refused: judged.flatMap(({ job, error }) => (error === null ? [] : [{ job, error }])),
  };
}

/** A limit that counts has stopped the grant: it fails for good, and the limit is told. */
async function failTripped(
  parts: EngineParts,
  attempt: GrantAttempt,
  { error, trip }: Extract<Admitted, { ok: false }>,
): Promise<Attempted> {
  const attempted = await fail(parts, attempt, error);
  if (attempted.done && trip !== null)
    await parts.policyTrips.tell({ ...trip, grantId: attempt.grant.grantId, ...pairOf(attempt.grant) });
  return attempted;
}

function pairOf({ pair }: PendingGrant): { pair?: Pair } {
  return pair === null ? {} : { pair };
}

/** When the newest of them came. */
function askedAtOf(waiting: readonly WaitingGrantJob[]): Instant {
  return instant(Math.max(...waiting.map(({ stored }) => stored.receivedAt)));
}

/** A reference that was resolved means the same entry at the next attempt, or nobody. */
async function keepingPair(parts: EngineParts, grant: PendingGrant, work: () => Promise<Attempted>): Promise<Attempted> {
  try {
    const attempted = await work();
    if (!attempted.done) await savePair(parts, grant);
    return attempted;
  } catch (error) {
    if (error instanceof DirectoryError) await savePair(parts, grant);
    throw error;
  }
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
async function resolveAll(parts: EngineParts, { grant, waiting }: GrantAttempt): Promise<ResolvedAll> {
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
  { ledger, time, log }: EngineParts,
  { stored }: WaitingGrantJob,
  error: JobError,
  grant: PendingGrant,
): Promise<void> {
  const at = time.now();
  await ledger.tell({
    at,
    results: [failed(stored, error, grant)],
    audit: [
      {
        kind: 'job.failed',
        at,
        jobId: stored.jobId,
        grantId: grant.grantId,
        facts: errorFacts(error),
      },
    ],
  });
  const { jobId } = stored;
  log.warn(
    { event: 'job.failed', jobId, grantId: grant.grantId, ...trace(stored), code: error.code, rule: error.rule },
    error.message,
  );
}

/** Unless the ledger knows the pair already. */
async function savePair(parts: EngineParts, grant: PendingGrant): Promise<void> {
  const { ledger, time } = parts;
  const { grant: known } = await ledger.known(grant.grantId);
  if (known?.state !== 'pending' || known.pair !== null) return;
  const at = time.now();
  await ledger.savePending(grant, [], { at, audit: [resolvedRecord(parts, grant, at)] });
}

async function writeGrant(
  parts: EngineParts,
  attempt: GrantAttempt,
  {
    user,
    group,
    pair,
    steps,
    unsaved,
  }: { user: UserEntry; group: GroupEntry; pair: Pair; steps: FoundSteps; unsaved: PendingGrant | null },
): Promise<Attempted> {
  const { grant, waiting } = attempt;
  const state = await parts.ledger.pairState(pair);
  const writable = writableValue({ user, group }, state);
  if (!writable.ok) return fail(parts, attempt, writable.error);
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
    unsaved,
    pair,
    attribute: writable.attribute,
    value: writable.value,
    state,
    unsettled,
    isPrimary: isPrimaryGroup(user, group),
    askedAt: askedAtOf(waiting),
    mayBeLost: waiting.some(({ job }) => mayPredateReplacement(job.issuedAt, parts.replacedAt())),
    judge: ({ at, heldSince }) =>
      reasonToStop(attempt, at) ??
      pausedRefusal(parts) ??
      endRefusal(parts, { group, heldSince, expiresAt: expiryOf(grant.end, at), at }),
  });
  switch (put.kind) {
    case 'member': {
      const active = activated({ grant, pair, member: put, end: grant.end });
      await claim(parts, { active, member: put, jobs: waiting.map(({ stored }) => stored), outcome: put.finding });
      return DONE;
    }
    case 'found':
      return claimFound(parts, attempt, { intent: put.intent, group, state, steps });
    case 'denied':
      return fail(parts, attempt, put.error);
    case 'retry':
      return wait(parts, attempt, put.error, put.afterMs);
    default:
      return put satisfies never;
  }
}
