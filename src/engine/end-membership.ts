import type { AuditRecord } from '../access/audit.ts';
import { closeGrant, type EndedMembership, type EndingGrant, type Standing } from '../access/grant.ts';
import type { GrantId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import type { Intent, NewIntent } from '../access/intent.ts';
import {
  type EndingJudgement,
  type EndingValue,
  isOurs,
  judgeEnding,
  type MemberAttribute,
  memberValueOf,
  type Period,
} from '../access/membership.ts';
import { type JobError, jobError } from '../access/outcome.ts';
import { type Pair, pairKey } from '../access/reference.ts';
import { type ChangeAnswer, DirectoryError, type GroupEntry, type UserEntry } from '../directory/directory.ts';
import type { JobResult, PairState, PlaceholderChange, StoredJob } from '../ledger/ledger.ts';
import { trace } from './claim-membership.ts';
import { goOnLater } from './delays.ts';
import { directoryJobError, unknownMembership } from './directory-errors.ts';
import type { EngineParts } from './engine-parts.ts';
import type { Attempted } from './pursuits.ts';
import { asWritten, notApplied, sameValue, shownAnswer } from './put-in.ts';
import { failed, REVOKE_OUTCOMES, succeeded, viewOf } from './views.ts';

interface Attempt {
  readonly grant: EndingGrant;
  readonly jobs: readonly StoredJob[];
  readonly nextDelayMs: number;
}

/** What was found about the pair in the directory, before anything is deleted. */
interface Found {
  readonly group: GroupEntry;
  readonly user: UserEntry | null;
  readonly values: readonly EndingValue[];
}

const DONE: Attempted = { done: true };

/** Nothing of ours is there. */
const NOTHING: EndingJudgement = { remove: [], recreated: [] };

/** The user's name changed while we looked, and what was seen of the old one proves nothing: looked at again at once. */
const RENAMED: Attempted = { done: false, afterMs: 0 };

/**
 * One attempt to end a membership: the one path on which access is taken away, whoever asks. It is tried for ever; only
 * a negative probe, or another grant that holds the membership, ends it.
 */
export async function attemptEnding(
  parts: EngineParts,
  { grantId, nextDelayMs }: { grantId: GrantId; nextDelayMs: number },
): Promise<Attempted> {
  return parts.locks.run(`grant:${grantId}`, 'ending', async () => {
    const { grant } = await parts.ledger.known(grantId);
    if (grant?.state !== 'ending') return DONE;
    return parts.locks.run(`pair:${pairKey(grant.pair)}`, 'ending', async () => {
      const attempt: Attempt = { grant, jobs: await parts.ledger.attachedJobs(grantId), nextDelayMs };
      try {
        return await tryEnding(parts, attempt);
      } catch (error) {
        return later(parts, attempt, directoryJobError(error));
      }
    });
  });
}

async function tryEnding(parts: EngineParts, attempt: Attempt): Promise<Attempted> {
  const { grant } = attempt;
  const state = await parts.ledger.pairState(grant.pair);
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

/** Finds group and user by their ids, wherever they are now, and probes every value that may be ours. */
async function look(
  parts: EngineParts,
  attempt: Attempt,
  { state, period }: { state: PairState; period: Period },
): Promise<Found | Attempted> {
  const { directory, signal, failPoints } = parts;
  const { pair } = attempt.grant;
  const group = await directory.locateGroup(pair.group.id, signal);
  const user = await directory.locateUser(pair.user.id, signal);
  if (group === null) return groupMissing(parts, attempt, { state, period, user });

  const attribute = period.memberAttribute;
  const current = nameNow(user, attribute);
  const recorded = [...period.values, ...period.metValues].filter(
    (value) => current === null || !sameValue(attribute, value, current),
  );
  // What follows its user goes from a recorded value to the current one, so this order misses it in neither.
  const earlier = recorded.length === 0 ? [] : await directory.probe({ group: group.dn, attribute, values: recorded }, signal);
  const now = current === null ? [] : await directory.probe({ group: group.dn, attribute, values: [current] }, signal);
  failPoints('end.probed-before');
  parts.onProbed(pair);
  if (nameNow(await directory.locateUser(pair.user.id, signal), attribute) !== current) return RENAMED;

  const candidates = [
    ...recorded.map((value) => ({ value, origin: 'recorded' }) as const),
    ...(current === null ? [] : [{ value: current, origin: 'current' } as const]),
  ];
  const presences = [...earlier, ...now];
  const values: EndingValue[] = [];
  for (const [i, { value, origin }] of candidates.entries()) {
    const presence = presences[i];
    if (presence !== 'member' && presence !== 'absent') return later(parts, attempt, unknownMembership(group.dn));
    const occupant = origin === 'recorded' && presence === 'member' ? await directory.occupant(attribute, value, signal) : null;
    values.push({
      value,
      origin,
      written: period.values.some((one) => sameValue(attribute, one, value)),
      presence,
      occupied: occupant !== null && occupant !== pair.user.id,
    });
  }
  return { group, user, values };
}

/** The value by which the user would be a member now; null where there is no user, or none that this attribute can hold. */
function nameNow(user: UserEntry | null, attribute: MemberAttribute): string | null {
  const named = user === null ? null : memberValueOf(attribute, user);
  return named?.kind === 'value' ? named.value : null;
}

/** A group that cannot be found is gone only with proof; then nobody is in it. */
async function groupMissing(
  parts: EngineParts,
  attempt: Attempt,
  { state, period, user }: { state: PairState; period: Period; user: UserEntry | null },
): Promise<Attempted> {
  const { pair } = attempt.grant;
  parts.onProbed(pair);
  const verdict = await parts.goneProofs.ask({ entry: pair.group, witness: user ?? pair.user }, parts.signal);
  if (verdict.kind === 'proven') {
    const membership = deleteWasSent(period, state.intent) ? 'removed' : 'already_absent';
    return claimEnded(parts, attempt, { membership, standing: period.standing, remaining: null, placeholder: null });
  }
  const error = jobError(
    'group_not_found',
    `looked for the group "${pair.group.dn}" (${pair.group.id}) under the whole base and did not find it; that it is gone needs a second look on another session`,
  );
  return later(parts, attempt, error, verdict.kind === 'unproven' ? verdict.againInMs : undefined);
}

function deleteWasSent(period: Period, intent: Intent | null): boolean {
  return period.deleteSent || intent?.kind === 'remove';
}

async function conclude(
  parts: EngineParts,
  attempt: Attempt,
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
  const standingMember = !isOurs(period) && found.values.some(({ presence }) => presence === 'member');
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
  });
}

/** Absence proves nothing while an addition of ours may still take effect. */
function waitForLateWrites(parts: EngineParts, attempt: Attempt): Promise<Attempted> | null {
  const { pair } = attempt.grant;
  const remainingMs = parts.lateWrites.remainingMs(pair);
  if (remainingMs === 0) return null;
  const error = jobError(
    'directory_unavailable',
    `"${pair.user.dn}" is not in "${pair.group.dn}" now, but an addition whose answer was lost may still take effect; waiting until it cannot`,
  );
  return later(parts, attempt, error, remainingMs);
}

/** A user that cannot be found may be where we cannot look, and still a member by a name that we do not know. */
async function userMissing(
  parts: EngineParts,
  attempt: Attempt,
  { period, group }: { period: Period; group: GroupEntry },
): Promise<Attempted | null> {
  const { ledger, time } = parts;
  const { user } = attempt.grant.pair;
  const verdict = await parts.goneProofs.ask({ entry: user, witness: { id: group.id, dn: group.dn } }, parts.signal);
  if (verdict.kind === 'proven') return null;
  // Whoever goes by a recorded value from now on is someone else, and was put there by someone else.
  if (period.standing === false && !period.seenAbsent)
    await ledger.savePeriod({ ...period, seenAbsent: true }, { at: time.now(), audit: [] });
  const error = jobError(
    'user_not_found',
    `looked for the user "${user.dn}" (${user.id}) under the whole base and did not find it; none of its recorded values is in the group, and that it is gone needs a second look on another session`,
  );
  return later(parts, attempt, error, verdict.kind === 'unproven' ? verdict.againInMs : undefined);
}

/** A removal that was interrupted after its placeholder went in: the placeholder is ours. */
function placedByIntent(intent: Intent | null, pair: Pair): PlaceholderChange | null {
  return intent?.kind === 'remove' && intent.placeholder !== null ? { groupId: pair.group.id, value: intent.placeholder } : null;
}

interface Removal {
  readonly state: PairState;
  readonly period: Period;
  readonly found: Found;
  readonly remove: readonly string[];
  readonly recreated: readonly string[];
}

async function removeValues(parts: EngineParts, attempt: Attempt, removal: Removal): Promise<Attempted> {
  const { state, found } = removal;
  // Its write did not take effect, or not for every value: what is still there is deleted under a new intent.
  const first = await sendRemoval(parts, attempt, removal, { placeholder: null, replaced: state.intent });
  if (!first.lastMember) return first.attempted;
  const value = parts.placeholder;
  const [there] = await parts.directory.probe(
    { group: found.group.dn, attribute: removal.period.memberAttribute, values: [value] },
    parts.signal,
  );
  if (there === 'member')
    return later(
      parts,
      attempt,
      refusedEnding(attempt.grant, 'the schema demands another member although the placeholder is in the group'),
    );
  return (await sendRemoval(parts, attempt, removal, { placeholder: value, replaced: null })).attempted;
}

/** What an intent came to when the probe shows the member: a removal failed, an addition took effect. */
function settledRecord({ kind, grantId, pair }: Intent, at: Instant): AuditRecord {
  return { kind: 'intent.closed', at, grantId, pair, facts: { applied: kind === 'add', why: 'probe: member' } };
}

interface Sent {
  readonly lastMember: boolean;
  readonly attempted: Attempted;
}

/** One delete of exactly the values, with the placeholder going in where the schema demands a member (result 65). */
async function sendRemoval(
  parts: EngineParts,
  attempt: Attempt,
  { state, period, found, remove, recreated }: Removal,
  { placeholder, replaced }: { placeholder: string | null; replaced: Intent | null },
): Promise<Sent> {
  const { ledger, directory, time, failPoints } = parts;
  const { grant } = attempt;
  const at = time.now();
  const pair: Pair = {
    user: found.user === null ? grant.pair.user : { id: found.user.id, dn: found.user.dn },
    group: { id: found.group.id, dn: found.group.dn },
  };
  const attribute = period.memberAttribute;
  const intent: NewIntent = {
    kind: 'remove',
    grantId: grant.grantId,
    pair,
    memberAttribute: attribute,
    values: remove,
    preImage: 'member',
    // One that an unsettled removal sent may stand there by now, and is ours.
    placeholder: placeholder ?? (replaced?.kind === 'remove' ? replaced.placeholder : null),
    at,
  };
  const metValues = [...new Set([...period.metValues, ...remove])].filter((one) => !period.values.includes(one));
  const deleting: Period = { ...period, metValues, deleteSent: true };
  const opened = await ledger.openIntent(
    intent,
    { period: deleting, replaces: replaced?.intentId ?? null },
    {
      at,
      audit: [
        ...(replaced === null ? [] : [settledRecord(replaced, at)]),
        {
          kind: 'intent.opened',
          at,
          grantId: grant.grantId,
          pair,
          facts: { kind: 'remove', attribute, values: remove, preImage: 'member', placeholder },
        },
      ],
    },
  );
  failPoints('end.intent-stored');
  let answer: ChangeAnswer;
  try {
    answer = await directory.change(
      { group: found.group.dn, attribute, add: placeholder === null ? [] : [placeholder], remove },
      remove,
    );
  } catch (error) {
    if (error instanceof DirectoryError && !error.sent) await notApplied(parts, opened, error.message);
    throw error;
  }
  failPoints('end.probed-after');
  if (answer.presences.every((presence) => presence === 'absent')) {
    // The user may have been renamed since the look before, and the value may have followed.
    const again = await look(parts, attempt, { state: { ...state, intent: opened }, period: deleting });
    if ('done' in again) return { lastMember: false, attempted: again };
    if (judgeEnding(again.values, deleting).remove.length > 0) return { lastMember: false, attempted: RENAMED };
    if (found.user === null) {
      const waiting = await userMissing(parts, attempt, { period: deleting, group: found.group });
      if (waiting !== null) return { lastMember: false, attempted: waiting };
    }
    const late = waitForLateWrites(parts, attempt);
    if (late !== null) return { lastMember: false, attempted: await late };
    const placed = opened.placeholder === null ? null : { groupId: pair.group.id, value: opened.placeholder };
    return {
      lastMember: false,
      attempted: await claimEnded(parts, attempt, {
        membership: 'removed',
        standing: false,
        remaining: null,
        placeholder: placed,
        recreated,
      }),
    };
  }
  if (answer.presences.includes('unknown'))
    return { lastMember: false, attempted: await later(parts, attempt, unknownMembership(found.group.dn)) };
  await notApplied(parts, opened, answer.result);
  if (answer.result === 'last_member' && placeholder === null) return { lastMember: true, attempted: { done: false } };
  return {
    lastMember: false,
    attempted: await later(parts, attempt, {
      ...refusedEnding(grant, `the directory answered ${shownAnswer(answer)}`),
      ...(answer.ldap === null ? {} : { ldap: answer.ldap }),
    }),
  };
}

function refusedEnding({ pair }: EndingGrant, why: string): JobError {
  return jobError(
    'directory_refused',
    `tried to take "${pair.user.dn}" out of "${pair.group.dn}": ${why}, and a probe shows the user still in it. Check the rights of the connector's account on this group; the connector goes on trying`,
  );
}

interface Ended {
  readonly membership: EndedMembership;
  readonly standing: Standing;
  readonly remaining: Period | null;
  readonly placeholder: PlaceholderChange | null;
  readonly recreated?: readonly string[];
}

/** Claims the end in one transaction: the grant, what remains of its period, and the outcome of every job that waited. */
async function claimEnded(
  parts: EngineParts,
  { grant, jobs }: Attempt,
  { membership, standing, remaining, placeholder, recreated = [] }: Ended,
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
        evidence: membership === 'kept_by_grant' ? 'ledger: another grant' : 'probe',
      },
    },
    ...results.map(
      (result): AuditRecord => ({
        kind: result.kind,
        at,
        jobId: result.jobId,
        grantId: grant.grantId,
        facts: result.kind === 'job.succeeded' ? { outcome: result.outcome } : { code: result.error.code },
      }),
    ),
  ];
  const view = viewOf(ended);
  const drifted =
    recreated.length === 0 ? [] : [{ kind: 'grant.drifted', grant: view, observed: 'recreated', action: 'reported' } as const];
  await ledger.end(
    { grant: ended, period: remaining, placeholder },
    { at, events: [...drifted, { kind: 'grant.ended', grant: view, cause: grant.cause, membership }], results, audit },
  );
  // Its intent is closed with it, so nothing of the pair is left to be looked at.
  parts.onProbed(grant.pair);
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
    membership === 'removed' ? 'a probe shows that the user has left the group' : 'a grant ended; nothing was left to take away',
  );
  return DONE;
}

/** A grant job that was still waiting when its grant ended. */
function overtaken(grant: EndingGrant): JobError {
  return grant.cause === 'revoked'
    ? jobError('grant_revoked', 'the grant was revoked before this job took effect')
    : jobError('grant_conflict', `the grant ended (${grant.cause}) before this job took effect; a new grant needs a new id`);
}

function later(parts: EngineParts, { grant, jobs, nextDelayMs }: Attempt, error: JobError, afterMs?: number): Promise<Attempted> {
  return goOnLater(parts, { grant, jobs, error, nextDelayMs, ...(afterMs === undefined ? {} : { afterMs }) });
}
