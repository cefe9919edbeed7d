import type { EndedMembership, EndingGrant, LiveGrant } from '../access/grant.ts';
import type { Intent } from '../access/intent.ts';
import { type EndingJudgement, isOurs, judgeEnding, type Period } from '../access/membership.ts';
import { type JobError, jobError } from '../access/outcome.ts';
import { type Pair, pairKey } from '../access/reference.ts';
import { isPrimaryGroup } from '../directory/directory.ts';
import type { PairState, PlaceholderChange } from '../ledger/ledger.ts';
import { directoryJobError } from './directory-errors.ts';
import { claimEnded, type EndingAttempt, later } from './ending-claim.ts';
import { absenceOf, deleteWasSent, type Found, look, userMissing, waitForLateWrites } from './ending-look.ts';
import { removeValues } from './ending-removal.ts';
import type { EngineParts } from './engine-parts.ts';
import { type Attempted, DONE } from './pursuits.ts';
import { asWritten } from './written-period.ts';

/** Nothing of ours is there. */
const NOTHING: EndingJudgement = { remove: [], recreated: [] };

/**
 * One attempt to end a membership: the one path on which access is taken away, whoever asks. It is tried for ever; only
 * a negative probe, or another grant that holds the membership, ends it.
 */
export async function attemptEnding(
  parts: EngineParts,
  { grantId, pair, nextDelayMs }: Pick<LiveGrant, 'grantId' | 'pair'> & { nextDelayMs: number },
): Promise<Attempted> {
  const { ledger, locks } = parts;
  return locks.run(`grant:${grantId}`, 'ending', () =>
    locks.run(`pair:${pairKey(pair)}`, 'ending', async () => {
      const ending = await ledger.endingState({ grantId, pair });
      if (ending === null) return DONE;
      const attempt: EndingAttempt = { grant: ending.grant, jobs: ending.jobs, nextDelayMs };
      try {
        return await tryEnding(parts, attempt, ending.pair);
      } catch (error) {
        return later(parts, attempt, directoryJobError(error));
      }
    }),
  );
}

async function tryEnding(parts: EngineParts, attempt: EndingAttempt, state: PairState): Promise<Attempted> {
  const { grant } = attempt;
  const known = state.period ?? periodOf(grant, state.intent);
  // An addition that is not settled was written over an absent membership: what is found now is ours.
  const period = state.intent?.kind === 'add' ? { ...asWritten(known, state.intent), seenAbsent: known.seenAbsent } : known;
  if (state.grants.some((other) => other.grantId !== grant.grantId)) {
    // The intent of this grant is closed with it; the intent of another stays open and speaks for itself.
    const remaining = state.intent?.grantId === grant.grantId ? period : known;
    return claimEnded(parts, attempt, {
      membership: 'kept_by_grant',
      standing: remaining.standing,
      remaining,
      placeholder: null,
    });
  }
  const found = await look(parts, attempt, { state, period });
  if ('done' in found) return found;
  // Whose it is matters only while it is there: a member that is gone needs no owner.
  if (period.standing === 'unknown' && found.values.some(({ presence }) => presence === 'member'))
    return later(parts, attempt, ownershipUnknown(grant));
  return conclude(parts, attempt, { state, period, found });
}

/** An ending always has a period; one that an interrupted write left without is made of the intent. */
function periodOf(grant: EndingGrant, intent: Intent | null): Period {
  return {
    pair: grant.pair,
    standing: grant.standing,
    heldSince: grant.activatedAt,
    memberAttribute: intent?.memberAttribute ?? 'member',
    values: intent?.values ?? [grant.pair.user.dn],
    metValues: [],
    seenAbsent: false,
    deleteSent: intent?.kind === 'remove',
  };
}

function ownershipUnknown(grant: EndingGrant): JobError {
  return jobError(
    'ownership_unknown',
    `whether "${grant.pair.user.dn}" was in "${grant.pair.group.dn}" before us is unknown since the ledger was restored; an operator must adopt the membership or declare it standing (latchkey adopt)`,
  );
}

function broughtBack({ pair }: EndingGrant): JobError {
  return jobError(
    'directory_unavailable',
    `"${pair.user.dn}" had vanished from "${pair.group.dn}" and is there again on the directory server that took over; whether that is what we wrote is being looked at`,
  );
}

async function conclude(
  parts: EngineParts,
  attempt: EndingAttempt,
  { state, period, found }: { state: PairState; period: Period; found: Found },
): Promise<Attempted> {
  const { remove, recreated } = isOurs(period) ? judgeEnding(found.values, period) : NOTHING;
  if (remove.length > 0) return removeValues(parts, attempt, { state, period, found, remove, recreated });

  const late = waitForLateWrites(parts, attempt);
  if (late !== null) return late;

  if (found.user === null) {
    const waiting = await userMissing(parts, attempt, { period, group: found.group });
    if (waiting !== null) return waiting;
  }
  const isThere = found.values.some(({ presence, anothers }) => presence === 'member' && !anothers);
  if (isThere && period.standing === false && parts.doubtedRemovals.has(attempt.grant.pair))
    return later(parts, attempt, broughtBack(attempt.grant));
  const standingMember = isPrimary(found) || (!isOurs(period) && isThere);
  const membership: EndedMembership = standingMember
    ? 'kept_standing'
    : deleteWasSent(period, state.intent)
      ? 'removed'
      : 'already_absent';
  return claimEnded(parts, attempt, {
    membership,
    standing: period.standing,
    remaining: null,
    placeholder: placedByIntent(state.intent, attempt.grant.pair),
    recreated,
    absence: absenceOf(found, period),
  });
}

/** The user is in the group by an attribute of its own, which is nobody's grant. */
function isPrimary({ user, group }: Found): boolean {
  return user !== null && isPrimaryGroup(user, group);
}

/** A removal that was interrupted after its placeholder went in: the placeholder is ours. */
function placedByIntent(intent: Intent | null, pair: Pair): PlaceholderChange | null {
  return intent?.kind === 'remove' && intent.placeholder !== null ? { groupId: pair.group.id, value: intent.placeholder } : null;
}
