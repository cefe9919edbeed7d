import type { AuditRecord } from '../access/audit.ts';
import type { Event } from '../access/event.ts';
import type { EndingGrant } from '../access/grant.ts';
import type { Instant } from '../access/instant.ts';
import type { Intent, NewIntent } from '../access/intent.ts';
import { judgeEnding, type Period } from '../access/membership.ts';
import { type JobError, jobError } from '../access/outcome.ts';
import type { Pair } from '../access/reference.ts';
import { type ChangeAnswer, DirectoryError } from '../directory/directory.ts';
import type { PairState } from '../ledger/ledger.ts';
import { unknownMembership } from './directory-errors.ts';
import { claimEnded, type EndingAttempt, later } from './ending-claim.ts';
import { absenceOf, type Found, isUnmoved, look, lookAgain, nameNow, userMissing, waitForLateWrites } from './ending-look.ts';
import type { EngineParts } from './engine-parts.ts';
import { onServer } from './evidence.ts';
import type { Attempted } from './pursuits.ts';
import { notApplied, shownAnswer } from './put-in.ts';
import { viewOf } from './views.ts';
import { withoutValues } from './written-period.ts';

interface Removal {
  readonly state: PairState;
  readonly period: Period;
  readonly found: Found;
  readonly remove: readonly string[];
  readonly recreated: readonly string[];
}

/**
 * Takes the values out, and the end is claimed only once a second look finds nothing of ours. Where the schema demands a
 * member (result 65), the placeholder goes in by the same modify. Rejects with a `DirectoryError`; an intent then stays open
 * where the outcome is unknown.
 */
export async function removeValues(parts: EngineParts, attempt: EndingAttempt, removal: Removal): Promise<Attempted> {
  const { state, found } = removal;
  // Its write did not take effect, or not for every value: what is still there is deleted under a new intent.
  const first = await sendRemoval(parts, attempt, removal, { placeholder: null, replaced: state.intent });
  if (!first.lastMember) return first.attempted;
  parts.failPoints('placeholder.demanded');
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
  // What was found to be somebody else's is told and forgotten before ours leaves: afterwards nothing would show the difference.
  const rest: Removal = { ...removal, period: withoutValues(removal.period, removal.recreated), recreated: [] };
  return (await sendRemoval(parts, attempt, rest, { placeholder: value, replaced: null })).attempted;
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
  attempt: EndingAttempt,
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
  // An earlier name that is not there has followed its user: whoever goes by it at the next attempt was put there by somebody else.
  const isKnown = parts.lateWrites.remainingMs(grant.pair) === 0 && !parts.doubtedAdditions.isFinding();
  const gone = found.values.filter(({ origin, presence }) => isKnown && origin === 'recorded' && presence === 'absent');
  const ours = withoutValues(period, [...recreated, ...gone.map(({ value }) => value)]);
  const metValues = [...new Set([...ours.metValues, ...remove])].filter((one) => !ours.values.includes(one));
  const deleting: Period = { ...ours, metValues, deleteSent: true };
  const told: Event[] =
    recreated.length === 0 ? [] : [{ kind: 'grant.drifted', grant: viewOf(grant), observed: 'recreated', action: 'reported' }];
  const opened = await ledger.openIntent(
    intent,
    { period: deleting, replaces: replaced?.intentId ?? null },
    {
      at,
      events: told,
      audit: [
        ...(replaced === null ? [] : [settledRecord(replaced, at)]),
        {
          kind: 'intent.opened',
          at,
          grantId: grant.grantId,
          pair,
          facts: { kind: 'remove', attribute, values: remove, preImage: 'member', placeholder, recreated, ...onServer(parts) },
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
    if (error instanceof DirectoryError && error.sent) parts.lateRemovals.lost(pair);
    else if (error instanceof DirectoryError) await notApplied(parts, opened, error.message);
    throw error;
  }
  if (placeholder !== null) failPoints('placeholder.placed');
  failPoints('end.probed-after');
  if (answer.presences.every((presence) => presence === 'absent')) {
    // The user may have been renamed since the look before, there and back even, and the value may have followed: but not where
    // this very modify deleted it under the name of then and of now.
    const deletedIt = answer.result === 'ok' && remove.some((one) => one === nameNow(found.user, attribute));
    if (!deletedIt || !(await isUnmoved(parts, found, attribute))) {
      const again = await look(parts, attempt, { state: { ...state, intent: opened }, period: deleting });
      if ('done' in again) return { lastMember: false, attempted: again };
      if (judgeEnding(again.values, deleting).remove.length > 0)
        return { lastMember: false, attempted: await lookAgain(parts, attempt) };
    }
    // First, since until then what is absent proves nothing, of somebody who is gone neither.
    const late = waitForLateWrites(parts, attempt);
    if (late !== null) return { lastMember: false, attempted: await late };
    if (found.user === null) {
      const waiting = await userMissing(parts, attempt, { period: deleting, group: found.group });
      if (waiting !== null) return { lastMember: false, attempted: waiting };
    }
    const placed = opened.placeholder === null ? null : { groupId: pair.group.id, value: opened.placeholder };
    return {
      lastMember: false,
      attempted: await claimEnded(parts, attempt, {
        membership: 'removed',
        standing: false,
        remaining: null,
        placeholder: placed,
        absence: absenceOf(found, period, remove),
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
