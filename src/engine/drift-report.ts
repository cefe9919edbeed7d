import { parentDn } from '../access/dn.ts';
import type { Observed } from '../access/event.ts';
import type { ActiveGrant } from '../access/grant.ts';
import { isOurs, type Period } from '../access/membership.ts';
import type { EntryRef, Pair } from '../access/reference.ts';
import type { GroupEntry, UserEntry } from '../directory/directory.ts';
import type { PairState } from '../ledger/ledger.ts';
import type { EngineParts } from './engine-parts.ts';
import { type Attempted, DONE } from './pursuits.ts';
import { sameValue } from './same-value.ts';
import { viewOf } from './views.ts';
import { withoutValues, withValue } from './written-period.ts';

/** What a look under the locks found of an active grant whose user and group are there. */
export interface DriftFound {
  readonly grant: ActiveGrant;
  readonly state: PairState;
  readonly period: Period;
  readonly user: UserEntry;
  readonly group: GroupEntry;
  /** As they are named now. */
  readonly pair: Pair;
  /** The value that names the user now; null where there is none. */
  readonly current: string | null;
  /** The user is a member, by that value or by an attribute of its own. */
  readonly isThere: boolean;
  /** Earlier names of the user, under which we wrote or met it, that were seen absent. */
  readonly gone: readonly string[];
  /** An earlier name of the user, under which we wrote or met it, still stands in the group. */
  readonly isNamedBefore: boolean;
}

/** A drift, as it is told. */
export interface ToldDrift {
  readonly grant: ActiveGrant;
  readonly observed: Observed;
  readonly action: 'reported' | 'followed';
}

/** Not known yet, or not ours to disturb now: looked at again. */
export const AGAIN: Attempted = { done: false };

/** True where the membership was seen absent, and that was told. */
function isKnownAbsent(period: Period): boolean {
  return period.standing === false && !isOurs(period);
}

/** The member is there: new names are followed, and one that had been gone is somebody else's since. */
export async function met(parts: EngineParts, found: DriftFound): Promise<Attempted> {
  const { grant, period, pair, current } = found;
  parts.doubtedAdditions.seen(pair);
  const told = namesOf(found, 'followed');
  const isBack = isKnownAbsent(period);
  // What has followed its user is under the earlier name no more: whoever goes by that next was put there by somebody else.
  const gone = current === null ? [] : found.gone;
  if (told.length === 0 && !isBack && gone.length === 0) return DONE;
  const asMet =
    current === null
      ? period
      : withoutValues(withValue(period, { ...found, attribute: period.memberAttribute, value: current }), gone);
  await save(parts, found, { ...asMet, pair, standing: isBack ? true : period.standing }, told);
  if (isBack)
    parts.log.info(
      { event: 'grant.met-again', grantId: grant.grantId, user: pair.user, group: pair.group },
      'a membership that had vanished is there again by somebody else, and stays when the grant ends',
    );
  return DONE;
}

/**
 * The membership has vanished: told once, since from then on the ledger knows. Where an earlier name of the user still stands in
 * the group it is kept in mind, for the ending to take out.
 */
export async function reportAbsent(parts: EngineParts, found: DriftFound): Promise<Attempted> {
  const { grant, state, period, pair } = found;
  if (found.isNamedBefore) {
    const told = namesOf(found, 'reported');
    if (told.length > 0) await save(parts, found, { ...period, pair }, told);
    return DONE;
  }
  const isNews = !isKnownAbsent(period);
  const others = state.grants.filter((one): one is ActiveGrant => one.state === 'active' && one.grantId !== grant.grantId);
  const told = [
    ...namesOf(found, 'followed'),
    ...(isNews ? [{ ...grant, pair }, ...others] : []).map(
      (one): ToldDrift => ({ grant: { ...one, standing: false }, observed: 'absent', action: 'reported' }),
    ),
  ];
  if (told.length > 0) await save(parts, found, { ...period, pair, standing: false, values: [], metValues: [] }, told);
  return DONE;
}

/** What is told of names that are others than the ledger knows. */
export function namesOf({ grant, pair }: DriftFound, action: ToldDrift['action']): readonly ToldDrift[] {
  const changes = [changeOfName(grant.pair.user, pair.user), changeOfName(grant.pair.group, pair.group)];
  return [...new Set(changes)].flatMap((observed) =>
    observed === null ? [] : [{ grant: { ...grant, pair }, observed, action }],
  );
}

function changeOfName({ dn: before }: EntryRef, { dn: now }: EntryRef): 'renamed' | 'moved' | null {
  if (sameValue('member', before, now)) return null;
  return sameValue('member', parentDn(before) ?? '', parentDn(now) ?? '') ? 'renamed' : 'moved';
}

/** The grant by its names of now and the period, with what is told of them: all in one transaction. */
async function save(
  { ledger, time, log }: EngineParts,
  found: DriftFound,
  period: Period,
  told: readonly ToldDrift[],
): Promise<void> {
  const { grant: before, pair } = found;
  const at = time.now();
  const grant: ActiveGrant = { ...before, pair, standing: period.standing };
  const facts = {
    standing: period.standing,
    evidence: found.current === null ? 'probe: absent' : 'probe: member',
    names: before.pair,
  };
  await ledger.activate(
    { grant, period, intentId: null, placeholder: null },
    {
      at,
      events: told.map(({ grant: one, observed, action }) => ({ kind: 'grant.drifted', grant: viewOf(one), observed, action })),
      audit:
        told.length === 0
          ? [{ kind: 'grant.drifted', at, grantId: grant.grantId, pair, facts: { ...facts, observed: 'member' } }]
          : told.map(({ grant: { grantId }, observed, action }) => ({
              kind: 'grant.drifted',
              at,
              grantId,
              pair,
              facts: { ...facts, observed, action },
            })),
    },
  );
  for (const { grant: one, observed, action } of told)
    log.warn(
      { event: 'grant.drifted', grantId: one.grantId, observed, action, user: pair.user, group: pair.group },
      'the directory is not as the ledger believed',
    );
}
