import type { Dn } from '../access/dn.ts';
import type { EntryId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import { isOurs, type MemberAttribute } from '../access/membership.ts';
import { type JobError, jobError } from '../access/outcome.ts';
import type { EntryRef, Pair } from '../access/reference.ts';
import type { GroupEntry } from '../directory/directory.ts';
import type { EngineParts } from './engine-parts.ts';
import { sameValue } from './same-value.ts';

/** A member value that was written, or may have been, for one user, and that another goes by now. */
interface Namesake {
  readonly user: EntryRef;
  readonly occupant: EntryId;
  readonly group: GroupEntry;
  readonly attribute: MemberAttribute;
  readonly value: string;
}

/**
 * Whether that value is of who goes by it now, and nothing of what we wrote for the user: we wrote it for them, so that it was absent
 * after whatever was written for the user, and a period of theirs answers for it; or it was seen absent for them since,
 * and whoever put it there again did it for them. `unsettled` while the outcome of such a write is unknown. Where values are
 * links, any period of ours of theirs answers for the link, since it has followed them from whatever name.
 */
export async function isNamesakes(parts: EngineParts, namesake: Namesake): Promise<'theirs' | 'unsettled' | 'not'> {
  const { occupant, group, attribute, value } = namesake;
  const { period, intent } = await parts.ledger.pairState(pairOf(occupant, namesake));
  const isThis = (one: string): boolean => sameValue(attribute, one, value);
  if (period !== null && isOurs(period) && period.memberAttribute === attribute)
    if (group.linksMembers || period.values.some(isThis)) return 'theirs';
  if (intent?.kind === 'add' && intent.memberAttribute === attribute && intent.values.some(isThis)) return 'unsettled';
  return (await wasAbsentSince(parts, namesake)) ? 'theirs' : 'not';
}

function pairOf(user: EntryId, { group, value }: Namesake): Pair {
  return { user: { id: user, dn: value as Dn }, group: { id: group.id, dn: group.dn } };
}

/**
 * True where the ledger knows that the value was seen absent when nothing of what was written for the user could put it there any
 * more: before an addition of it for the other, or as a grant of theirs ended. What another server may have lost says nothing.
 */
async function wasAbsentSince(parts: EngineParts, namesake: Namesake): Promise<boolean> {
  const { ledger } = parts;
  const { occupant, attribute, value } = namesake;
  const isThis = (of: MemberAttribute, one: string): boolean => of === attribute && sameValue(attribute, one, value);
  const written = await writtenUntil(parts, namesake, isThis);
  if (written === null) return false;
  const { additions, absences, isDoubted, serverSince } = await ledger.pairHistory(pairOf(occupant, namesake));
  const isKnown = (at: Instant): boolean => !isDoubted || at > serverSince;
  // In one millisecond their order says which was first, where there is one.
  const isAfter = (at: Instant, intentId: number): boolean =>
    at > written.at || (at === written.at && intentId > written.intentId);
  return (
    additions.some(
      ({ memberAttribute, ...one }) => isThis(memberAttribute, one.value) && isKnown(one.at) && isAfter(one.at, one.intentId),
    ) ||
    absences.some(
      ({ memberAttribute, values, at }) => values.some((one) => isThis(memberAttribute, one)) && isKnown(at) && at > written.at,
    )
  );
}

/** Until when a write for the user could put that value there, and the last of them; null where that is unknown. */
async function writtenUntil(
  { ledger, timings, doubtedAdditions }: EngineParts,
  namesake: Namesake,
  isThis: (attribute: MemberAttribute, value: string) => boolean,
): Promise<{ readonly at: Instant; readonly intentId: number } | null> {
  const pair = pairOf(namesake.user.id, namesake);
  const [{ period }, { additions, metAt, isDoubted, serverSince }] = [
    await ledger.pairState(pair),
    await ledger.pairHistory(pair),
  ];
  const written = additions.filter(({ memberAttribute, value }) => isThis(memberAttribute, value));
  const isMet = period?.metValues.some((one) => isThis(period.memberAttribute, one)) === true;
  const until = written.map(({ closedAt, isReplaced }) =>
    closedAt === null ? null : closedAt + (isReplaced ? timings.lateWriteMs : 0),
  );
  if (isMet) until.push(metAt);
  // What was written on the server before may come yet, or never leave.
  if (isDoubted) until.push(serverSince + doubtedAdditions.doubtMs);
  const known = until.filter((at) => at !== null);
  if (written.length + Number(isMet) === 0 || known.length < until.length) return null;
  const intentId = isMet ? Number.POSITIVE_INFINITY : Math.max(...written.map((one) => one.intentId));
  return { at: Math.max(...known) as Instant, intentId };
}

/**
 * A server whose values are links may have no answer about a name that nobody has any more. The user's own link is named as it is
 * now, so no answer about another name says nothing of it.
 */
export async function leadsNowhere(
  { directory, signal }: EngineParts,
  { group, attribute, value, current }: Pick<Namesake, 'group' | 'attribute' | 'value'> & { current: string | null },
): Promise<boolean> {
  if (!group.linksMembers || current === null || value === current) return false;
  return (await directory.occupant(attribute, value, signal)) === null;
}

/** Whose a value is will be known when the write for the other one is settled, which waits for nobody. */
export function namesakeUnsettled(group: GroupEntry, value: string): JobError {
  return jobError(
    'directory_unavailable',
    `"${value}" is a member of "${group.dn}", and whether it was written for the one who goes by that name now is still unknown`,
  );
}

/** A link leads to an entry that this account cannot see: the user's, or another's. */
export function hiddenMember(group: GroupEntry, value: string): JobError {
  return jobError(
    'directory_refused',
    `"${value}" is a member of "${group.dn}", and the entry of that name cannot be seen, so whose membership it is is unknown; give the connector's account the right to see it`,
  );
}
