import { type ActiveGrant, expiryOf } from '../access/grant.ts';
import type { GrantId, JobId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import type { Period } from '../access/membership.ts';
import { type JobError, jobError } from '../access/outcome.ts';
import { type Pair, pairKey, samePair } from '../access/reference.ts';
import { claim } from './claim-membership.ts';
import { goOnLater } from './delays.ts';
import { directoryJobError, unknownMembership } from './directory-errors.ts';
import type { EngineParts } from './engine-parts.ts';
import { deadlineOf, endRefusal, otherPair, refusal, splitJobs, type WaitingGrantJob } from './grant-membership.ts';
import type { Attempted } from './pursuits.ts';
import { foundApplied, putIn } from './put-in.ts';
import { resolvePair, writableValue } from './resolve-pair.ts';
import { failed } from './views.ts';

interface Attempt {
  readonly grant: ActiveGrant;
  readonly update: WaitingGrantJob;
  readonly nextDelayMs: number;
}

const DONE: Attempted = { done: true };

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
    const update = splitJobs(await parts.ledger.attachedJobs(grantId)).waiting.find(({ stored }) => stored.jobId === jobId);
    // A grant that is ending tells its waiting jobs itself.
    if (grant?.state !== 'active' || update === undefined) return DONE;
    const attempt: Attempt = { grant, update, nextDelayMs };
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
  if (!isExtension && over === null && namesByIds(update, grant.pair)) return shorten(parts, attempt, expiresAt);
  const settled = await settleOwnIntent(parts, attempt);
  if (settled !== null) return settled;
  if (over !== null) return refuse(parts, attempt, over);

  const resolved = await resolvePair({ directory: parts.directory, job: update.job, own: grant.pair }, parts.signal);
  if (!resolved.ok) return refuse(parts, attempt, resolved.error);
  if (!samePair(resolved.pair, grant.pair)) return refuse(parts, attempt, otherPair(grant.pair));
  if (!isExtension) return shorten(parts, attempt, expiresAt);
  if (!parts.time.trusted()) return refuse(parts, attempt, clockUntrusted());
  await parts.protectedGroups.resolve(parts.signal);
  const denied = refusal(parts, resolved);
  if (denied !== null) return refuse(parts, attempt, denied);
  const writable = writableValue(resolved.user, resolved.group);
  if (!writable.ok) return refuse(parts, attempt, writable.error);

  return parts.locks.run(`pair:${pairKey(grant.pair)}`, 'grant', async () => {
    const state = await parts.ledger.pairState(grant.pair);
    const { intent } = state;
    const unsettled = intent?.kind === 'add' && intent.grantId === grant.grantId ? intent : null;
    if (intent !== null && unsettled === null)
      return wait(
        parts,
        attempt,
        jobError('directory_unavailable', 'the outcome of another write of the same membership is still unknown'),
      );
    const put = await putIn(parts, {
      grantId: grant.grantId,
      pair: resolved.pair,
      attribute: writable.attribute,
      value: writable.value,
      state,
      unsettled,
      judge: ({ at, heldSince }) => endRefusal(parts, { heldSince, expiresAt, at }),
    });
    switch (put.kind) {
      case 'member': {
        const active: ActiveGrant = { ...grant, pair: resolved.pair, standing: put.period.standing, expiresAt };
        await claim(parts, { active, member: put, jobs: [update.stored], outcome: 'updated' });
        return DONE;
      }
      case 'denied':
        return refuse(parts, attempt, put.error);
      case 'retry':
        return wait(parts, attempt, put.error);
      default:
        return put satisfies never;
    }
  });
}

/** The error of a new grant or an extension while the clock cannot be believed. */
export function clockUntrusted(): JobError {
  return jobError(
    'clock_untrusted',
    'the trusted time is more than 5 minutes ahead of the wall clock, so no new end can be set; correct the clock of the machine, or accept it with "latchkey clock accept"',
  );
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

/** An earlier attempt of this update may have restored the membership; found out by reading. */
async function settleOwnIntent(parts: EngineParts, attempt: Attempt): Promise<Attempted | null> {
  const { directory, ledger, signal, failPoints, time } = parts;
  const { grant } = attempt;
  return parts.locks.run(`pair:${pairKey(grant.pair)}`, 'grant', async () => {
    const { intent, period } = await ledger.pairState(grant.pair);
    if (intent === null || intent.grantId !== grant.grantId || intent.kind !== 'add') return null;
    const group = await directory.locateGroup(intent.pair.group.id, signal);
    if (group === null)
      return wait(parts, attempt, jobError('group_not_found', `the group "${intent.pair.group.dn}" cannot be found`));
    const [presence] = await directory.probe(
      { group: group.dn, attribute: intent.memberAttribute, values: intent.values },
      signal,
    );
    failPoints('recovery.probed');
    parts.onProbed(intent.pair);
    // Left open: should it still take effect, what the next probe finds is ours. The next write replaces it.
    if (presence === 'absent') return null;
    if (presence !== 'member') return wait(parts, attempt, unknownMembership(group.dn));
    const member = foundApplied(intent, period);
    const at = time.now();
    await ledger.activate(
      { grant: { ...grant, standing: false }, period: member.period, intentId: intent.intentId, placeholder: member.placeholder },
      {
        at,
        audit: [
          {
            kind: 'intent.closed',
            at,
            grantId: grant.grantId,
            pair: grant.pair,
            facts: { applied: true, evidence: 'probe: member' },
          },
        ],
      },
    );
    return null;
  });
}

async function shorten(parts: EngineParts, attempt: Attempt, expiresAt: Instant): Promise<Attempted> {
  const { grant, update } = attempt;
  return parts.locks.run(`pair:${pairKey(grant.pair)}`, 'grant', async () => {
    const { period } = await parts.ledger.pairState(grant.pair);
    const kept: Period = period ?? {
      pair: grant.pair,
      standing: grant.standing,
      heldSince: grant.activatedAt,
      memberAttribute: 'member',
      values: [],
      seenAbsent: false,
      deleteSent: false,
    };
    const active: ActiveGrant = { ...grant, expiresAt };
    await claim(parts, {
      active,
      member: {
        kind: 'member',
        finding: 'covered_by_grant',
        at: grant.activatedAt,
        period: kept,
        intentId: null,
        placeholder: null,
        drifted: [],
      },
      jobs: [update.stored],
      outcome: 'updated',
    });
    return DONE;
  });
}

async function refuse({ ledger, time, log }: EngineParts, { grant, update }: Attempt, error: JobError): Promise<Attempted> {
  const at = time.now();
  const { jobId } = update.stored;
  await ledger.tell({
    at,
    results: [failed(update.stored, error, grant)],
    audit: [{ kind: 'job.failed', at, jobId, grantId: grant.grantId, facts: { code: error.code, message: error.message } }],
  });
  log.warn(
    { event: 'job.failed', jobId, grantId: grant.grantId, code: error.code, ldap: error.ldap },
    `the grant stands as before: ${error.message}`,
  );
  return DONE;
}

function wait(parts: EngineParts, { grant, update, nextDelayMs }: Attempt, error: JobError): Promise<Attempted> {
  const untilDeadline = deadlineOf(update, parts.policy.maxPendingMs) - parts.time.now();
  const bounded = untilDeadline > 0 && untilDeadline < nextDelayMs ? { afterMs: Math.max(1, untilDeadline) } : {};
  return goOnLater(parts, { grant, jobs: [update.stored], error, nextDelayMs, ...bounded });
}
