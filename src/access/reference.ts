import type { Dn } from './dn.ts';
import type { EntryId } from './ids.ts';

/** How a job names a user: exactly one way. */
export type UserRef =
  | { readonly by: 'dn'; readonly dn: Dn }
  | { readonly by: 'id'; readonly id: EntryId }
  | { readonly by: 'email'; readonly email: string }
  | { readonly by: 'username'; readonly username: string };

/** How a job names a group: exactly one way. */
export type GroupRef =
  | { readonly by: 'dn'; readonly dn: Dn }
  | { readonly by: 'id'; readonly id: EntryId }
  | { readonly by: 'name'; readonly name: string };

/** A reference as it was said. */
export function shownRef(ref: UserRef | GroupRef): string {
  switch (ref.by) {
    case 'dn':
      return ref.dn;
    case 'id':
      return ref.id;
    case 'email':
      return ref.email;
    case 'username':
      return ref.username;
    case 'name':
      return ref.name;
    default:
      return ref satisfies never;
  }
}

/** An entry as it is known: by its stable id, with the name it had when last seen. */
export interface EntryRef {
  readonly id: EntryId;
  readonly dn: Dn;
}

/** One user in one group: what a grant is about. */
export interface Pair {
  readonly user: EntryRef;
  readonly group: EntryRef;
}

/** True where both name the same user and the same group, by stable id. */
export function samePair(one: Pair, other: Pair): boolean {
  return one.user.id === other.user.id && one.group.id === other.group.id;
}

/** A text that is the same for two pairs exactly if they are the same; for maps and locks. */
export function pairKey(pair: Pair): string {
  return `${pair.user.id}/${pair.group.id}`;
}
