import { type Dn, isBeneath, parentDn, parseDn } from '../../src/access/dn.ts';
import type { FailPoints } from '../../src/access/fail-point.ts';
import { type EntryId, parseEntryId } from '../../src/access/ids.ts';
import { instant } from '../../src/access/instant.ts';
import { type MemberAttribute, type Presence, presenceOf } from '../../src/access/membership.ts';
import type { LdapAnswer } from '../../src/access/outcome.ts';
import type { EntryRef, GroupRef, UserRef } from '../../src/access/reference.ts';
import {
  type ChangeAnswer,
  type Directory,
  DirectoryError,
  type DirectoryFault,
  type DirectoryStatus,
  type GroupEntry,
  type MembershipChange,
  type Missing,
  type Protector,
  type ProtectorAsked,
  type Resolution,
  type UserEntry,
} from '../../src/directory/directory.ts';
import { faultOf, ldapAnswer } from '../../src/directory/ldap/result-codes.ts';
import { PERSONALITIES, type Personality } from './fake-servers.ts';
import { type FakeEntry, type FakeGroup, type FakeTree, type FakeUser, fakeTree } from './fake-tree.ts';

type AsyncMethod =
  | 'findUser'
  | 'findGroup'
  | 'locateUser'
  | 'locateUsers'
  | 'locateGroup'
  | 'occupant'
  | 'groupsNamed'
  | 'protectorOf'
  | 'probe'
  | 'change'
  | 'sightGone'
  | 'check';

/** One call of the port, with its arguments but the signal. */
export interface FakeOperation {
  readonly method: AsyncMethod;
  readonly args: readonly unknown[];
}

/** How the next change fares whose answer is lost. */
export type LostAnswer = 'applied' | 'not_applied' | 'applied_later';

export interface FakeDirectory {
  readonly directory: Directory;
  /** The entries, for out-of-band changes. */
  readonly tree: FakeTree;
  readonly operations: readonly FakeOperation[];
  readonly baseDn: Dn;
  readonly usersScope: Dn;
  readonly groupsScope: Dn;
  isInScope(entry: FakeEntry): boolean;
  goDown(fault?: 'unavailable' | 'bind_refused'): void;
  goUp(): void;
  /** Another server has taken over; what that one has is for the test to say, by the tree. */
  failOver(): void;
  /** Which server is in use. */
  server(): string;
  /** The next change rejects with `sent: true`; for `applied_later`, call `applyLate`. */
  loseNextAnswer(fate: LostAnswer): void;
  applyLate(): void;
  /** The next change is answered with this result code, and changes nothing. */
  refuseNext(fault: Exclude<DirectoryFault, 'unavailable' | 'bind_refused'>): void;
  /** Takes back every lost answer and every refusal that is still to come. */
  mend(): void;
  /** While true, every probe is `unknown`. */
  probesAreUnknown(unknown: boolean): void;
  /** Holds the next call of a method until `go`; `reached` resolves when it is called. */
  holdNext(method: AsyncMethod): { readonly reached: Promise<void>; go(): void };
}

const CODES: Readonly<Record<Exclude<DirectoryFault, 'unavailable' | 'bind_refused'>, number>> = {
  already_there: 20,
  already_absent: 16,
  last_member: 65,
  gone: 32,
  refused: 50,
  busy: 51,
};

/**
 * A directory in memory, for driving the engine into states that a real server reaches by accident. It passes the
 * contract suite that real servers pass. It has `ou=people` and `ou=groups` as scopes beneath the base, and
 * `ou=elsewhere` beside them.
 */
export function fakeDirectory(
  options: Partial<Pick<Personality, 'referentialIntegrity' | 'demandsMember'>> & {
    personality?: Personality;
    failPoints?: FailPoints;
  } = {},
): FakeDirectory {
  const { personality = PERSONALITIES.openldap, failPoints = () => undefined } = options;
  const { referentialIntegrity = personality.referentialIntegrity, demandsMember = personality.demandsMember } = options;
  const tree = fakeTree({ ...personality, referentialIntegrity, demandsMember });
  const baseDn = dn('dc=example,dc=test');
  const usersScope = dn(`ou=people,${baseDn}`);
  const groupsScope = dn(`ou=groups,${baseDn}`);
  for (const one of [baseDn, usersScope, groupsScope, dn(`ou=elsewhere,${baseDn}`)]) tree.add({ kind: 'container', dn: one });
  const look = fakeLookups(tree, {
    baseDn,
    usersScope,
    groupsScope,
    linksMembers: personality.refusesUnknown,
    knowsWhatItIsIn: referentialIntegrity,
  });

  const operations: FakeOperation[] = [];
  const listeners: ((status: DirectoryStatus) => void)[] = [];
  const failoverListeners: (() => void)[] = [];
  const held = new Map<AsyncMethod, { reached: () => void; go: Promise<void> }>();
  let downFault: 'unavailable' | 'bind_refused' | null = 'unavailable';
  let lost: LostAnswer | null = null;
  /** With the id of the group: what is stuck in a server is not stuck for whatever is made at that name meanwhile. */
  let late: { readonly change: MembershipChange; readonly id: EntryId | undefined }[] = [];
  let refused: Exclude<DirectoryFault, 'unavailable' | 'bind_refused'> | null = null;
  let isBlind = false;
  let servers = 1;

  const trouble = () => new DirectoryError(downFault ?? 'unavailable', 'The fake directory is down.');
  const status = (): DirectoryStatus =>
    downFault === null
      ? {
          state: 'up',
          view: { vendor: 'Fake', flavour: personality.flavour, baseDn, usersScope: [usersScope], groupsScope: [groupsScope] },
          server: `fake ${servers}`,
        }
      : { state: 'down', error: trouble(), nextAttemptAt: instant(0) };
  const become = (fault: typeof downFault): void => {
    if (downFault === fault) return;
    downFault = fault;
    for (const listener of listeners) listener(status());
  };

  const call = async <T>(operation: FakeOperation, work: () => T): Promise<T> => {
    operations.push(operation);
    const hold = held.get(operation.method);
    held.delete(operation.method);
    hold?.reached();
    await hold?.go;
    if (downFault !== null) throw trouble();
    return work();
  };

  const probe = (group: Dn, attribute: MemberAttribute, values: readonly string[]): readonly Presence[] =>
    values.map((value) => (isBlind ? 'unknown' : presenceOf(tree.presenceCounts(group, { attribute, value }))));

  const change = (wanted: MembershipChange, probed: readonly string[]): ChangeAnswer => {
    const fate = lost;
    lost = null;
    if (fate !== null) {
      if (fate === 'applied') tree.apply(wanted);
      if (fate === 'applied_later') late.push({ change: wanted, id: tree.group(wanted.group)?.id });
      throw new DirectoryError('unavailable', 'The answer of the fake directory was lost.', { sent: true });
    }
    const code = refused === null ? tree.apply(wanted) : CODES[refused];
    const result = code === 0 ? 'ok' : answeredFault(code);
    refused = null;
    failPoints(wanted.add.some((value) => probed.includes(value)) ? 'grant.modify-answered' : 'end.modify-answered');
    const presences = probe(wanted.group, wanted.attribute, probed);
    return { result, ldap: result === 'ok' ? null : answerOf(code), presences };
  };

  const directory: Directory = {
    start: () => become(null),
    status,
    onChange: (listener) => void listeners.push(listener),
    onFailover: (listener) => void failoverListeners.push(listener),
    findUser: (ref, own) => call({ method: 'findUser', args: [ref, own] }, () => look.findUser(ref, own)),
    findGroup: (ref, own) => call({ method: 'findGroup', args: [ref, own] }, () => look.findGroup(ref, own)),
    locateUser: (id) => call({ method: 'locateUser', args: [id] }, () => look.locateUser(id)),
    locateUsers: (ids) => call({ method: 'locateUsers', args: [ids] }, () => ids.map(look.locateUser)),
    locateGroup: (id) => call({ method: 'locateGroup', args: [id] }, () => look.locateGroup(id)),
    occupant: (attribute, value) => call({ method: 'occupant', args: [attribute, value] }, () => look.occupant(attribute, value)),
    groupsNamed: (nameOrDn) => call({ method: 'groupsNamed', args: [nameOrDn] }, () => look.groupsNamed(nameOrDn)),
    protectorOf: (asked) => call({ method: 'protectorOf', args: [asked.group] }, () => look.protectorOf(asked)),
    probe: (values) => call({ method: 'probe', args: [values] }, () => probe(values.group, values.attribute, values.values)),
    change: (wanted, probed) => call({ method: 'change', args: [wanted, probed] }, () => change(wanted, probed)),
    sightGone: (missing) => call({ method: 'sightGone', args: [missing] }, () => look.sightGone(missing)),
    async check() {
      operations.push({ method: 'check', args: [] });
      return [{ step: 'bind', status: downFault === null ? 'ok' : 'fail', detail: 'the fake directory' }];
    },
    async close() {
      downFault = 'unavailable';
    },
  };

  return {
    directory,
    tree,
    operations,
    baseDn,
    usersScope,
    groupsScope,
    isInScope: look.isInScope,
    goDown: (fault = 'unavailable') => become(fault),
    goUp: () => become(null),
    failOver() {
      // What is stuck in the server of before is lost with it.
      late = [];
      servers += 1;
      if (downFault === null) for (const listener of failoverListeners) listener();
    },
    server: () => `server ${servers}`,
    loseNextAnswer: (fate) => {
      lost = fate;
    },
    applyLate() {
      const waiting = late;
      late = [];
      for (const { change: one, id } of waiting) if (tree.group(one.group)?.id === id) tree.apply(one);
    },
    refuseNext: (fault) => {
      refused = fault;
    },
    mend() {
      lost = null;
      refused = null;
    },
    probesAreUnknown: (unknown) => {
      isBlind = unknown;
    },
    holdNext(method) {
      const reached = Promise.withResolvers<void>();
      const going = Promise.withResolvers<void>();
      held.set(method, { reached: reached.resolve, go: going.promise });
      return { reached: reached.promise, go: going.resolve };
    },
  };
}

/** As the adapter of real servers reads a result code. */
function answeredFault(code: number): Exclude<ChangeAnswer['result'], 'ok'> {
  const fault = faultOf(code);
  if (fault === 'bind_refused') throw new Error('no modify is answered with a refused bind');
  return fault;
}

function answerOf(resultCode: number): LdapAnswer {
  return ldapAnswer({ resultCode, diagnosticMessage: '', matchedDn: '', referral: [], controls: new Map() });
}

/** The look-ups of the port, over the entries that can be seen. */
function fakeLookups(
  tree: FakeTree,
  {
    linksMembers,
    knowsWhatItIsIn,
    ...scopes
  }: { baseDn: Dn; usersScope: Dn; groupsScope: Dn; linksMembers: boolean; knowsWhatItIsIn: boolean },
) {
  const beneath = new Map<string, boolean>();
  /** Remembered: the same few names are asked for thousands of times. */
  const isWithin = (name: Dn, scope: Dn): boolean => {
    const key = `${name} ${scope}`;
    const known = beneath.get(key) ?? isBeneath(name, scope);
    beneath.set(key, known);
    return known;
  };
  const userView = (entry: FakeUser): UserEntry => ({
    id: entry.id,
    dn: entry.dn,
    uids: entry.uids,
    inScope: isWithin(entry.dn, scopes.usersScope),
    refusal: null,
    primaryGroup: null,
    ...entry.facts,
  });
  const groupView = (entry: FakeGroup): GroupEntry => ({
    id: entry.id,
    dn: entry.dn,
    name: entry.name,
    memberAttribute: entry.attribute,
    inScope: isWithin(entry.dn, scopes.groupsScope),
    refusal: null,
    builtIn: null,
    primaryName: null,
    linksMembers: linksMembers && entry.attribute !== 'memberUid',
    ...entry.facts,
  });
  const allUsers = () => tree.visible().filter((entry): entry is FakeUser => entry.kind === 'user');
  const allGroups = () => tree.visible().filter((entry): entry is FakeGroup => entry.kind === 'group');
  const { byId } = tree;

  const find = <View extends EntryRef & { inScope: boolean }>(
    views: readonly View[],
    asked: { isNamed: (view: View) => boolean; dn: Dn | null; own: EntryRef | null; scope: Dn },
  ): Resolution<View> => {
    const { isNamed, dn: name, own, scope } = asked;
    const ownView = own === null ? undefined : views.find((view) => view.id === own.id);
    if (ownView !== undefined && own !== null) {
      const isRecordedName = name !== null && tree.sameDn(name, own.dn) && tree.at(name) === null;
      if (isNamed(ownView) || isRecordedName) return { kind: 'found', entry: ownView };
    }
    if (name !== null && !isWithin(name, scope)) return { kind: 'out_of_scope' };
    const [only, ...others] = views.filter((view) => view.inScope && isNamed(view));
    if (only === undefined) return { kind: 'not_found' };
    return others.length === 0 ? { kind: 'found', entry: only } : { kind: 'ambiguous', count: others.length + 1 };
  };

  return {
    isInScope: ({ kind, dn: name }: FakeEntry): boolean =>
      isWithin(name, kind === 'user' ? scopes.usersScope : scopes.groupsScope),
    findUser(ref: UserRef, own: EntryRef | null): Resolution<UserEntry> {
      const named = (view: UserEntry): boolean => {
        const entry = byId(view.id);
        if (entry?.kind !== 'user') return false;
        switch (ref.by) {
          case 'dn':
            return tree.sameDn(entry.dn, ref.dn);
          case 'id':
            return entry.id === ref.id;
          case 'email':
            return entry.mails.some((mail) => sameText(mail, ref.email));
          case 'username':
            return entry.uids.some((uid) => sameText(uid, ref.username));
          default:
            return ref satisfies never;
        }
      };
      const name = ref.by === 'dn' ? ref.dn : null;
      return find(allUsers().map(userView), { isNamed: named, dn: name, own, scope: scopes.usersScope });
    },
    findGroup(ref: GroupRef, own: EntryRef | null): Resolution<GroupEntry> {
      const named = (view: GroupEntry): boolean => {
        switch (ref.by) {
          case 'dn':
            return tree.sameDn(view.dn, ref.dn);
          case 'id':
            return view.id === ref.id;
          case 'name':
            return sameText(view.name, ref.name);
          default:
            return ref satisfies never;
        }
      };
      const name = ref.by === 'dn' ? ref.dn : null;
      return find(allGroups().map(groupView), { isNamed: named, dn: name, own, scope: scopes.groupsScope });
    },
    locateUser(id: EntryId): UserEntry | null {
      const entry = byId(id);
      return entry?.kind === 'user' ? userView(entry) : null;
    },
    locateGroup(id: EntryId): GroupEntry | null {
      const entry = byId(id);
      return entry?.kind === 'group' ? groupView(entry) : null;
    },
    occupant(attribute: MemberAttribute, value: string): EntryId | null {
      if (attribute === 'memberUid') {
        const ids = allUsers()
          .filter((entry) => entry.uids.some((uid) => sameText(uid, value)))
          .map(({ id }) => id);
        return ids.toSorted()[0] ?? null;
      }
      const name = parseDn(value);
      return name.ok && value.trim() !== '' ? (tree.at(name.value)?.id ?? null) : null;
    },
    groupsNamed(nameOrDn: string): readonly EntryRef[] {
      const id = parseEntryId(nameOrDn);
      const name = nameOrDn.includes('=') ? parseDn(nameOrDn) : null;
      const isMeant = (entry: FakeEntry): boolean => {
        if (entry.kind !== 'group') return false;
        if (id.ok) return entry.id === id.value;
        if (name?.ok) return tree.sameDn(entry.dn, name.value);
        return nameOrDn.trim() !== '' && sameText(entry.name, nameOrDn);
      };
      return tree
        .visible()
        .filter(isMeant)
        .map((entry) => ({ id: entry.id, dn: entry.dn }));
    },
    protectorOf({ group, isProtected, mustBeTold }: ProtectorAsked): Protector | null {
      const start = byId(group.id);
      if (start === null || !tree.sameDn(start.dn, group.dn)) throw untold(group, 'gone');
      const above = new Map<Dn, Dn | null>([[start.dn, null]]);
      for (const name of above.keys()) {
        for (const upper of tree.holding(name)) {
          const isShown = tree.presenceCounts(upper.dn, { attribute: upper.attribute ?? 'member', value: name }).matching === 1;
          // Where servers keep references they also tell each entry what it is in.
          if (!isShown && !knowsWhatItIsIn) continue;
          if (tree.at(upper.dn) === null) throw untold(group, 'refused');
          if (!above.has(upper.dn)) above.set(upper.dn, name);
          if (above.size > 33) throw untold(group, 'refused');
          if (isProtected(groupView(upper))) return { group: groupView(upper), chain: wayTo(upper.dn, above) };
        }
      }
      if (knowsWhatItIsIn) return null;
      for (const id of mustBeTold) {
        const entry = byId(id);
        if (entry?.kind !== 'group' || entry.attribute === null || entry.attribute === 'memberUid') continue;
        if (tree.presenceCounts(entry.dn, { attribute: entry.attribute, value: start.dn }).notMatching === 0)
          throw untold(group, 'refused');
      }
      return null;
    },
    sightGone({ entry, witness }: Missing): 'found' | 'gone' | 'unproven' {
      if (byId(entry.id) !== null) return 'found';
      let ancestor = parentDn(entry.dn);
      while (ancestor !== undefined && isWithin(ancestor, scopes.baseDn) && tree.at(ancestor) === null)
        ancestor = parentDn(ancestor);
      const isAncestorReadable = ancestor !== undefined && isWithin(ancestor, scopes.baseDn);
      const areScopesReadable = [scopes.usersScope, scopes.groupsScope].every(
        (scope) => !isWithin(entry.dn, scope) || tree.at(scope) !== null,
      );
      const isWitnessed = witness === null ? tree.at(scopes.baseDn) !== null : byId(witness.id) !== null;
      return isAncestorReadable && areScopesReadable && isWitnessed ? 'gone' : 'unproven';
    },
  };
}

function untold({ dn: name }: EntryRef, fault: DirectoryFault): DirectoryError {
  return new DirectoryError(fault, `Whether "${name}" is nested in a protected group cannot be told.`);
}

/** From the entry that the walk began at; each is in the one after it. */
function wayTo(top: Dn, above: ReadonlyMap<Dn, Dn | null>): readonly Dn[] {
  const way: Dn[] = [];
  for (let next: Dn | null = top; next !== null; next = above.get(next) ?? null) way.unshift(next);
  return way;
}

/** caseIgnoreMatch (RFC 4517 §4.2.11), in short. */
function sameText(one: string, other: string): boolean {
  const fold = (text: string) => text.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ');
  return fold(one) === fold(other);
}

function dn(text: string): Dn {
  const parsed = parseDn(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}
