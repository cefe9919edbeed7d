import type { Clock } from '../access/clock.ts';
import type { EntryId, GrantId } from '../access/ids.ts';
import type { ActiveMembership, Ledger } from '../ledger/ledger.ts';
import type { Picture, Snapshots, StoredGroup } from '../ledger/snapshots.ts';
import type { Logger } from '../observability/logger.ts';
import { foldedDn, nameKeys } from './name-keys.ts';
import { turns } from './turns.ts';

/** Who is told of active grants that are not as they were read. */
export interface DriftWatch {
  readonly activeMemberships: Ledger['activeMemberships'];
  /** What is absent is suspected each time, also where that was told. */
  readonly restores: boolean;
  /** The picture was read for minutes, so this is no more than a suspicion. */
  suspect(grantIds: readonly GrantId[]): void;
}

/** Names of groups as they were read, where grants hold a membership in them. */
export interface GroupNames {
  note(group: { readonly id: EntryId; readonly dn: string }): void;
  /** Null where the group was not read. */
  nameOf(id: EntryId): string | null;
}

/** Rows that are read in one turn. */
const AT_A_TIME = 500;

/** An active grant whose entries are in the picture, by their names. */
interface Compared {
  readonly grantId: GrantId;
  readonly user: number;
  readonly isExpected: boolean;
}

/** Begins a run: of which groups the names matter. */
export async function groupNames(watch: DriftWatch | null): Promise<GroupNames> {
  const held = new Set<EntryId>();
  const names = new Map<EntryId, string>();
  if (watch !== null) for await (const some of pages(watch)) for (const { pair } of some) held.add(pair.group.id);
  return {
    note({ id, dn }) {
      if (held.has(id)) names.set(id, foldedDn(dn));
    },
    nameOf: (id) => names.get(id) ?? null,
  };
}

/** Compares what was published with what active grants stand for. A sync is whole without it, and the next one compares again. */
export async function compareGrants(
  { drift, snapshots, clock, log }: { drift: DriftWatch | null; snapshots: Snapshots; clock: Clock; log: Logger },
  names: GroupNames,
): Promise<void> {
  if (drift === null) return;
  try {
    const kept = snapshots.published();
    if (kept.kind === 'none') return;
    const suspected = await suspicions(drift, { picture: kept.picture, names, clock });
    if (suspected.length === 0) return;
    log.info({ event: 'sync.suspects', grants: suspected.length }, 'grants were read to be otherwise, and are looked at');
    drift.suspect(suspected);
  } catch (error) {
    log.error({ event: 'sync.not-compared', error }, 'active grants could not be compared with what was read');
  }
}

/**
 * Active grants of which the picture, complete as it was published, says something else than the ledger: the user or the group is not
 * in it or goes by another name, or the membership is not as it is believed to be.
 */
async function suspicions(
  watch: DriftWatch,
  { picture, names, clock }: { picture: Picture; names: GroupNames; clock: Clock },
): Promise<readonly GrantId[]> {
  const keys = nameKeys(picture.seed);
  const turn = turns(clock);
  const suspected: GrantId[] = [];
  const byGroup = new Map<EntryId, Compared[]>();

  function take({ grantId, pair, isBelieved }: ActiveMembership): void {
    const user = picture.user(pair.user.id);
    const groupName = names.nameOf(pair.group.id);
    const isRenamed = groupName !== null && groupName !== foldedDn(pair.group.dn);
    if (user === null || user.dnKey !== keys.dn(pair.user.dn) || isRenamed) {
      suspected.push(grantId);
      return;
    }
    const others = byGroup.get(pair.group.id) ?? [];
    others.push({ grantId, user: user.number, isExpected: watch.restores || isBelieved });
    byGroup.set(pair.group.id, others);
  }

  for await (const some of pages(watch)) {
    for (const one of some) take(one);
    await (turn.rest() ?? undefined);
  }
  for (const [groupId, grants] of byGroup) {
    const there = thereOf(picture.group(groupId), grants);
    for (const { grantId, user, isExpected } of grants) if (there.has(user) !== isExpected) suspected.push(grantId);
    await (turn.rest() ?? undefined);
  }
  return suspected;
}

/** Of these users, who is a member. */
function thereOf(group: StoredGroup | null, grants: readonly Compared[]): ReadonlySet<number> {
  const asked = new Set(grants.map(({ user }) => user));
  const there = new Set<number>();
  for (const member of group?.members ?? []) if (asked.has(member)) there.add(member);
  return there;
}

async function* pages({ activeMemberships }: DriftWatch): AsyncGenerator<readonly ActiveMembership[]> {
  let after: GrantId | null = null;
  // Ends: each turn goes on behind the last.
  for (;;) {
    const some: readonly ActiveMembership[] = await activeMemberships({ after, limit: AT_A_TIME });
    yield some;
    after = some.at(-1)?.grantId ?? null;
    if (some.length < AT_A_TIME) return;
  }
}
