import type { AuditRecord } from '../access/audit.ts';
import type { LiveGrant, PendingGrant } from '../access/grant.ts';
import type { GrantId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import type { Intent } from '../access/intent.ts';
import { isOurs, judgeMembership, type MemberAttribute, type Period } from '../access/membership.ts';
import { type JobError, jobError } from '../access/outcome.ts';
import type { Pair } from '../access/reference.ts';
import { type ChangeAnswer, DirectoryError } from '../directory/directory.ts';
import type { PairState, PlaceholderChange } from '../ledger/ledger.ts';
import { directoryJobError, unknownMembership } from './directory-errors.ts';
import type { EngineParts } from './engine-parts.ts';
import { onServer } from './evidence.ts';
import { comeBack, lateRemoval } from './refusals.ts';
import { namesNow, takeBackIfRenamed } from './renamed-meanwhile.ts';
import { viewOf } from './views.ts';
import { oursBefore, withoutValues, withValue, writtenPeriod } from './written-period.ts';

/** What putting a user into a group came to. Only `member` and `found` are proved; nothing is claimed yet. */
export type PutIn =
  | {
      readonly kind: 'member';
      readonly finding: 'granted' | 'already_standing' | 'covered_by_grant';
      /** The instant stored with the intent; where nothing was written, the probe's. */
      readonly at: Instant;
      readonly period: Period;
      readonly intentId: number | null;
      readonly placeholder: PlaceholderChange | null;
      /** Grants of ours that believed in a membership which the probe did not find. */
      readonly drifted: readonly LiveGrant[];
    }
  /** An earlier write of this grant took effect after all; the end that is asked for now was not judged. */
  | { readonly kind: 'found'; readonly intent: Intent }
  | { readonly kind: 'denied'; readonly error: JobError }
  | { readonly kind: 'retry'; readonly error: JobError; readonly afterMs?: number };

export interface PutInRequest {
  readonly grantId: GrantId;
  /** The pending grant whose pair the ledger does not know yet: it is saved with the intent. */
  readonly unsaved?: PendingGrant | null;
  readonly pair: Pair;
  readonly attribute: MemberAttribute;
  readonly value: string;
  readonly state: PairState;
  /** An earlier write of this grant over an absent membership, whose outcome is still unknown: a member is then its work. */
  readonly unsettled: Intent | null;
  /** The user is in the group by an attribute of its own: nothing is written, and the membership is not ours. */
  readonly isPrimary: boolean;
  /** Since when this is asked for; what an older copy of the ledger asks for may have been done, and have ended, since it was made. */
  readonly askedAt: Instant;
  /** A member without a period of ours may be the work of a ledger that was lost (ARCHITECTURE, invariant 13). */
  readonly mayBeLost: boolean;
  /** The last word on the end, once the instant of activation is known; null where it is allowed. */
  readonly judge: (times: { at: Instant; heldSince: Instant }) => JobError | null;
}

/**
 * Makes the user a member, with proof: probe, judge, intent, modify, probe (ARCHITECTURE, steps 3 and 4). Called with
 * the pair locked, and no intent of the pair open but `unsettled`. Where the outcome is unknown the intent stays open.
 */
export async function putIn(parts: EngineParts, request: PutInRequest): Promise<PutIn> {
  const { directory, time, failPoints, signal } = parts;
  const { pair, attribute, value, state } = request;
  const lateMs = parts.lateRemovals.remainingMs(pair);
  if (lateMs > 0) return { kind: 'retry', error: lateRemoval(pair), afterMs: lateMs };
  const placed = state.placeholder?.value ?? null;
  const earlier = oursBefore(request);
  const values = [value, ...(placed === null ? [] : [placed]), ...earlier];
  const presences = await directory.probe({ group: pair.group.dn, attribute, values, likely: 'absent' }, signal);
  const [presence] = presences;
  const placedPresence = placed === null ? undefined : presences[1];
  failPoints('grant.probed-before');
  parts.onProbed(pair);
  if (presence !== 'member' && presence !== 'absent') return { kind: 'retry', error: unknownMembership(pair.group.dn) };
  if (presence === 'member') parts.doubtedAdditions.seen(pair);

  if (presence === 'member' && request.unsettled !== null) return { kind: 'found', intent: request.unsettled };
  if (presence === 'member' && !isHeld(state.period) && mayBeBack(parts, pair)) return { kind: 'retry', error: comeBack(pair) };
  const at = time.now();
  const heldSince = state.period?.heldSince ?? at;
  const denied =
    request.judge({ at, heldSince }) ?? (presence === 'absent' && !request.isPrimary ? mayBeOver(parts, request) : null);
  if (denied !== null) {
    if (presence === 'absent') await rememberAbsence(parts, request);
    return { kind: 'denied', error: denied };
  }

  // A name of before that is not there has followed its user, or was taken out: whoever goes by it next is someone else.
  const gone = earlier.filter((_, i) => presences[values.length - earlier.length + i] === 'absent');
  const isFollowed = presence === 'member' && parts.lateWrites.remainingMs(pair) === 0;
  const finding = judgeMembership(request.isPrimary ? 'member' : presence, state.period);
  if (finding !== 'write') {
    failPoints('grant.held-already');
    const period: Period =
      state.period !== null && isOurs(state.period)
        ? state.period
        : {
            pair,
            standing:
              state.period?.standing === 'unknown' || (state.period === null && request.mayBeLost && presence === 'member')
                ? 'unknown'
                : true,
            heldSince,
            memberAttribute: attribute,
            values: [],
            metValues: [value],
            seenAbsent: false,
            deleteSent: false,
          };
    return {
      kind: 'member',
      finding,
      at,
      period: isFollowed ? withoutValues(withValue(period, request), gone) : withValue(period, request),
      // Open only where the user is in the group by an attribute of its own: no write of ours will take effect then.
      intentId: request.unsettled?.intentId ?? null,
      placeholder: null,
      drifted: [],
    };
  }
  const leaving = placedPresence === 'member' ? placed : null;
  return write(parts, { ...request, at, heldSince, leaving, gone, forgotten: placedPresence === 'absent' });
}

/**
 * Null where an absent membership may be written. What the ledger that was lost had done with it is not known: it may have been given
 * and taken away again, and would come back to somebody whose access has been revoked.
 */
function mayBeOver({ replacedAt }: EngineParts, { askedAt, pair }: PutInRequest): JobError | null {
  const since = replacedAt();
  if (since === null || askedAt > since) return null;
  return jobError(
    'ownership_unknown',
    `the ledger was restored from an older copy, and "${pair.user.dn}" is no member of "${pair.group.dn}"; whether the access was given and ` +
      'has ended since that copy is not known, so nothing is written. Ask again under a new id',
  );
}

/** The membership is known to be there, whosever it is: it has neither ended nor vanished. */
function isHeld(period: Period | null): boolean {
  return period !== null && (period.standing !== false || isOurs(period));
}

/** Another directory server took over, and whether it brought a membership of ours back that had ended was not looked at yet. */
function mayBeBack({ doubtedAdditions, doubtedRemovals }: EngineParts, pair: Pair): boolean {
  return doubtedAdditions.isFinding() || doubtedRemovals.has(pair);
}

/**
 * Our membership was seen absent, and nothing of ours is written now: whatever is found there later is somebody else's.
 * Not while a write of ours may still take effect, nor where another name may still stand: an earlier one, or the one that the
 * membership followed its user to since the look-up.
 */
async function rememberAbsence(parts: EngineParts, request: PutInRequest): Promise<void> {
  const { ledger, time, lateWrites } = parts;
  const {
    pair,
    state: { period, grants },
    unsettled,
  } = request;
  if (
    period === null ||
    !isOurs(period) ||
    unsettled !== null ||
    lateWrites.remainingMs(pair) > 0 ||
    oursBefore(request).length > 0
  )
    return;
  if ((await namesNow(parts, request)).kind !== 'same') return;
  const at = time.now();
  await ledger.savePeriod(
    { ...period, values: [], metValues: [] },
    {
      at,
      events: grants.map((grant) => ({ kind: 'grant.drifted', grant: viewOf(grant), observed: 'absent', action: 'reported' })),
      audit: grants.map(({ grantId }) => ({
        kind: 'grant.drifted',
        at,
        grantId,
        pair,
        facts: { observed: 'absent', evidence: 'probe', ...onServer(parts) },
      })),
    },
  );
}

async function write(
  parts: EngineParts,
  request: PutInRequest & {
    at: Instant;
    heldSince: Instant;
    leaving: string | null;
    gone: readonly string[];
    forgotten: boolean;
  },
): Promise<PutIn> {
  const { ledger, directory, failPoints, lateWrites } = parts;
  const { grantId, pair, attribute, value, state, at, leaving, unsettled, unsaved = null } = request;
  // The write that is replaced may still take effect, by a name that the user had then.
  const earlier = unsettled?.memberAttribute === attribute ? unsettled.values.filter((one) => one !== value) : [];
  const values = [value, ...earlier];
  const period = writtenPeriod(state.period, { pair, attribute, values, heldSince: request.heldSince, gone: request.gone });
  const couldBeLate = unsettled !== null || lateWrites.remainingMs(pair) > 0;
  const intent = await ledger.openIntent(
    { kind: 'add', grantId, pair, memberAttribute: attribute, values, preImage: 'absent', placeholder: leaving, at },
    // Not a word of the period yet: until a write of ours took effect, what others put there is theirs.
    { period: null, replaces: unsettled?.intentId ?? null, ...(unsaved === null ? {} : { grant: unsaved }) },
    {
      at,
      audit: [
        ...(unsaved === null ? [] : [resolvedRecord(parts, unsaved, at)]),
        {
          kind: 'intent.opened',
          at,
          grantId,
          pair,
          facts: { kind: 'add', attribute, value, preImage: 'absent', placeholder: leaving, ...onServer(parts) },
        },
      ],
    },
  );
  failPoints('grant.intent-stored');

  let answer: ChangeAnswer;
  try {
    answer = await directory.change(
      { group: pair.group.dn, attribute, add: [value], remove: leaving === null ? [] : [leaving] },
      leaving === null ? [value] : [value, leaving],
    );
  } catch (error) {
    const told = directoryJobError(error);
    if (error instanceof DirectoryError && error.sent) lateWrites.lost(pair);
    else if (!couldBeLate) await notApplied(parts, intent, told.message);
    return { kind: 'retry', error: told };
  }
  if (leaving !== null) failPoints('placeholder.left');
  failPoints('grant.probed-after');
  const [presence, leavingPresence] = answer.presences;
  // A refused modify changes nothing: somebody else was faster, and the next look says whose membership it is.
  const isOthers = presence === 'member' && answer.result !== 'ok' && !couldBeLate;
  if (presence === 'member' && !isOthers) {
    const renamed = await takeBackIfRenamed(parts, { pair, attribute, value, leaving, isOurs: answer.result === 'ok' });
    if (renamed !== null) {
      if (renamed.isTakenBack && !couldBeLate) await notApplied(parts, intent, renamed.error.message);
      return { kind: 'retry', error: renamed.error };
    }
    parts.doubtedAdditions.seen(pair);
    const placeholder =
      request.forgotten || (leaving !== null && leavingPresence === 'absent') ? { groupId: pair.group.id, value: null } : null;
    return { kind: 'member', finding: 'granted', at, period, intentId: intent.intentId, placeholder, drifted: state.grants };
  }
  if (presence !== 'absent' && !isOthers) return { kind: 'retry', error: unknownMembership(pair.group.dn) };
  // It stays open for an earlier write that may still take effect: what the next probe finds is ours.
  if (!couldBeLate) await notApplied(parts, intent, answer.result);
  if (presence === 'absent') await rememberAbsence(parts, request);
  return isOthers ? { kind: 'retry', error: writeError(answer, pair, 'directory_unavailable') } : refusedOrRetry(answer, pair);
}

/** Whom the references of a pending grant mean. */
export function resolvedRecord(parts: Pick<EngineParts, 'directory'>, { grantId, pair }: PendingGrant, at: Instant): AuditRecord {
  return { kind: 'grant.pending', at, grantId, pair, facts: { resolved: true, ...onServer(parts) } };
}

/** A probe showed that the write did not take effect, or it was never sent. */
export async function notApplied(parts: EngineParts, intent: Intent, why: string): Promise<void> {
  const { ledger, time } = parts;
  const at = time.now();
  const { grantId, pair } = intent;
  const facts = { applied: false, why, ...onServer(parts) };
  await ledger.closeIntent(intent.intentId, { at, audit: [{ kind: 'intent.closed', at, grantId, pair, facts }] });
}

/** A refusal of a grant is final; every other answer after which the user is absent deserves another look. */
function refusedOrRetry(answer: ChangeAnswer, pair: Pair): PutIn {
  switch (answer.result) {
    case 'refused':
    case 'last_member':
      return { kind: 'denied', error: writeError(answer, pair, 'directory_refused') };
    case 'ok':
    case 'busy':
    case 'gone':
    case 'already_there':
    case 'already_absent':
      return { kind: 'retry', error: writeError(answer, pair, 'directory_unavailable') };
    default:
      return answer.result satisfies never;
  }
}

function writeError(answer: ChangeAnswer, pair: Pair, code: 'directory_refused' | 'directory_unavailable'): JobError {
  const message = `tried to add "${pair.user.dn}" to "${pair.group.dn}"; the directory answered ${shownAnswer(answer)}, so nothing was written`;
  const advice = ". Check the rights of the connector's account on this group and the group's schema";
  return jobError(code, code === 'directory_refused' ? message + advice : message, answer.ldap ?? undefined);
}

/** What a directory answered, for a person. */
export function shownAnswer({ result, ldap }: ChangeAnswer): string {
  if (ldap === null) return result;
  const detail = ldap.diagnosticMessage === '' ? '' : `: ${ldap.diagnosticMessage}`;
  return `${ldap.resultName} (${ldap.resultCode})${detail}`;
}
