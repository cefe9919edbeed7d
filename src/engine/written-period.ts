import type { Instant } from '../access/instant.ts';
import type { Intent } from '../access/intent.ts';
import type { MemberAttribute, Period } from '../access/membership.ts';
import type { Pair } from '../access/reference.ts';
import type { PairState } from '../ledger/ledger.ts';
import type { Member } from './claim-membership.ts';
import type { PutInRequest } from './put-in.ts';

type Asked = Pick<PutInRequest, 'pair' | 'attribute' | 'value' | 'state'>;

/** Values of our period other than the one to be written. */
export function oursBefore({ state: { period }, attribute, value }: Asked): readonly string[] {
  if (period?.standing !== false || period.memberAttribute !== attribute) return [];
  return [...period.values, ...period.metValues].filter((one) => one !== value);
}

/** The period after a write of ours: whatever was there before, this membership is ours, and so are only the values of ours. */
export function writtenPeriod(
  earlier: Period | null,
  {
    pair,
    attribute,
    values,
    heldSince,
    gone = [],
  }: { pair: Pair; attribute: MemberAttribute; values: readonly string[]; heldSince: Instant; gone?: readonly string[] },
): Period {
  const ours = earlier?.standing === false && earlier.memberAttribute === attribute ? earlier : { values: [], metValues: [] };
  const isKept = (one: string): boolean => !values.includes(one) && !gone.includes(one);
  return {
    pair,
    standing: false,
    heldSince,
    memberAttribute: attribute,
    values: [...ours.values.filter(isKept), ...values],
    metValues: ours.metValues.filter(isKept),
    seenAbsent: false,
    deleteSent: false,
  };
}

/** The period if the addition of an open intent took effect: it was only written over an absent membership. */
export function asWritten(period: Period | null, { pair, memberAttribute, values, at }: Intent): Period {
  return writtenPeriod(period, { pair, attribute: memberAttribute, values, heldSince: period?.heldSince ?? at });
}

/** What a proved write of an open intent amounts to, for the claim. */
export function foundApplied(intent: Intent, { period, grants }: Pick<PairState, 'period' | 'grants'>): Member {
  const { pair, at } = intent;
  return {
    kind: 'member',
    finding: 'granted',
    at,
    period: asWritten(period, intent),
    intentId: intent.intentId,
    placeholder: intent.placeholder === null ? null : { groupId: pair.group.id, value: null },
    // It was written over an absent membership, and no grant of the pair was claimed since: each waits for this intent.
    drifted: grants,
  };
}

/** A member was seen: whatever delete of ours was sent, it is not why the value may be absent later. */
export function withValue(period: Period, { pair, attribute, value }: Asked): Period {
  const seen = { ...period, pair, deleteSent: false };
  if (period.memberAttribute !== attribute || [...period.values, ...period.metValues].includes(value)) return seen;
  return { ...seen, metValues: [...period.metValues, value] };
}

/** The period without what was seen to be gone, or to be somebody else's. */
export function withoutValues(period: Period, gone: readonly string[]): Period {
  const isKept = (one: string): boolean => !gone.includes(one);
  return { ...period, values: period.values.filter(isKept), metValues: period.metValues.filter(isKept) };
}
