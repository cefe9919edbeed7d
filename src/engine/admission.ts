import { formatDuration } from '../access/duration.ts';
import { expiryOf, type PendingGrant } from '../access/grant.ts';
import { type GroupLimits, judgeRoom } from '../access/group-rules.ts';
import { formatInstant } from '../access/instant.ts';
import type { RequestedEnd } from '../access/job.ts';
import { type JobError, policyError } from '../access/outcome.ts';
import type { PolicyRule } from '../access/policy.ts';
import type { Pair } from '../access/reference.ts';
import type { GroupEntry } from '../directory/directory.ts';
import type { PolicyNote } from '../ledger/ledger.ts';
import type { EngineParts } from './engine-parts.ts';
import type { PolicyTrip } from './policy-trips.ts';
import { resolvedRecord } from './put-in.ts';
import type { Bucket, Taken } from './rates.ts';
import { clockUntrusted, endRefusal, noSpace, pausedRefusal } from './refusals.ts';

/** Whether a limit lets work through: then what the ledger is to remember of it; else what to say, and what is told of the limit. */
export type Admitted =
  | { readonly ok: true; readonly notes: readonly PolicyNote[] }
  | { readonly ok: false; readonly error: JobError; readonly trip: PolicyTrip | null };

/** `asks`: nothing is taken, since nobody wants to have it; a person only asks what would be. */
export type Taking = 'takes' | 'asks';

const MINUTE_MS = 60_000;

/** What is asked of a new grant and of an extension as it is received, in the order of the protocol. */
export async function admitReceived(parts: EngineParts, taking: Taking): Promise<Admitted> {
  const { policy, time, ledger } = parts;
  const paused = pausedRefusal(parts);
  if (paused !== null) return { ok: false, error: paused, trip: null };
  if (!time.trusted()) return { ok: false, error: clockUntrusted(), trip: null };
  if ((await ledger.space()) !== 'ok') return { ok: false, error: noSpace(), trip: null };
  const bucket: Bucket = {
    subject: 'grants',
    rate: { grants: policy.maxGrantsPerMinute, perMs: MINUTE_MS },
    rule: 'LATCHKEY_MAX_GRANTS_PER_MINUTE',
  };
  return takeOf(parts, [bucket], { taking, rule: 'grant_rate' });
}

interface Counted {
  readonly pair: Pair;
  readonly limits: GroupLimits;
}

/**
 * What counts: how many grants of the group are open, and how fast new ones come, of it and of the user. One that is too long is refused
 * before, so that it takes nothing from those that are not; the last word on its end is that of the write.
 */
export async function admitPair(
  parts: EngineParts,
  { pair, limits, group, end }: Counted & { group: GroupEntry; end: RequestedEnd },
  taking: Taking,
): Promise<Admitted> {
  const { maxActiveGrants } = limits;
  const { period } = await parts.ledger.pairState(pair);
  const at = parts.time.now();
  const tooLong = endRefusal(parts, { group, heldSince: period?.heldSince ?? at, expiresAt: expiryOf(end, at), at });
  if (tooLong !== null) return { ok: false, error: tooLong, trip: null };
  const { id: groupId } = pair.group;
  if (maxActiveGrants !== null) {
    const open = await parts.ledger.countOpenGrants({ groupId, limit: maxActiveGrants.value });
    const full = judgeRoom(limits, open);
    if (full !== null)
      return {
        ok: false,
        error: policyError(full, { retryable: true }),
        trip: { rule: 'group_cap', subject: groupId, detail: `"${pair.group.dn}": ${full.message}` },
      };
  }
  const ofGroup = bucketsOf(parts, { pair, limits });
  return takeOf(parts, ofGroup, { taking, rule: 'group_rate' });
}

/**
 * Counts a grant whose pair has just been found, once: it is saved with what was taken, so that it has its place in the group, which
 * no other takes meanwhile, here or after a crash. Nothing is saved where nothing counts.
 */
export async function admitResolved(
  parts: EngineParts,
  { grant, pair, group }: { grant: PendingGrant; pair: Pair; group: GroupEntry },
): Promise<Admitted & { readonly isSaved: boolean }> {
  const { ledger, time, locks, groupRules } = parts;
  const limits = groupRules.limitsOf(group);
  if (limits.maxActiveGrants === null && bucketsOf(parts, { pair, limits }).length === 0)
    return { ok: true, notes: [], isSaved: false };
  return locks.run(`room:${pair.group.id}`, 'grant', async () => {
    const admitted = await admitPair(parts, { pair, limits, group, end: grant.end }, 'takes');
    if (!admitted.ok) return { ...admitted, isSaved: false };
    const at = time.now();
    await ledger.savePending({ ...grant, pair }, [], {
      at,
      notes: admitted.notes,
      audit: [resolvedRecord(parts, { ...grant, pair }, at)],
    });
    return { ...admitted, isSaved: true };
  });
}

function bucketsOf({ groupRules }: EngineParts, { pair: { user, group }, limits }: Counted): readonly Bucket[] {
  const { rate, ratePerUser } = limits;
  const userRate = groupRules.userRate;
  return [
    ...(rate === null ? [] : [{ subject: `group/${group.id}`, rate: rate.value, rule: rate.rule }]),
    ...(ratePerUser === null
      ? []
      : [{ subject: `user/${user.id}/group/${group.id}`, rate: ratePerUser.value, rule: ratePerUser.rule }]),
    ...(userRate === null ? [] : [{ subject: `user/${user.id}`, rate: userRate.value, rule: userRate.rule }]),
  ];
}

function takeOf(
  { rates, time }: EngineParts,
  buckets: readonly Bucket[],
  { taking, rule }: { taking: Taking; rule: Extract<PolicyRule, 'grant_rate' | 'group_rate'> },
): Admitted {
  const at = time.now();
  const taken = taking === 'takes' ? rates.take(buckets, at) : rates.look(buckets, at);
  if (taken.ok) return taken;
  const message = tooFast(taken);
  const { bucket } = taken;
  return {
    ok: false,
    error: policyError({ rule: bucket.rule, message }, { retryable: true }),
    trip: {
      rule: bucket.subject.startsWith('user/') ? 'user_rate' : rule,
      subject: bucket.subject,
      detail: message,
    },
  };
}

function tooFast({ bucket: { rate, rule }, freeAt }: Extract<Taken, { ok: false }>): string {
  return `${rule} on the connector lets through ${rate.grants} new grants within ${formatDuration(rate.perMs)}, and these have come; ask again under new ids from ${formatInstant(freeAt)} on`;
}
