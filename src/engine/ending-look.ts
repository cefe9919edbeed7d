import type { Instant } from '../access/instant.ts';
import type { Intent } from '../access/intent.ts';
import { type EndingValue, type MemberAttribute, memberValueOf, type Period } from '../access/membership.ts';
import { jobError } from '../access/outcome.ts';
import type { Absence } from '../access/pair-history.ts';
import type { GroupEntry, UserEntry } from '../directory/directory.ts';
import type { PairState } from '../ledger/ledger.ts';
import { unknownMembership } from './directory-errors.ts';
import { claimEnded, type EndingAttempt, later } from './ending-claim.ts';
import type { EngineParts } from './engine-parts.ts';
import { witnessOfGroup } from './gone-proofs.ts';
import { hiddenMember, isNamesakes, leadsNowhere, namesakeUnsettled } from './namesakes.ts';
import type { Attempted } from './pursuits.ts';
import { sameValue } from './same-value.ts';

/** What was found about the pair in the directory, before anything is deleted. */
export interface Found {
  /** When the look began. */
  readonly at: Instant;
  readonly group: GroupEntry;
  readonly user: UserEntry | null;
  readonly values: readonly EndingValue[];
}

/** An ending whose next wait would be shorter than this has failed so few times that it is looked at again at once. */
const PATIENCE_MS = 1000;

/**
 * The name or the membership changed while we looked, and what was seen of it before proves nothing. A directory that says
 * another thing each time is not asked without a pause for ever.
 */
export async function lookAgain(parts: EngineParts, attempt: EndingAttempt): Promise<Attempted> {
  if (attempt.nextDelayMs < PATIENCE_MS) return { done: false, afterMs: 0 };
  const { user, group } = attempt.grant.pair;
  const error = jobError(
    'directory_unavailable',
    `"${user.dn}" was renamed, or put back into "${group.dn}", each time that the membership was looked at; looking again`,
  );
  return later(parts, attempt, error);
}

/** Finds group and user by their ids, wherever they are now, and probes every value that may be ours. */
export async function look(
  parts: EngineParts,
  attempt: EndingAttempt,
  { state, period }: { state: PairState; period: Period },
): Promise<Found | Attempted> {
  const { directory, signal, failPoints, time } = parts;
  const { pair } = attempt.grant;
  const at = time.now();
  const group = await directory.locateGroup(pair.group.id, signal);
  const user = await directory.locateUser(pair.user.id, signal);
  failPoints('end.located');
  if (group === null) return groupMissing(parts, attempt, { state, period, user });

  const attribute = period.memberAttribute;
  const current = nameNow(user, attribute);
  const recorded = [...period.values, ...period.metValues].filter(
    (value) => current === null || !sameValue(attribute, value, current),
  );
  // What follows its user goes from a recorded value to the current one, so this order misses it in neither.
  const earlier =
    recorded.length === 0
      ? []
      : await directory.probe({ group: group.dn, attribute, values: recorded, likely: 'absent' }, signal);
  const now =
    current === null ? [] : await directory.probe({ group: group.dn, attribute, values: [current], likely: 'member' }, signal);
  failPoints('end.probed-before');
  parts.onProbed(pair);
  if (nameNow(await directory.locateUser(pair.user.id, signal), attribute) !== current) return lookAgain(parts, attempt);

  const candidates = [
    ...recorded.map((value) => ({ value, origin: 'recorded' }) as const),
    ...(current === null ? [] : [{ value: current, origin: 'current' } as const]),
  ];
  const presences = [...earlier, ...now];
  const values: EndingValue[] = [];
  for (const [i, { value, origin }] of candidates.entries()) {
    const presence = presences[i];
    if (presence === 'unknown' && (await leadsNowhere(parts, { group, attribute, value, current }))) continue;
    if (presence !== 'member' && presence !== 'absent') return later(parts, attempt, unknownMembership(group.dn));
    const occupant = origin === 'recorded' && presence === 'member' ? await directory.occupant(attribute, value, signal) : null;
    const isLink = group.linksMembers && origin === 'recorded' && presence === 'member';
    // Another spelling of the name that the user has now, which is looked at beside it.
    if (isLink && occupant === pair.user.id && current !== null) continue;
    if (isLink && occupant === null) return later(parts, attempt, hiddenMember(group, value));
    const isOccupied = occupant !== null && occupant !== pair.user.id;
    const namesakes =
      isOccupied && !isLink ? await isNamesakes(parts, { user: pair.user, occupant, group, attribute, value }) : 'not';
    if (namesakes === 'unsettled') return later(parts, attempt, namesakeUnsettled(group, value));
    values.push({
      value,
      origin,
      written: period.values.some((one) => sameValue(attribute, one, value)),
      presence,
      occupied: isOccupied,
      anothers: isOccupied && (isLink || namesakes === 'theirs'),
    });
  }
  if (values.some(({ presence, anothers }) => presence === 'member' && !anothers)) parts.doubtedAdditions.seen(pair);
  return { at, group, user, values };
}

/** What was seen absent: in the look, and once those values were taken out. */
export function absenceOf({ at, values }: Found, { memberAttribute }: Period, removed: readonly string[] = []): Absence | null {
  const absent = values.filter(({ presence, value }) => presence === 'absent' || removed.includes(value));
  return absent.length === 0 ? null : { memberAttribute, values: absent.map(({ value }) => value), at };
}

/**
 * True where group and user are still named as they were found. A value that was then deleted, and seen absent while the
 * names stood, has followed its user nowhere, and need not be looked for again.
 */
export async function isUnmoved(
  { directory, signal }: EngineParts,
  { group, user }: Found,
  attribute: MemberAttribute,
): Promise<boolean> {
  if (user === null) return false;
  const groupNow = await directory.locateGroup(group.id, signal);
  const userNow = await directory.locateUser(user.id, signal);
  return groupNow?.dn === group.dn && nameNow(userNow, attribute) === nameNow(user, attribute);
}

/** The value by which the user would be a member now; null where there is no user, or none that this attribute can hold. */
export function nameNow(user: UserEntry | null, attribute: MemberAttribute): string | null {
  const named = user === null ? null : memberValueOf(attribute, user);
  return named?.kind === 'value' ? named.value : null;
}

/** A group that cannot be found is gone only with proof; then nobody is in it. */
async function groupMissing(
  parts: EngineParts,
  attempt: EndingAttempt,
  { state, period, user }: { state: PairState; period: Period; user: UserEntry | null },
): Promise<Attempted> {
  const { pair } = attempt.grant;
  parts.onProbed(pair);
  const witness = await witnessOfGroup(parts, { pair, user });
  const verdict = await parts.goneProofs.ask({ entry: pair.group, witness }, parts.signal);
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

export function deleteWasSent(period: Period, intent: Intent | null): boolean {
  return period.deleteSent || intent?.kind === 'remove';
}

/** How soon an ending looks again that came before it was known what is doubted: the ledger answers within milliseconds. */
const FINDING_MS = 250;

/** Absence proves nothing while an addition of ours may still take effect. */
export function waitForLateWrites(parts: EngineParts, attempt: EndingAttempt): Promise<Attempted> | null {
  const { pair } = attempt.grant;
  const { lateWrites, doubtedAdditions } = parts;
  const remainingMs = Math.max(lateWrites.remainingMs(pair), doubtedAdditions.isFinding() ? FINDING_MS : 0);
  if (remainingMs === 0) return null;
  const error = jobError(
    'directory_unavailable',
    `"${pair.user.dn}" is not in "${pair.group.dn}" now, but an addition whose answer was lost, or which the directory server that took over may not have yet, may still take effect; waiting until it cannot`,
  );
  // It is looked for as often as anything that does not come: what a server catches up with must not stand until the doubt is over.
  const isDoubted = doubtedAdditions.remainingMs(pair) > 0;
  return later(parts, attempt, error, isDoubted ? Math.min(remainingMs, attempt.nextDelayMs) : remainingMs);
}

/** A user that cannot be found may be where we cannot look, and still a member by a name that we do not know. */
export async function userMissing(
  parts: EngineParts,
  attempt: EndingAttempt,
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
