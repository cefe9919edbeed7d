import { type ActiveGrant, endGrant, expiryOf } from '../access/grant.ts';
import type { GrantId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import type { Intent } from '../access/intent.ts';
import { type JobError, jobError } from '../access/outcome.ts';
import { pairKey } from '../access/reference.ts';
import { DirectoryError, type GroupEntry, type UserEntry } from '../directory/directory.ts';
import type { PairState, StoredJob } from '../ledger/ledger.ts';
import { activated, claim, driftEvents, type Member } from './claim-membership.ts';
import { unknownMembership } from './directory-errors.ts';
import { nameNow } from './ending-look.ts';
import type { EngineParts } from './engine-parts.ts';
import { onServer } from './evidence.ts';
import { witnessOfGroup } from './gone-proofs.ts';
import { fail, type GrantAttempt, isCancelled, reasonToStop, type WaitingGrantJob, wait } from './grant-attempt.ts';
import { hiddenMember, isNamesakes, leadsNowhere, namesakeUnsettled } from './namesakes.ts';
import { type Attempted, DONE } from './pursuits.ts';
import { changedMeanwhile, endRefusal, lateRemoval, requesterRefusal } from './refusals.ts';
import { foundApplied } from './written-period.ts';

/** What a grant that was found written after all leaves to be done. */
export interface FoundSteps {
  /** It was cancelled meanwhile: it goes over to its ending. */
  onEnding(grant: ActiveGrant): void;
  /** A job joined the grant after the write was begun: it changes an active grant now. */
  onUpdate(grantId: GrantId, job: StoredJob): void;
}

/** What is known of the write before the grant goes on: nothing of it shows the user in the group. */
interface Unapplied {
  /** Values that lead to another entry by now, which no write of ours for that one explains. */
  readonly strayed: readonly string[];
}

/** A pending grant whose write may have taken effect: found out by reading, before anything else. */
export async function settleOwnIntent(
  parts: EngineParts,
  { attempt, intent, steps }: { attempt: GrantAttempt; intent: Intent; steps: FoundSteps },
): Promise<Attempted | Unapplied> {
  const { directory, ledger, signal, failPoints } = parts;
  return parts.locks.run(`pair:${pairKey(intent.pair)}`, 'grant', async () => {
    const group = await directory.locateGroup(intent.pair.group.id, signal);
    const user = await directory.locateUser(intent.pair.user.id, signal);
    if (group === null) return groupMissing(parts, attempt, { intent, user });
    failPoints('recovery.located');
    // The value may have followed the user to another name since.
    const attribute = intent.memberAttribute;
    const current = nameNow(user, attribute);
    const values = [...new Set([...(current === null ? [] : [current]), ...intent.values])];
    const presences = await directory.probe({ group: group.dn, attribute, values }, signal);
    failPoints('recovery.probed');
    parts.onProbed(intent.pair);
    if (nameNow(await directory.locateUser(intent.pair.user.id, signal), attribute) !== current)
      return wait(parts, attempt, changedMeanwhile(intent.pair));
    const present = values.filter((_, i) => presences[i] === 'member');
    const whose = await whoseAre(parts, { intent, group, current, present });
    if (whose.kind === 'unknown') return wait(parts, attempt, whose.error);
    if (whose.kind === 'ours') {
      const lateMs = parts.lateRemovals.remainingMs(intent.pair);
      if (lateMs > 0 && !isCancelled(attempt)) return wait(parts, attempt, lateRemoval(intent.pair), lateMs);
      if (!isCancelled(attempt)) await rulesWhereTold(parts);
      const claimed = await claimFound(parts, attempt, { intent, group, state: await ledger.pairState(intent.pair), steps });
      parts.onFoundWritten(group.id);
      return claimed;
    }
    for (const [i, value] of values.entries())
      if (presences[i] === 'unknown' && !(await leadsNowhere(parts, { group, attribute, value, current })))
        return wait(parts, attempt, unknownMembership(group.dn));
    // Left open: should it still take effect, what the next probe finds is ours. The next write replaces it.
    const waiting = user === null ? await userMissing(parts, attempt, intent) : null;
    return waiting ?? { strayed: whose.strayed };
  });
}

/**
 * They only choose among the jobs whose end the grant is claimed with. What is written must be claimed, or nothing would ever end it:
 * without an answer, the rules bind whoever goes by their names.
 */
async function rulesWhereTold({ groupRules, signal }: EngineParts): Promise<void> {
  try {
    await groupRules.resolve(signal);
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
  }
}

/** Whose work the values are that a probe found. */
type Whose =
  | { readonly kind: 'ours' }
  | { readonly kind: 'anothers'; readonly strayed: readonly string[] }
  | { readonly kind: 'unknown'; readonly error: JobError };

/**
 * The intent was written over an absent membership, so a value of it is its work, but not where another goes by that value now and
 * it is a link to them, or was written for them: then it says nothing of the user.
 */
async function whoseAre(
  parts: EngineParts,
  { intent, group, current, present }: { intent: Intent; group: GroupEntry; current: string | null; present: readonly string[] },
): Promise<Whose> {
  const { memberAttribute: attribute, pair } = intent;
  if (present.some((value) => value === current)) return { kind: 'ours' };
  const strayed: string[] = [];
  let error: JobError | null = null;
  for (const value of present) {
    const occupant = await parts.directory.occupant(attribute, value, parts.signal);
    if (occupant === pair.user.id) return { kind: 'ours' };
    if (occupant === null) {
      if (!group.linksMembers) return { kind: 'ours' };
      error = hiddenMember(group, value);
      continue;
    }
    const namesakes = await isNamesakes(parts, { user: pair.user, occupant, group, attribute, value });
    if (namesakes === 'theirs') continue;
    if (group.linksMembers) strayed.push(value);
    else if (namesakes === 'not') return { kind: 'ours' };
    else error = namesakeUnsettled(group, value);
  }
  return error === null ? { kind: 'anothers', strayed } : { kind: 'unknown', error };
}

/** A user that cannot be found may be a member by a name that we do not know: only proof that it is gone rules that out. */
async function userMissing(parts: EngineParts, attempt: GrantAttempt, intent: Intent): Promise<Attempted | null> {
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
export async function claimFound(
  parts: EngineParts,
  attempt: GrantAttempt,
  { intent, group, state, steps }: { intent: Intent; group: GroupEntry; state: PairState; steps: FoundSteps },
): Promise<Attempted> {
  const { ledger } = parts;
  const { grant, waiting, revokes } = attempt;
  const { grantId } = grant;
  const member = foundApplied(intent, state);
  parts.failPoints('recovery.claiming');
  const first = writtenFor(parts, waiting, { member, group });
  const active = activated({ grant, pair: intent.pair, member, end: first?.job.end ?? grant.end });
  if (!isCancelled(attempt)) {
    await claim(parts, { active, member, jobs: first === undefined ? [] : [first.stored], outcome: 'granted' });
    // Nobody has judged the ends and the references of those that joined since.
    for (const { stored } of waiting) if (stored.jobId !== first?.stored.jobId) steps.onUpdate(grantId, stored);
    return DONE;
  }
  // Cancelled, yet it was written: it is taken away again by the one path, and only then do the jobs hear of it. It is never
  // active: it could be due by the next start, which would end it for another cause than the one it was cancelled for.
  const at = parts.time.now();
  const cause = revokes.length > 0 ? 'revoked' : 'operator';
  const facts = { intentId: intent.intentId, evidence: 'probe: member', cancelled: true, ...onServer(parts) };
  await ledger.activate(
    {
      grant: endGrant(active, cause, at),
      period: member.period,
      intentId: intent.intentId,
      placeholder: member.placeholder,
    },
    {
      at,
      events: driftEvents(active, member),
      audit: [
        { kind: 'grant.activated', at, grantId, pair: active.pair, facts },
        { kind: 'grant.ending', at, grantId, pair: active.pair, facts: { cause } },
      ],
    },
  );
  steps.onEnding(active);
  return DONE;
}

/**
 * The job whose end the write is claimed with: the first that the policy allows. One was judged before the write; where the rules have
 * become narrower since, it is the one that ends soonest, and no end that nobody has ever allowed.
 */
function writtenFor(
  parts: EngineParts,
  waiting: readonly WaitingGrantJob[],
  { member: { at, period }, group }: { member: Member; group: GroupEntry },
): WaitingGrantJob | undefined {
  const endOf = ({ job }: WaitingGrantJob): Instant => expiryOf(job.end, at);
  const isAllowed = (one: WaitingGrantJob): boolean =>
    (requesterRefusal(parts, { group, job: one.job }) ??
      endRefusal(parts, { group, heldSince: period.heldSince, expiresAt: endOf(one), at })) === null;
  return waiting.find(isAllowed) ?? waiting.toSorted((one, other) => endOf(one) - endOf(other))[0];
}

async function groupMissing(
  parts: EngineParts,
  attempt: GrantAttempt,
  { intent, user }: { intent: Intent; user: UserEntry | null },
): Promise<Attempted> {
  const { group } = intent.pair;
  parts.onProbed(intent.pair);
  const witness = await witnessOfGroup(parts, { pair: intent.pair, user });
  const verdict = await parts.goneProofs.ask({ entry: group, witness }, parts.signal);
  const error = jobError('group_not_found', `the group "${group.dn}" (${group.id}) is gone`);
  if (verdict.kind === 'proven') return fail(parts, attempt, reasonToStop(attempt, parts.time.now()) ?? error);
  return wait(parts, attempt, error, verdict.kind === 'unproven' ? verdict.againInMs : undefined);
}
