import type { Dn } from '../../src/access/dn.ts';
import type { MembershipChange } from '../../src/directory/directory.ts';
import type { EngineUnderTest } from './engine-under-test.ts';

/**
 * Whose a value in a group is: `ours` where we wrote it, `others` where somebody else did, `either` where somebody else did
 * while a period or an open write of ours claimed the membership, so that nobody can tell.
 */
type Owner = 'ours' | 'others' | 'either';

/** The book, and the hands of everybody but the connector. */
export interface Owners {
  readonly wrongs: readonly string[];
  leaked(): readonly string[];
  putIn(user: Dn, group: Dn): void;
  takeOut(user: Dn, group: Dn): void;
  rename(user: Dn, to: Dn): void;
  delete(user: Dn): void;
  /** What was to be applied late is applied now. */
  late(): void;
}

/** Keeps a book of who wrote what, beside the directory. */
export function watchWrites(rig: EngineUnderTest, { referentialIntegrity }: { referentialIntegrity: boolean }): Owners {
  const { tree } = rig.fake;
  const owners = new Map<string, Owner>();
  const wrongs: string[] = [];
  const apply = tree.apply;
  let isLate = false;
  const key = (group: Dn, value: string): string => `${group} ${value}`;

  function announced(kind: 'add' | 'remove', value: string): boolean {
    return rig.ledger.auditRecords().some(({ kind: record, facts }) => {
      if (record !== 'intent.opened' || facts['kind'] !== kind) return false;
      return facts['value'] === value || (Array.isArray(facts['values']) && facts['values'].includes(value));
    });
  }

  function isOpen(kind: 'add' | 'remove', value: string): boolean {
    return [...rig.ledger.peek().intents.values()].some(
      ({ intent, closedAt }) => closedAt === null && intent.kind === kind && intent.values.includes(value),
    );
  }

  tree.apply = (change: MembershipChange): number => {
    const code = apply(change);
    if (code !== 0) return code;
    for (const value of change.add) {
      if (!announced('add', value) || (!isLate && !isOpen('add', value))) wrongs.push(`added ${value} without an intent`);
      owners.set(key(change.group, value), 'ours');
    }
    for (const value of change.remove) {
      if (!announced('remove', value) || (!isLate && !isOpen('remove', value))) wrongs.push(`removed ${value} without an intent`);
      if (owners.get(key(change.group, value)) === 'others' && !isLate) wrongs.push(`took ${value} out of ${change.group}`);
      owners.delete(key(change.group, value));
    }
    return code;
  };

  /** True where the ledger believes that a membership of this user in this group is, or may be, its own. */
  function isClaimed(user: Dn, group: Dn): boolean {
    const id = tree.at(user)?.id;
    const { periods, intents } = rig.ledger.peek();
    const isPair = (pair: { user: { id: string; dn: Dn }; group: { dn: Dn } }) =>
      (pair.user.id === id || pair.user.dn === user) && pair.group.dn === group;
    return (
      [...periods.values()].some(
        (period) => period.standing === false && (isPair(period.pair) || period.values.includes(user)),
      ) ||
      [...intents.values()].some(
        ({ intent, closedAt }) => closedAt === null && (isPair(intent.pair) || intent.values.includes(user)),
      )
    );
  }

  return {
    wrongs,
    leaked() {
      const left: string[] = [];
      for (const entry of tree.visible()) {
        if (entry.kind !== 'group') continue;
        for (const value of entry.values) if (owners.get(key(entry.dn, value)) === 'ours') left.push(key(entry.dn, value));
      }
      return left;
    },
    putIn(user, group) {
      const owner = isClaimed(user, group) ? 'either' : 'others';
      if (apply({ group, attribute: 'member', add: [user], remove: [] }) === 0) owners.set(key(group, user), owner);
    },
    takeOut(user, group) {
      if (apply({ group, attribute: 'member', add: [], remove: [user] }) === 0) owners.delete(key(group, user));
    },
    rename(from, to) {
      tree.rename(from, to);
      if (!referentialIntegrity) return;
      for (const entry of tree.visible()) {
        const owner = owners.get(key(entry.dn, from));
        if (owner === undefined) continue;
        owners.delete(key(entry.dn, from));
        owners.set(key(entry.dn, to), owner);
      }
    },
    delete: (user) => tree.delete(user),
    late() {
      isLate = true;
      rig.fake.applyLate();
      isLate = false;
    },
  };
}
