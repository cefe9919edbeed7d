import type { Dn } from '../access/dn.ts';
import type { EntryId } from '../access/ids.ts';
import { isOurs, type MemberAttribute } from '../access/membership.ts';
import { type JobError, jobError } from '../access/outcome.ts';
import type { GroupEntry } from '../directory/directory.ts';
import type { EngineParts } from './engine-parts.ts';
import { sameValue } from './same-value.ts';

/** A member value that was written, or may have been, for one entry, and that another goes by now. */
interface Namesake {
  readonly occupant: EntryId;
  readonly group: GroupEntry;
  readonly attribute: MemberAttribute;
  readonly value: string;
}

/**
 * Whether we wrote that value for who goes by it now: then it was absent after whatever was written for the one before, and
 * a period of theirs answers for it. `unsettled` while the outcome of such a write is unknown. Where values are links,
 * any period of ours of theirs answers for the link, since it has followed them from whatever name.
 */
export async function writtenForNamesake(
  { ledger }: EngineParts,
  { occupant, group, attribute, value }: Namesake,
): Promise<'written' | 'unsettled' | 'not'> {
  const { period, intent } = await ledger.pairState({
    user: { id: occupant, dn: value as Dn },
    group: { id: group.id, dn: group.dn },
  });
  const isThis = (one: string): boolean => sameValue(attribute, one, value);
  if (period !== null && isOurs(period) && period.memberAttribute === attribute)
    if (group.linksMembers || period.values.some(isThis)) return 'written';
  return intent?.kind === 'add' && intent.memberAttribute === attribute && intent.values.some(isThis) ? 'unsettled' : 'not';
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
