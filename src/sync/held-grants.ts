import type { EntryId, GrantId } from '../access/ids.ts';
import type { HeldMembership, Ledger } from '../ledger/ledger.ts';

/** By group and user: which grant of ours holds the membership. */
export type HeldGrants = ReadonlyMap<EntryId, ReadonlyMap<EntryId, GrantId>>;

/** Rows that are read in one turn. */
const AT_A_TIME = 500;

/** Reads what grants hold now. */
export async function heldGrants(ledger: Pick<Ledger, 'heldMemberships'>): Promise<HeldGrants> {
  const held = new Map<EntryId, Map<EntryId, GrantId>>();
  let after: HeldMembership | null = null;
  // Ends: each turn goes on behind the last.
  for (;;) {
    const some: readonly HeldMembership[] = await ledger.heldMemberships({ after, limit: AT_A_TIME });
    for (const one of some) put(held, one);
    after = some.at(-1) ?? null;
    if (some.length < AT_A_TIME) return held;
  }
}

/**
 * What grants held at some time of a read: a membership that was read while a grant held it is not standing since the grant has
 * ended meanwhile.
 */
export function heldMeanwhile(before: HeldGrants, after: HeldGrants): HeldGrants {
  const held = new Map([...before].map(([groupId, users]) => [groupId, new Map(users)]));
  for (const [groupId, users] of after) for (const [userId, grantId] of users) put(held, { groupId, userId, grantId });
  return held;
}

function put(held: Map<EntryId, Map<EntryId, GrantId>>, { groupId, userId, grantId }: HeldMembership): void {
  const users = held.get(groupId) ?? new Map<EntryId, GrantId>();
  users.set(userId, grantId);
  held.set(groupId, users);
}
