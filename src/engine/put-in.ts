import { foldDn } from '../access/dn.ts';
import type { LiveGrant } from '../access/grant.ts';
import type { GrantId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import type { Intent } from '../access/intent.ts';
import { judgeMembership, type MemberAttribute, type Period } from '../access/membership.ts';
import { type JobError, jobError } from '../access/outcome.ts';
import type { Pair } from '../access/reference.ts';
import { type ChangeAnswer, DirectoryError } from '../directory/directory.ts';
import type { PairState, PlaceholderChange } from '../ledger/ledger.ts';
import { directoryJobError, unknownMembership } from './directory-errors.ts';
import type { EngineParts } from './engine-parts.ts';

/** What putting a user into a group came to. Only `member` is proved; nothing is claimed yet. */
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
  | { readonly kind: 'denied'; readonly error: JobError }
  | { readonly kind: 'retry'; readonly error: JobError };

export interface PutInRequest {
  readonly grantId: GrantId;
  readonly pair: Pair;
  readonly attribute: MemberAttribute;
  readonly value: string;
  readonly state: PairState;
  /** An earlier write of this grant over an absent membership, whose outcome is still unknown: a member is then its work. */
  readonly unsettled: Intent | null;
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
  const placed = state.placeholder?.value ?? null;
  const [presence, placedPresence] = await directory.probe(
    { group: pair.group.dn, attribute, values: placed === null ? [value] : [value, placed] },
    signal,
  );
  failPoints('grant.probed-before');
  if (presence !== 'member' && presence !== 'absent') return { kind: 'retry', error: unknownMembership(pair.group.dn) };

  if (presence === 'member' && request.unsettled !== null) return foundApplied(request.unsettled, state.period);
  const at = time.now();
  const heldSince = state.period?.heldSince ?? at;
  const denied = request.judge({ at, heldSince });
  if (denied !== null) return { kind: 'denied', error: denied };

  const finding = judgeMembership(presence, state.period);
  if (finding !== 'write') {
    const period = state.period ?? {
      pair,
      standing: true,
      heldSince,
      memberAttribute: attribute,
      values: [value],
      seenAbsent: false,
      deleteSent: false,
    };
    return {
      kind: 'member',
      finding,
      at,
      period: withValue(period, request),
      intentId: request.unsettled?.intentId ?? null,
      placeholder: null,
      drifted: [],
    };
  }
  const leaving = placedPresence === 'member' ? placed : null;
  return write(parts, { ...request, at, heldSince, leaving, forgotten: placedPresence === 'absent' });
}

/** The period after a write of ours: whatever was there before, this membership is ours, and so are only the values of ours. */
function writtenPeriod(
  earlier: Period | null,
  {
    pair,
    attribute,
    values,
    heldSince,
  }: { pair: Pair; attribute: MemberAttribute; values: readonly string[]; heldSince: Instant },
): Period {
  const ours = earlier?.standing === false && earlier.memberAttribute === attribute ? earlier.values : [];
  return {
    pair,
    standing: false,
    heldSince,
    memberAttribute: attribute,
    values: [...ours.filter((one) => !values.includes(one)), ...values],
    seenAbsent: false,
    deleteSent: false,
  };
}

/** What a proved write of an open intent amounts to, for the claim. */
export function foundApplied(intent: Intent, period: Period | null): Extract<PutIn, { kind: 'member' }> {
  const { pair, memberAttribute, values, at } = intent;
  return {
    kind: 'member',
    finding: 'granted',
    at,
    period: writtenPeriod(period, { pair, attribute: memberAttribute, values, heldSince: period?.heldSince ?? at }),
    intentId: intent.intentId,
    placeholder: intent.placeholder === null ? null : { groupId: pair.group.id, value: null },
    drifted: [],
  };
}

function withValue(period: Period, { pair, attribute, value }: PutInRequest): Period {
  if (period.memberAttribute !== attribute || period.values.includes(value)) return { ...period, pair };
  return { ...period, pair, values: [...period.values, value] };
}

async function write(
  parts: EngineParts,
  request: PutInRequest & { at: Instant; heldSince: Instant; leaving: string | null; forgotten: boolean },
): Promise<PutIn> {
  const { ledger, directory, failPoints, lateWrites } = parts;
  const { grantId, pair, attribute, value, state, at, leaving } = request;
  const period = writtenPeriod(state.period, { pair, attribute, values: [value], heldSince: request.heldSince });
  const intent = await ledger.openIntent(
    { kind: 'add', grantId, pair, memberAttribute: attribute, values: [value], preImage: 'absent', placeholder: leaving, at },
    { period: state.period === null ? null : period, replaces: request.unsettled?.intentId ?? null },
    {
      at,
      audit: [
        {
          kind: 'intent.opened',
          at,
          grantId,
          pair,
          facts: { kind: 'add', attribute, value, preImage: 'absent', placeholder: leaving },
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
    if (error instanceof DirectoryError && error.sent) lateWrites.lost(grantId);
    else await notApplied(parts, intent, told.message);
    return { kind: 'retry', error: told };
  }
  failPoints('grant.probed-after');
  const [presence, leavingPresence] = answer.presences;
  if (presence === 'member') {
    const placeholder =
      request.forgotten || (leaving !== null && leavingPresence === 'absent') ? { groupId: pair.group.id, value: null } : null;
    return { kind: 'member', finding: 'granted', at, period, intentId: intent.intentId, placeholder, drifted: state.grants };
  }
  if (presence !== 'absent') return { kind: 'retry', error: unknownMembership(pair.group.dn) };
  await notApplied(parts, intent, answer.result);
  return refusedOrRetry(answer, pair);
}

/** A probe showed that the write did not take effect, or it was never sent. */
export async function notApplied({ ledger, time }: EngineParts, intent: Intent, why: string): Promise<void> {
  const at = time.now();
  await ledger.closeIntent(intent.intentId, {
    at,
    audit: [{ kind: 'intent.closed', at, grantId: intent.grantId, pair: intent.pair, facts: { applied: false, why } }],
  });
}

/** A refusal of a grant is final; every other answer after which the user is absent deserves another look. */
function refusedOrRetry(answer: ChangeAnswer, pair: Pair): PutIn {
  const told =
    answer.ldap === null
      ? answer.result
      : `${answer.ldap.resultName} (${answer.ldap.resultCode})${answer.ldap.diagnosticMessage === '' ? '' : `: ${answer.ldap.diagnosticMessage}`}`;
  const message = `tried to add "${pair.user.dn}" to "${pair.group.dn}"; the directory answered ${told}, and the user is not a member`;
  switch (answer.result) {
    case 'refused':
    case 'last_member':
      return {
        kind: 'denied',
        error: jobError(
          'directory_refused',
          `${message}. Check the rights of the connector's account on this group and the group's schema`,
          answer.ldap ?? undefined,
        ),
      };
    case 'ok':
    case 'busy':
    case 'gone':
    case 'already_there':
    case 'already_absent':
      return { kind: 'retry', error: jobError('directory_unavailable', message, answer.ldap ?? undefined) };
    default:
      return answer.result satisfies never;
  }
}

/** True where two member values mean the same: names by folding, `memberUid` to the letter (RFC 2307, caseExactIA5Match). */
export function sameValue(attribute: MemberAttribute, one: string, other: string): boolean {
  return attribute === 'memberUid' ? one === other : foldDn(one as never) === foldDn(other as never);
}
