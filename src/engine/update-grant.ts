import type { AuditRecord } from '../access/audit.ts';
import { type ActiveGrant, expiryOf } from '../access/grant.ts';
import type { GrantId, JobId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import type { Intent } from '../access/intent.ts';
import type { Period } from '../access/membership.ts';
import { errorFacts, type JobError, jobError } from '../access/outcome.ts';
import { type Pair, pairKey, samePair } from '../access/reference.ts';
import { type GroupEntry, isPrimaryGroup, type UserEntry } from '../directory/directory.ts';
import { claim, type Member, trace } from './claim-membership.ts';
import { goOnLater } from './delays.ts';
import { directoryJobError } from './directory-errors.ts';
import type { EngineParts } from './engine-parts.ts';
import { deadlineOf, splitJobs, type WaitingGrantJob } from './grant-attempt.ts';
import { type Attempted, DONE } from './pursuits.ts';
import { type PutInRequest, putIn } from './put-in.ts';
import {
  changedMeanwhile,
  clockUntrusted,
  endRefusal,
  otherPair,
  pausedRefusal,
  recovering,
  refusal,
  requesterRefusal,
} from './refusals.ts';
import { entriesNow, resolvePair, writableValue } from './resolve-pair.ts';
import { failed } from './views.ts';
import { asWritten, foundApplied } from './written-period.ts';

interface Attempt {
  readonly grant: ActiveGrant;
  readonly update: WaitingGrantJob;
  /** Older jobs that wait to change the same grant: a newer one that takes effect replaces what they ask. */
  readonly replaced: readonly WaitingGrantJob[];
  readonly nextDelayMs: number;
}

/**
 * One attempt to change the end of an active grant. Shortening is never refused and needs no directory where the pair is
 * named by ids; extending is bound by scope and policy, and restores a membership that has vanished.
 */
export async function attemptUpdate(
  parts: EngineParts,
  { grantId, jobId, nextDelayMs }: { grantId: GrantId; jobId: JobId; nextDelayMs: number },
): Promise<Attempted> {
  return parts.locks.run(`grant:${grantId}`, 'grant', async () => {
    const { grant } = await parts.ledger.known(grantId);
    const { waiting } = splitJobs(await parts.ledger.attachedJobs(grantId));
    const place = waiting.findIndex(({ stored }) => stored.jobId === jobId);
    const update = waiting[place];
    // A grant that is ending tells its waiting jobs itself.
    if (grant?.state !== 'active' || update === undefined) return DONE;
    const replaced = waiting.slice(0, place);
    const attempt: Attempt = { grant, update, replaced, nextDelayMs };
    try {
      return await tryUpdate(parts, attempt);
    } catch (error) {
      return wait(parts, attempt, directoryJobError(error));
    }
  });
}

async function tryUpdate(parts: EngineParts, attempt: Attempt): Promise<Attempted> {
  const { grant, update } = attempt;
  const expiresAt = expiryOf(update.job.end, grant.activatedAt);
  const isExtension = expiresAt > grant.expiresAt;
  const over = expired(parts, attempt);
  if (over !== null) return refuse(parts, attempt, over);
  const needsNoDirectory = [...attempt.replaced, update].every((job) => namesByIds(job, grant.pair));
  if (!isExtension && needsNoDirectory) return shorten(parts, attempt, expiresAt);
  const paused = isExtension ? pausedRefusal(parts) : null;
  if (paused !== null) return refuse(parts, attempt, paused);
  if (isExtension && !parts.time.trusted()) return refuse(parts, attempt, clockUntrusted());
  if (isExtension && !parts.mayWrite(grant.grantId)) return wait(parts, attempt, recovering());

  const resolved = await resolvePair({ directory: parts.directory, job: update.job, own: grant.pair }, parts.signal);
  if (!resolved.ok) return refuse(parts, attempt, resolved.error);
  if (!samePair(resolved.pair, grant.pair)) return refuse(parts, attempt, otherPair(grant.pair));
  const agreed = await withoutOthers(parts, attempt);
  if (!isExtension) return shorten(parts, agreed, expiresAt);
  await parts.protectedGroups.resolve(parts.signal);
  await parts.groupRules.resolve(parts.signal);
  const refusalOf = async (entries: { user: UserEntry; group: GroupEntry }) =>
    (await refusal(parts, entries)) ?? requesterRefusal(parts, { group: entries.group, job: update.job });
  const denied = await refusalOf(resolved);
  if (denied !== null) return refuse(parts, attempt, denied);
  const extended = await parts.locks.run(`pair:${pairKey(grant.pair)}`, 'grant', async () => {
    // The wait for the pair may have been long: names, scope and protection are those of now.
    const now = await entriesNow(parts, resolved);
    if (now === null) return wait(parts, attempt, changedMeanwhile(resolved.pair));
    const refused = await refusalOf(now);
    if (refused !== null) return { refused };
    return extend(parts, agreed, { ...now, expiresAt });
  });
  return 'refused' in extended ? refuse(parts, attempt, extended.refused) : extended;
}

/** Older jobs that name another pair are told so; only those of this pair are replaced. */
async function withoutOthers(parts: EngineParts, attempt: Attempt): Promise<Attempt> {
  const { grant, replaced } = attempt;
  const agreeing: WaitingGrantJob[] = [];
  for (const older of replaced) {
    const named = await resolvePair({ directory: parts.directory, job: older.job, own: grant.pair }, parts.signal);
    if (named.ok && samePair(named.pair, grant.pair)) agreeing.push(older);
    else await refuse(parts, { ...attempt, update: older }, named.ok ? otherPair(grant.pair) : named.error);
  }
  return { ...attempt, replaced: agreeing };
}

/** Proves the membership, or restores it, and claims the new end. The pair is locked. */
async function extend(
  parts: EngineParts,
  attempt: Attempt,
  { user, group, pair, expiresAt }: { user: UserEntry; group: GroupEntry; pair: Pair; expiresAt: Instant },
): Promise<Attempted | { readonly refused: JobError }> {
  const { grant } = attempt;
  const { grantId } = grant;
  const state = await parts.ledger.pairState(grant.pair);
  const named = writableValue({ user, group }, state);
  if (!named.ok) return { refused: named.error };
  const { attribute, value } = named;
  const isPrimary = isPrimaryGroup(user, group);
  const unsettled = ownAddition(state.intent, grant);
  if (state.intent !== null && unsettled === null)
    return wait(
      parts,
      attempt,
      jobError('directory_unavailable', 'the outcome of another write of the same membership is still unknown'),
    );
  const judge: PutInRequest['judge'] = ({ at, heldSince }) =>
    expired(parts, attempt) ?? pausedRefusal(parts) ?? endRefusal(parts, { group, heldSince, expiresAt, at });
  const put = await putIn(parts, {
    grantId,
    pair,
    attribute,
    value,
    state,
    unsettled,
    isPrimary,
    askedAt: attempt.update.stored.receivedAt,
    mayBeLost: false,
    judge,
  });
  switch (put.kind) {
    case 'member':
      return claimUpdated(parts, attempt, { active: { ...grant, pair, standing: put.period.standing, expiresAt }, member: put });
    case 'found': {
      const member = foundApplied(put.intent, state);
      const denied = judge({ at: parts.time.now(), heldSince: member.period.heldSince });
      return denied === null
        ? claimUpdated(parts, attempt, { active: { ...grant, pair, standing: false, expiresAt }, member })
        : { refused: denied };
    }
    case 'denied':
      return { refused: put.error };
    case 'retry':
      return wait(parts, attempt, put.error, put.afterMs);
    default:
      return put satisfies never;
  }
}

async function claimUpdated(
  parts: EngineParts,
  attempt: Attempt,
  updated: { active: ActiveGrant; member: Member; evidence?: string },
): Promise<Attempted> {
  await claim(parts, {
    ...updated,
    jobs: [...attempt.replaced, attempt.update].map(({ stored }) => stored),
    outcome: 'updated',
  });
  parts.failPoints('update.claimed');
  return DONE;
}

/** An earlier write of this grant, to restore it, whose outcome is unknown. */
function ownAddition(intent: Intent | null, { grantId }: ActiveGrant): Intent | null {
  return intent?.kind === 'add' && intent.grantId === grantId ? intent : null;
}

function expired({ time, policy }: EngineParts, { update }: Attempt): JobError | null {
  return deadlineOf(update, policy.maxPendingMs) > time.now()
    ? null
    : jobError(
        'job_expired',
        'the change was not made in time (the earliest of notAfter, receipt + LATCHKEY_MAX_PENDING and expiresAt); the grant stands as before',
      );
}

/** Both references are the recorded ids: nothing needs to be looked up. */
function namesByIds({ job }: WaitingGrantJob, pair: Pair): boolean {
  return job.user.by === 'id' && job.user.id === pair.user.id && job.group.by === 'id' && job.group.id === pair.group.id;
}

async function shorten(parts: EngineParts, attempt: Attempt, expiresAt: Instant): Promise<Attempted> {
  const { grant } = attempt;
  return parts.locks.run(`pair:${pairKey(grant.pair)}`, 'grant', async () => {
    const { period, intent } = await parts.ledger.pairState(grant.pair);
    const own = ownAddition(intent, grant);
    const kept: Period = period ?? {
      pair: grant.pair,
      standing: grant.standing,
      heldSince: grant.activatedAt,
      memberAttribute: 'member',
      values: [grant.pair.user.dn],
      metValues: [],
      seenAbsent: false,
      deleteSent: false,
    };
    // The job of an unsettled restore is settled with this one; the period remembers what it may have written.
    const member: Member = {
      kind: 'member',
      finding: 'covered_by_grant',
      at: grant.activatedAt,
      period: own === null ? kept : asWritten(kept, own),
      intentId: own?.intentId ?? null,
      placeholder: null,
      drifted: [],
    };
    const done = await claimUpdated(parts, attempt, {
      active: { ...grant, standing: member.period.standing, expiresAt },
      member,
      // Nothing was looked at: the end of what was proved before came nearer.
      evidence: 'ledger: the end is not later',
    });
    if (own !== null) parts.onProbed(grant.pair);
    return done;
  });
}

/** The change is refused for good; the grant stands as before. What an unsettled write of it may have done stays ours. */
async function refuse(parts: EngineParts, { grant, update }: Attempt, error: JobError): Promise<Attempted> {
  const { ledger, time, log, locks } = parts;
  const { jobId } = update.stored;
  await locks.run(`pair:${pairKey(grant.pair)}`, 'grant', async () => {
    const at = time.now();
    const { period, intent } = await ledger.pairState(grant.pair);
    const own = ownAddition(intent, grant);
    const results = [failed(update.stored, error, grant)];
    const refused: AuditRecord = {
      kind: 'job.failed',
      at,
      jobId,
      grantId: grant.grantId,
      facts: errorFacts(error),
    };
    if (own === null) return ledger.tell({ at, results, audit: [refused] });
    const closed: AuditRecord = {
      kind: 'intent.closed',
      at,
      grantId: grant.grantId,
      pair: grant.pair,
      facts: { applied: 'unknown', why: error.code },
    };
    await ledger.activate(
      { grant: { ...grant, standing: false }, period: asWritten(period, own), intentId: own.intentId, placeholder: null },
      { at, results, audit: [closed, refused] },
    );
    return parts.onProbed(grant.pair);
  });
  parts.overs.settled(grant.grantId);
  log.warn(
    {
      event: 'job.failed',
      jobId,
      grantId: grant.grantId,
      ...trace(update.stored),
      code: error.code,
      rule: error.rule,
      ldap: error.ldap,
    },
    `the grant stands as before: ${error.message}`,
  );
  return DONE;
}

function wait(
  parts: EngineParts,
  { grant, update, nextDelayMs }: Attempt,
  error: JobError,
  afterMs: number = nextDelayMs,
): Promise<Attempted> {
  const untilDeadline = deadlineOf(update, parts.policy.maxPendingMs) - parts.time.now();
  const soonestMs = untilDeadline > 0 ? Math.min(afterMs, Math.max(1, untilDeadline)) : afterMs;
  const bounded = soonestMs === nextDelayMs ? {} : { afterMs: soonestMs };
  return goOnLater(parts, { grant, jobs: [update.stored], error, nextDelayMs, ...bounded });
}
