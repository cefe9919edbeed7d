import type { Dn } from '../../src/access/dn.ts';
import type { EntryId } from '../../src/access/ids.ts';
import type { Intent } from '../../src/access/intent.ts';
import type { Pair } from '../../src/access/reference.ts';
import type { MembershipChange } from '../../src/directory/directory.ts';
import type { EngineUnderTest } from './engine-under-test.ts';
import type { FakeGroup } from './fake-tree.ts';
import { pastClaims } from './past-claims.ts';

/**
 * Whose a value in a group is: `ours` where we wrote it, `others` where somebody else did, `either` where somebody else did
 * while a period or an open write of ours claimed the membership, or where a ledger was restored, so that nobody can tell;
 * `strayed` where values are links and a write of ours that was applied late met another person of the same name: what it made
 * cannot be told from what others make, so it stays, and is reported (ARCHITECTURE, invariant 12).
 */
type Owner = 'ours' | 'others' | 'either' | 'strayed' | 'placeholder';

interface Written {
  readonly owner: Owner;
  readonly group: EntryId;
  readonly value: string;
  /** Whom an intent of ours meant by the value. */
  readonly user: EntryId | null;
}

/** The book, and the hands of everybody but the connector. */
export interface Owners {
  readonly wrongs: readonly string[];
  /** Values of ours that are in the directory although nothing in the ledger holds them any more. */
  leaked(): readonly string[];
  putIn(user: Dn, group: Dn): void;
  takeOut(user: Dn, group: Dn): void;
  /** An entry is renamed, moved or deleted; with referential integrity, values follow. */
  rename(entry: Dn, to: Dn): void;
  delete(entry: Dn): void;
  /** What was to be applied late is applied now. */
  late(): void;
  /** The ledger is an older copy from now on. */
  restored(): void;
  /** The book of a server that hears of nothing from now on; the function makes it the book of the directory. */
  copy(): () => void;
  /** Another server may have taken over: what others put in where we took out lately may be a removal of ours that was lost. */
  doubt(): void;
  /** Whatever a server that took over brought back has been looked at. */
  looked(): void;
  /** Called for each value that a write of anybody touched. */
  onTouched(listener: (group: Dn, value: string) => void): void;
}

/** Keeps a book of who wrote what, beside the directory. */
export function watchWrites(
  rig: EngineUnderTest,
  {
    referentialIntegrity,
    linksMembers,
    placeholder,
  }: { referentialIntegrity: boolean; linksMembers: boolean; placeholder: string },
): Owners {
  const { tree } = rig.fake;
  const book = new Map<string, Written>();
  /** What a server that took over brought back, and of that what was not looked at yet. */
  const broughtBack = new Set<string>();
  const unseen = new Set<string>();
  const wrongs: string[] = [];
  const past = pastClaims(rig);
  const listeners: ((group: Dn, value: string) => void)[] = [];
  const apply = tree.apply;
  let isLate = false;
  const key = (group: EntryId, value: string): string => `${group} ${value}`;
  const idOf = (group: Dn): EntryId => {
    const entry = tree.group(group);
    if (entry === null) throw new Error(`no group "${group}"`);
    return entry.id;
  };

  function intentsOf(kind: 'add' | 'remove', group: EntryId, value: string) {
    // A placeholder goes in with a removal, and leaves with an addition.
    const isMeant = (intent: { kind: string; values: readonly string[]; placeholder: string | null }) =>
      intent.kind === kind ? intent.values.includes(value) : intent.placeholder === value;
    return [...rig.ledger.peek().intents.values()].filter(({ intent }) => intent.pair.group.id === group && isMeant(intent));
  }

  function ownerOf(value: string, user: EntryId | null): Owner {
    if (value === placeholder) return 'placeholder';
    return linksMembers && isLate && tree.at(value as Dn)?.id !== user ? 'strayed' : 'ours';
  }

  function wrote(change: MembershipChange): void {
    const group = idOf(change.group);
    for (const value of change.add) {
      const intents = intentsOf('add', group, value);
      const opened = intents.filter(({ closedAt }) => closedAt === null);
      // Two may be open for one name whose entry was made anew: the write is of the one who has it.
      const open = opened.find(({ intent }) => intent.pair.user.id === tree.at(value as Dn)?.id) ?? opened[0];
      if (open === undefined && !isLate) wrongs.push(`added ${value} without an intent`);
      const user = (open ?? intents.at(-1))?.intent.pair.user.id ?? null;
      book.set(key(group, value), { owner: ownerOf(value, user), group, value, user });
      if (!isLate && open !== undefined) past.wrote(open.intent, value);
    }
    for (const value of change.remove) {
      const open = intentsOf('remove', group, value).filter(({ closedAt }) => closedAt === null);
      if (open.length === 0 && !isLate) wrongs.push(`removed ${value} without an intent`);
      const owner = book.get(key(group, value))?.owner;
      const isOfOthers = owner === 'strayed' && open.every(({ intent }) => intent.pair.user.id !== tree.at(value as Dn)?.id);
      if ((owner === 'others' || isOfOthers) && !isLate) wrongs.push(`took ${value} out of ${change.group}`);
      if (!isLate && value !== placeholder) for (const { intent } of open) heldBy(intent.pair, value);
      book.delete(key(group, value));
    }
  }

  /** Overlap is a union: nothing is taken away from under a grant that goes on. */
  function heldBy({ user, group }: Pair, value: string): void {
    for (const grant of rig.ledger.peek().grants.values()) {
      if (grant.state === 'active' && grant.pair.user.id === user.id && grant.pair.group.id === group.id)
        wrongs.push(`took ${value} out although ${grant.grantId} is active`);
    }
  }

  function touched(change: MembershipChange): void {
    for (const value of [...change.add, ...change.remove]) for (const listener of listeners) listener(change.group, value);
  }

  tree.apply = (change: MembershipChange): number => {
    const code = apply(change);
    if (code !== 0) return code;
    touched(change);
    wrote(change);
    return code;
  };

  /** True where the ledger believes that a membership of this user in this group is, or may be, its own. */
  function isClaimed(user: EntryId | undefined, group: EntryId, value: string): boolean {
    const { periods, intents, doubts } = rig.ledger.peek();
    const isPair = (pair: Pair) => (pair.user.id === user || pair.user.dn === value) && pair.group.id === group;
    for (const period of periods.values()) {
      const isOf = isPair(period.pair) || (period.pair.group.id === group && period.values.includes(value));
      if (period.standing === false && isOf && !past.isPast(period, { user, value })) return true;
    }
    for (const { intent, closedAt } of intents.values()) {
      // Until a doubt is decided, what others write cannot be told from a removal that was lost.
      const isOpen = closedAt === null || doubts.get(intent.intentId)?.isDecided === false;
      if (isOpen && (isPair(intent.pair) || (intent.pair.group.id === group && intent.values.includes(value)))) return true;
    }
    return false;
  }

  /** True where the connector has met that value, or wrote it. */
  function isNameKnown({ group, value }: Written): boolean {
    const { periods, intents } = rig.ledger.peek();
    const met = [...periods.values()].some(
      ({ pair, values, metValues }) => pair.group.id === group && (values.includes(value) || metValues.includes(value)),
    );
    return met || [...intents.values()].some(({ intent }) => intent.pair.group.id === group && intent.values.includes(value));
  }

  function groups(): FakeGroup[] {
    return tree.visible().flatMap((entry) => (entry.kind === 'group' ? [entry] : []));
  }

  /** Forgets what has left by itself. */
  function sweep(): void {
    const there = new Set(groups().flatMap(({ id, values }) => values.map((value) => key(id, value))));
    for (const one of book.keys()) if (!there.has(one)) book.delete(one);
  }

  /** The one who goes by a value now, where a period of ours answers for it: their ending takes it out, whoever's write made it. */
  function answeredFor({ group, value }: Written): EntryId | null {
    const user = tree.at(value as Dn)?.id ?? null;
    const period = user === null ? undefined : rig.ledger.peek().periods.get(`${user}/${group}`);
    return period?.standing === false && period.values.includes(value) ? user : null;
  }

  /** True where a grant that is held or being ended, or a write that is not settled, accounts for a value of ours. */
  function isHeld(one: Written): boolean {
    const { grants, intents } = rig.ledger.peek();
    const users = [one.user, answeredFor(one)];
    const isPair = (pair: Pair | null) => pair !== null && users.includes(pair.user.id) && pair.group.id === one.group;
    for (const grant of grants.values()) {
      if ((grant.state === 'active' || grant.state === 'ending') && isPair(grant.pair)) return true;
    }
    for (const { intent, closedAt } of intents.values()) if (closedAt === null && isPair(intent.pair)) return true;
    return false;
  }

  /** True once a grant of that pair has ended with the word that the value is another person's by now. */
  function isReported({ user, group }: Written): boolean {
    return rig.ledger.auditRecords().some(({ pair, facts }) => {
      const { recreated } = facts;
      return pair?.user.id === user && pair?.group.id === group && Array.isArray(recreated) && recreated.length > 0;
    });
  }

  /**
   * Whose a value is that is there again, or still. Where both we and others have written of that membership lately, nobody can
   * tell, nor where it is held as standing.
   */
  function doubted({ owner, user, group, value }: Written, before: Owner | undefined): Owner {
    const meant = user ?? tree.at(value as Dn)?.id;
    const isPair = (pair: Pair) => pair.group.id === group && pair.user.id === meant;
    const { intents, periods } = rig.ledger.peek();
    // By a name that nobody has any more, whoever wrote it is all that is known of whom it means.
    const isOfNobody = (intent: Intent) => meant === undefined && intent.pair.group.id === group && intent.values.includes(value);
    const isOurs = [...intents.values()].some(({ intent }) => isPair(intent.pair) || isOfNobody(intent));
    const isStanding = [...periods.values()].some(({ pair, standing }) => isPair(pair) && standing !== false);
    if (owner === 'others') return isOurs || isClaimed(meant, group, value) ? 'either' : owner;
    if (owner === 'ours') return isStanding || before === 'others' || before === 'either' ? 'either' : owner;
    return owner;
  }

  function isLeaked(one: Written): boolean {
    if ((one.owner !== 'ours' && one.owner !== 'strayed') || isHeld(one)) return false;
    // What was seen absent before another server brought it back cannot be told from what others write.
    const mayStay = one.owner === 'strayed' || broughtBack.has(key(one.group, one.value));
    return !(mayStay && isReported(one));
  }

  return {
    wrongs,
    onTouched: (listener) => void listeners.push(listener),
    leaked() {
      const left: string[] = [];
      for (const [at, one] of book) if (isLeaked(one) && !unseen.has(at)) left.push(at);
      return left;
    },
    putIn(user, group) {
      const entry = tree.group(group);
      if (entry === null) return;
      const owner = isClaimed(tree.at(user)?.id, entry.id, user) ? 'either' : 'others';
      const change: MembershipChange = { group, attribute: 'member', add: [user], remove: [] };
      if (apply(change) !== 0) return;
      touched(change);
      book.set(key(entry.id, user), { owner, group: entry.id, value: user, user: null });
    },
    takeOut(user, group) {
      const change: MembershipChange = { group, attribute: 'member', add: [], remove: [user] };
      if (apply(change) !== 0) return;
      touched(change);
      book.delete(key(idOf(group), user));
    },
    rename(from, to) {
      const renamed = tree.at(from)?.id;
      tree.rename(from, to);
      if (!referentialIntegrity) return;
      for (const { id } of groups()) {
        const one = book.get(key(id, from));
        if (one === undefined) continue;
        // Where it follows the next person of that name, it is theirs as much as what others write.
        const isAnothers = one.owner === 'strayed' || (one.owner === 'ours' && one.user !== null && one.user !== renamed);
        book.set(key(id, to), { ...one, value: to, owner: isAnothers ? 'either' : one.owner });
      }
      sweep();
    },
    delete(entry) {
      tree.delete(entry);
      // Of one who was renamed since anybody looked, and is gone, nobody knows the name that stays where it is the last member.
      for (const [at, one] of book)
        if (one.owner === 'ours' && one.value === entry && !isNameKnown(one)) book.set(at, { ...one, owner: 'either' });
      sweep();
    },
    late() {
      isLate = true;
      rig.fake.applyLate();
      isLate = false;
    },
    copy() {
      const copied = new Map(book);
      return () => {
        const before = new Map(book);
        book.clear();
        for (const [at, one] of copied) {
          const owner = doubted(one, before.get(at)?.owner);
          book.set(at, { ...one, owner });
          if (owner !== 'ours') continue;
          broughtBack.add(at);
          unseen.add(at);
        }
      };
    },
    doubt() {
      for (const [at, one] of book) if (one.owner === 'others') book.set(at, { ...one, owner: doubted(one, undefined) });
    },
    looked: () => unseen.clear(),
    restored() {
      for (const [one, written] of book) {
        const { owner, user, group, value } = written;
        const claimed = isClaimed(user ?? tree.at(value as Dn)?.id, group, value);
        const isForgotten = (owner === 'ours' || owner === 'strayed') && !isHeld(written);
        if (isForgotten || (owner === 'others' && claimed)) book.set(one, { ...written, owner: 'either' });
      }
    },
  };
}
