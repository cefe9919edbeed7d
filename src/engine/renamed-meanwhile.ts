import { type MemberAttribute, memberValueOf } from '../access/membership.ts';
import { type JobError, jobError } from '../access/outcome.ts';
import type { Pair } from '../access/reference.ts';
import { DirectoryError, type MembershipChange } from '../directory/directory.ts';
import type { EngineParts } from './engine-parts.ts';
import { sameValue } from './same-value.ts';

interface Written {
  readonly pair: Pair;
  readonly attribute: MemberAttribute;
  readonly value: string;
  /** The placeholder that went out by the same modify. */
  readonly leaving: string | null;
  /** The modify itself was answered with success, so what the probe then saw is its work. */
  readonly isOurs: boolean;
}

/** `isTakenBack` only where it is certain that nothing of the write is left. */
interface TakenBack {
  readonly error: JobError;
  readonly isTakenBack: boolean;
}

/**
 * Looks whether user and group still have the names that were just written; null where they have. What was written by a name
 * of before is taken out again.
 */
export async function takeBackIfRenamed(parts: EngineParts, written: Written): Promise<TakenBack | null> {
  const now = await namesNow(parts, written);
  switch (now.kind) {
    case 'same':
      return null;
    case 'renamed':
      return takeBackName(parts, written, now.value);
    case 'elsewhere':
      return takeBackFromOthers(parts, written);
    default:
      return now satisfies never;
  }
}

/** `renamed`: the user, who goes by this value now; `elsewhere`: the group is not at its name any more, or one of them is gone. */
type NamesNow = { readonly kind: 'same' | 'elsewhere' } | { readonly kind: 'renamed'; readonly value: string | null };

/** Whether user and group still go by the names that were looked up for a write, or for a probe. */
export async function namesNow(
  { directory, signal }: EngineParts,
  { pair, attribute, value }: Pick<Written, 'pair' | 'attribute' | 'value'>,
): Promise<NamesNow> {
  const [user, group] = await Promise.all([
    directory.locateUser(pair.user.id, signal),
    directory.locateGroup(pair.group.id, signal),
  ]);
  if (user === null || group === null || !sameValue('member', group.dn, pair.group.dn)) return { kind: 'elsewhere' };
  const named = memberValueOf(attribute, user);
  if (named.kind === 'value' && sameValue(attribute, named.value, value)) return { kind: 'same' };
  return { kind: 'renamed', value: named.kind === 'value' ? named.value : null };
}

/**
 * A name that is nobody's any more gives no access to the user, and would give it to whoever takes it next. It is taken back
 * only if a probe shows neither the old name nor the new one: where values follow their users, it has followed.
 */
async function takeBackName(parts: EngineParts, written: Written, nameNow: string | null): Promise<TakenBack> {
  const { pair, value } = written;
  const error = jobError(
    'directory_unavailable',
    `"${pair.user.dn}" was renamed while it was being added to "${pair.group.dn}"; it is looked up again and added by its new name`,
  );
  const presences = await takeOut(parts, written, nameNow === null ? [value] : [value, nameNow]);
  return { error, isTakenBack: presences?.every((presence) => presence === 'absent') === true };
}

/**
 * One of them is elsewhere or gone, and another may have taken its name: a group that no ending of this grant would ever look
 * at, or a person whom it is not for. What a modify of ours put there is taken out; the intent stays open, since it may as well
 * have been put into the group before that left, or have followed the user, and is then found by their ids.
 */
async function takeBackFromOthers(parts: EngineParts, written: Written): Promise<TakenBack> {
  const { pair, value, isOurs } = written;
  const error = jobError(
    'directory_unavailable',
    `"${pair.user.dn}" or "${pair.group.dn}" was deleted or renamed while the one was being added to the other; looking again`,
  );
  if (isOurs) await takeOut(parts, written, [value]);
  return { error, isTakenBack: false };
}

/** What a probe of these values shows afterwards; null where there is no answer. */
async function takeOut(
  { directory, lateRemovals }: EngineParts,
  { pair, attribute, value, leaving }: Written,
  probed: readonly string[],
) {
  const change: MembershipChange = {
    group: pair.group.dn,
    attribute,
    add: leaving === null ? [] : [leaving],
    remove: [value],
  };
  try {
    return (await directory.change(change, probed)).presences;
  } catch (cause) {
    if (!(cause instanceof DirectoryError)) throw cause;
    if (cause.sent) lateRemovals.lost(pair);
    return null;
  }
}
