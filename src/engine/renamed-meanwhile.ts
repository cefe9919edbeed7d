import { type MemberAttribute, memberValueOf } from '../access/membership.ts';
import { type JobError, jobError } from '../access/outcome.ts';
import type { Pair } from '../access/reference.ts';
import { DirectoryError } from '../directory/directory.ts';
import type { EngineParts } from './engine-parts.ts';
import { sameValue } from './same-value.ts';

interface Written {
  readonly pair: Pair;
  readonly attribute: MemberAttribute;
  readonly value: string;
  /** The placeholder that went out by the same modify. */
  readonly leaving: string | null;
}

/**
 * Looks whether the user still has the name that was just written; null where it has, or where nobody can be found. A name
 * that is nobody's any more gives no access to the user, and would give it to whoever takes it next, so it is taken out again.
 * `isTakenBack` only if a probe shows neither the old name nor the new one: where values follow their users, it has followed.
 */
export async function takeBackIfRenamed(
  { directory, signal }: EngineParts,
  { pair, attribute, value, leaving }: Written,
): Promise<{ error: JobError; isTakenBack: boolean } | null> {
  const user = await directory.locateUser(pair.user.id, signal);
  const named = user === null ? null : memberValueOf(attribute, user);
  if (named === null || (named.kind === 'value' && sameValue(attribute, named.value, value))) return null;
  const error = jobError(
    'directory_unavailable',
    `"${pair.user.dn}" was renamed while it was being added to "${pair.group.dn}"; it is looked up again and added by its new name`,
  );
  const values = named.kind === 'value' ? [value, named.value] : [value];
  try {
    const add = leaving === null ? [] : [leaving];
    const { presences } = await directory.change({ group: pair.group.dn, attribute, add, remove: [value] }, values);
    return { error, isTakenBack: presences.every((presence) => presence === 'absent') };
  } catch (cause) {
    if (!(cause instanceof DirectoryError)) throw cause;
    return { error, isTakenBack: false };
  }
}
