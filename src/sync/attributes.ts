import { type AttributeCounts, SYNC_ATTRIBUTES, type SyncAttribute, type SyncCounts } from '../access/sync.ts';
import type { ReadGroup, ReadUser } from '../directory/directory-reader.ts';

// A server tells nobody that it hides an attribute: entries come without it, as those do that never had it. That everybody has lost
// the same one is a right that is gone far more often than it is meant.

type UserAttribute = Exclude<SyncAttribute, 'description' | 'owner'>;

const USER_HAS: Record<UserAttribute, (user: ReadUser) => boolean> = {
  username: ({ namedBy }) => namedBy === 'attribute',
  fullName: ({ fullName }) => fullName !== null,
  email: ({ emails }) => emails.length > 0,
  manager: ({ managerDn }) => managerDn !== null,
  uid: ({ uids }) => uids.length > 0,
};

/** In the order of their bits in {@link attributesOf}. */
const OF_USERS = ['username', 'fullName', 'email', 'manager', 'uid'] as const satisfies readonly UserAttribute[];

const CALLED: Record<SyncAttribute, string> = {
  username: 'username (LDAP_USERNAME_ATTRIBUTE)',
  fullName: 'full name (LDAP_FULL_NAME_ATTRIBUTE)',
  email: 'e-mail address (LDAP_USER_EMAIL_ATTRIBUTE)',
  manager: 'manager (LDAP_MANAGER_ATTRIBUTE)',
  uid: 'uid',
  description: 'description',
  owner: 'owner (LDAP_OWNER_ATTRIBUTE)',
};

/** So few may lose an attribute without anybody looking, where others never had it. */
const MANY = 5;

/** Of these, a company of four does not lose the last by a change of its own. */
const EVERYBODY_HAS: readonly SyncAttribute[] = ['username', 'fullName', 'email'];

/** Which attributes a user has, a bit each. */
export function attributesOf(user: ReadUser): number {
  let has = 0;
  for (const [bit, attribute] of OF_USERS.entries()) if (USER_HAS[attribute](user)) has |= 1 << bit;
  return has;
}

/** Counts who has which attribute, as a directory is read whole. */
export interface AttributeCounter {
  /** As {@link attributesOf} tells it. */
  user(has: number): void;
  group(group: Pick<ReadGroup, 'description' | 'ownerDns'>): void;
  counts(): AttributeCounts;
}

export function attributeCounter(): AttributeCounter {
  const counts = { username: 0, fullName: 0, email: 0, manager: 0, uid: 0, description: 0, owner: 0 };
  return {
    user(has) {
      for (const [bit, attribute] of OF_USERS.entries()) if ((has & (1 << bit)) !== 0) counts[attribute] += 1;
    },
    group({ description, ownerDns }) {
      if (description !== null) counts.description += 1;
      if (ownerDns.length > 0) counts.owner += 1;
    },
    counts: () => ({ ...counts }),
  };
}

/** What many had when everything was read last, or each of a few users, and nobody has now. */
export function lostAttributes({
  before,
  now,
  published,
}: {
  /** Null where it is not known, or was not all read: nothing is lost then. */
  before: AttributeCounts | null;
  now: AttributeCounts | null;
  published: SyncCounts;
}): readonly SyncAttribute[] {
  if (before === null || now === null) return [];
  return SYNC_ATTRIBUTES.filter((attribute) => {
    const had = before[attribute];
    const hadAll = had > 0 && had >= published.users && EVERYBODY_HAS.includes(attribute);
    return now[attribute] === 0 && (had >= MANY || hadAll);
  });
}

/** Says so, and what to do. */
export function lostMessage(lost: readonly SyncAttribute[], before: AttributeCounts): string {
  const told = lost.map((attribute) => {
    const who = attribute === 'description' || attribute === 'owner' ? 'groups' : 'users';
    return `${CALLED[attribute]}: ${before[attribute]} ${who} had it when the directory was last read whole, and none has it now`;
  });
  return `${told.join('; ')}; nothing was published. Most often the account has lost the right to read it: give it that right ("latchkey acl" prints what it needs)`;
}

/** Names of attributes, for a sentence. */
export function calledAttributes(lost: readonly SyncAttribute[]): string {
  return lost.map((attribute) => CALLED[attribute]).join(', ');
}

/** Who of the changed users has lost what. */
export interface LostByChanged {
  take(change: { readonly before: number; readonly now: number }): void;
  /** What many have lost, and nobody who changed has. */
  lost(): readonly SyncAttribute[];
}

export function lostByChanged(): LostByChanged {
  const lost = OF_USERS.map(() => 0);
  let had = 0;
  return {
    take({ before, now }) {
      had |= now;
      for (const bit of OF_USERS.keys()) if ((before & ~now & (1 << bit)) !== 0) lost[bit] = (lost[bit] ?? 0) + 1;
    },
    lost: () => OF_USERS.filter((_, bit) => (lost[bit] ?? 0) >= MANY && (had & (1 << bit)) === 0),
  };
}
