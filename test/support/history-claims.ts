import type { Dn } from '../../src/access/dn.ts';
import { isLive } from '../../src/access/grant.ts';
import { isOurs, type Period, type Presence } from '../../src/access/membership.ts';
import { type EntryRef, type Pair, pairKey, samePair } from '../../src/access/reference.ts';
import type { Directory, MembershipChange } from '../../src/directory/directory.ts';
import type { Consequence, Ledger } from '../../src/ledger/ledger.ts';
import type { EngineUnderTest, Watch } from './engine-under-test.ts';
import type { FailingDisk } from './history-ledger.ts';
import { MAX_GRANT_MS } from './history-steps.ts';

type Args<M extends keyof Ledger> = Parameters<Ledger[M]>;

/** Judges every write and every claim at the instant at which it is made. */
export interface Claims {
  readonly watch: Watch;
  readonly wrongs: readonly string[];
  /** When each grant must have begun to end at the latest, by the monotonic clock, as long as one life goes on. */
  readonly dueAtMs: ReadonlyMap<string, number>;
  begin(rig: EngineUnderTest): void;
  /** What a probe saw of a value proves nothing any more. */
  touched(group: Dn, value: string): void;
  forgetSeen(): void;
  /** The latest that trusted time can be. */
  latestNow(): number;
}

export function claims({
  disk,
  protectedName,
  placeholder,
  linksMembers,
}: {
  disk: FailingDisk;
  protectedName: string;
  placeholder: string;
  linksMembers: boolean;
}): Claims {
  const wrongs: string[] = [];
  const seen = new Map<string, Presence>();
  const inFlight = new Set<string>();
  const dueAtMs = new Map<string, number>();
  let rig: EngineUnderTest | null = null;
  let latest = 0;
  let readAtMs = 0;

  const running = (): EngineUnderTest => {
    if (rig === null) throw new Error('the history has not begun');
    return rig;
  };

  function latestNow(): number {
    const { clock } = running();
    latest = Math.max(clock.wall(), latest + clock.monotonicMs() - readAtMs);
    readAtMs = clock.monotonicMs();
    return latest;
  }

  const wrong = (words: string): void => void wrongs.push(words);

  /** The names by which a user is, or may be, in a group now. */
  function valuesOf(pair: Pair, period: Period | null): { group: Dn | null; current: Dn | null; values: readonly string[] } {
    const { tree } = running().fake;
    const group = tree.byId(pair.group.id)?.dn ?? null;
    const current = tree.byId(pair.user.id)?.dn ?? null;
    const recorded = period === null ? [] : [...period.values, ...period.metValues];
    return { group, current, values: [...(current === null ? [] : [current]), ...recorded] };
  }

  const isThere = (group: Dn, value: string): boolean =>
    running().fake.tree.presenceCounts(group, { attribute: 'member', value }).matching === 1;

  function activating(...[{ grant, period }, consequence]: Args<'activate'>): void {
    const { clock, ledger } = running();
    const before = ledger.peek().grants.get(grant.grantId);
    const { audit } = consequence;
    const isProbed = audit.some(({ facts }) => facts['evidence'] === 'probe: member');
    const outcomes = (consequence.results ?? []).flatMap((one) => (one.kind === 'job.succeeded' ? [one.outcome] : []));
    const isLonger = before?.state !== 'active' || grant.expiresAt > before.expiresAt;
    dueAtMs.set(grant.grantId, clock.monotonicMs() + Math.max(0, grant.expiresAt - clock.wall()));
    standing(period);
    if (isLonger && grant.expiresAt - period.heldSince > MAX_GRANT_MS)
      wrong(`${grant.grantId} may last ${grant.expiresAt - period.heldSince} ms`);
    if (isLonger && !isProbed) wrong(`${grant.grantId} was claimed without evidence`);
    if (!isProbed) return;
    const { group, values } = valuesOf(grant.pair, period);
    if (group === null) return wrong(`${grant.grantId} was claimed in a group that is gone`);
    const present = values.filter((value) => isThere(group, value) && !isAnothers(grant.pair, value));
    if (present.length === 0) return wrong(`${grant.grantId} was claimed (${outcomes.join()}) and the user is not in the group`);
    if (!present.some((value) => seen.get(`${group} ${value}`) === 'member'))
      wrong(`${grant.grantId} was claimed (${outcomes.join()}) before a probe saw the member`);
  }

  /** The ledger says that this value was written for the one who goes by it now. */
  function isWrittenFor({ user, group }: Pair, value: string): boolean {
    const period = running().ledger.peek().periods.get(pairKey({ user, group }));
    return period !== undefined && isOurs(period) && period.values.includes(value);
  }

  /** A value says nothing of a user where another goes by it, and it is a link to them, or was written for them since. */
  function isAnothers({ user, group }: Pair, value: string): boolean {
    const occupant = running().fake.tree.at(value as Dn);
    if (occupant === null || occupant.id === user.id) return linksMembers && occupant === null;
    return linksMembers || isWrittenFor({ user: occupant, group }, value);
  }

  /** Of two who had one name after another, the ending of the one may take out what the other's has just seen there. */
  function isTakenWithAnother(pair: Pair, values: readonly string[]): boolean {
    return [...running().ledger.peek().intents.values()].some(
      ({ intent: { kind, pair: of, values: taken } }) =>
        kind === 'remove' &&
        of.group.id === pair.group.id &&
        of.user.id !== pair.user.id &&
        taken.some((value) => values.includes(value)),
    );
  }

  function ending(...[{ grant, period: remaining }]: Args<'end'>): void {
    const { ledger } = running();
    const { periods, grants } = ledger.peek();
    const { group, current, values } = valuesOf(grant.pair, periods.get(pairKey(grant.pair)) ?? null);
    if (remaining !== null) standing(remaining);
    if (grant.membership === 'kept_by_grant') {
      const others = [...grants.values()].filter((one) => isLive(one) && one.grantId !== grant.grantId);
      if (!others.some(({ pair }) => pair !== null && samePair(pair, grant.pair))) wrong(`no other grant holds ${grant.grantId}`);
      return;
    }
    if (group === null) return;
    if (grant.membership === 'kept_standing') {
      const isKept = values.some((value) => isThere(group, value) && !(linksMembers && isAnothers(grant.pair, value)));
      if (!isKept && !isTakenWithAnother(grant.pair, values)) wrong(`${grant.grantId} was told as standing and nobody is there`);
      return;
    }
    if (current === null) return;
    if (isThere(group, current)) wrong(`${grant.grantId} was told as ${grant.membership} and the user is in the group`);
    if (seen.get(`${group} ${current}`) !== 'absent') wrong(`${grant.grantId} was told as ${grant.membership} before a probe`);
  }

  /** Standing belongs to the period: only a write of ours ends it, and only what was seen absent can become somebody else's. */
  function standing(period: Period): void {
    const { periods, intents } = running().ledger.peek();
    const before = periods.get(pairKey(period.pair));
    if (before === undefined) return;
    if (before.heldSince !== period.heldSince) wrong('a period begins twice');
    if (before.standing === period.standing) return;
    const isWritten = [...intents.values()].some(
      ({ intent, closedAt }) => closedAt === null && intent.kind === 'add' && samePair(intent.pair, period.pair),
    );
    const isLost = before.standing === false && !isOurs(before);
    // What is told to have vanished has no value left, and is nobody's from then on.
    const hasVanished = !isOurs(period) && isSeenAbsent(period);
    if (!(period.standing === false ? isWritten || hasVanished : period.standing === true && isLost))
      wrong(`standing went from ${before.standing} to ${period.standing}`);
  }

  function isSeenAbsent({ pair }: Period): boolean {
    const { group, current } = valuesOf(pair, null);
    return group === null || current === null || seen.get(`${group} ${current}`) === 'absent';
  }

  function beginning(...[grant, , { at }]: Args<'beginEnding'>): void {
    if (at > latestNow()) wrong(`the engine says that it is ${at - latest} ms later than it can be`);
    if (grant.cause === 'expired' && grant.expiresAt > at) wrong(`${grant.grantId} ended ${grant.expiresAt - at} ms too early`);
  }

  /** Where the disk is full, its reserve is for what was begun and for what ends. */
  function beginningNew(...[{ grantId }]: Args<'savePending'>): void {
    if (disk.room() !== 'ok' && !running().ledger.peek().grants.has(grantId)) wrong(`${grantId} was begun without room`);
  }

  function consequences({ audit, at }: Consequence): void {
    if (audit.some((record) => record.at > at)) wrong('an audit record is of the future');
  }

  function called(method: keyof Ledger, args: readonly unknown[]): void {
    if (method === 'activate') activating(...(args as Args<'activate'>));
    if (method === 'end') ending(...(args as Args<'end'>));
    if (method === 'beginEnding') beginning(...(args as Args<'beginEnding'>));
    if (method === 'beginEndings')
      for (const { grant, consequence } of (args as Args<'beginEndings'>)[0]) beginning(grant, [], consequence);
    if (method === 'savePeriod') standing((args as Args<'savePeriod'>)[0]);
    if (method === 'openIntent') {
      const { period } = (args as Args<'openIntent'>)[1];
      if (period !== null) standing(period);
    }
    if (method === 'savePending') beginningNew(...(args as Args<'savePending'>));
    if (method === 'tell') consequences((args as Args<'tell'>)[0]);
  }

  function writing({ group, add, remove }: MembershipChange): void {
    const { fake } = running();
    const entry = fake.tree.group(group);
    if (new Set([...add, ...remove]).size !== add.length + remove.length) wrong('a modify names a value twice');
    if (entry !== null) for (const value of remove) undermining(entry, value);
    const wanted = add.filter((value) => value !== placeholder);
    if (wanted.length === 0 || entry === null) return;
    if (entry.name === protectedName) wrong('wrote into a protected group');
    if (!fake.isInScope(entry)) wrong(`wrote into ${group}, which is out of scope`);
    for (const value of wanted) {
      const user = fake.tree.at(value as Dn);
      if (user === null || !fake.isInScope(user)) wrong(`added ${value}, which is out of scope`);
    }
  }

  /** Overlap is a union also where two had one name: what was written for the second is not taken out for the first. */
  function undermining(group: EntryRef, value: string): void {
    const { fake, ledger } = running();
    const user = fake.tree.at(value as Dn);
    if (user === null || !isWrittenFor({ user, group }, value)) return;
    for (const grant of ledger.peek().grants.values())
      if (grant.state === 'active' && samePair(grant.pair, { user, group }))
        wrong(`took out ${value}, which was written for ${grant.grantId}`);
  }

  function directory(own: Directory): Directory {
    seen.clear();
    inFlight.clear();
    // A power cut forgets how far trusted time was ahead of a wall clock that was set back, but for the mark in the ledger.
    dueAtMs.clear();
    const remember = (group: Dn, values: readonly string[], presences: readonly Presence[]): void => {
      for (const [i, value] of values.entries()) seen.set(`${group} ${value}`, presences[i] ?? 'unknown');
    };
    return {
      ...own,
      async probe(probed, signal) {
        const presences = await own.probe(probed, signal);
        remember(probed.group, probed.values, presences);
        return presences;
      },
      async change(change, probed) {
        writing(change);
        // Two who had one name after another may end at once by that name; everything else about one name is serial.
        const added = change.add.map((value) => `add ${change.group} ${value}`);
        const removed = change.remove.map((value) => `remove ${change.group} ${value}`);
        for (const key of added)
          if (inFlight.has(key) || inFlight.has(key.replace('add', 'remove'))) wrong(`two writes at once: ${key}`);
        for (const key of removed) if (inFlight.has(key.replace('remove', 'add'))) wrong(`two writes at once: ${key}`);
        const keys = [...added, ...removed];
        for (const key of keys) inFlight.add(key);
        try {
          const answer = await own.change(change, probed);
          remember(change.group, probed, answer.presences);
          return answer;
        } finally {
          for (const key of keys) inFlight.delete(key);
        }
      },
    };
  }

  return {
    wrongs,
    dueAtMs,
    latestNow,
    begin(begun) {
      rig = begun;
      latestNow();
    },
    touched: (group, value) => void seen.delete(`${group} ${value}`),
    forgetSeen: () => seen.clear(),
    watch: { ledger: (ledger) => disk.under(ledger, called), directory },
  };
}
