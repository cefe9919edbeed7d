import { type ActiveGrant, endGrant, type LiveGrant } from '../access/grant.ts';
import type { GrantId } from '../access/ids.ts';
import type { Intent } from '../access/intent.ts';
import { type Pair, pairKey } from '../access/reference.ts';
import { isPrimaryGroup, type Missing } from '../directory/directory.ts';
import { AGAIN, type DriftFound, met, reportAbsent } from './drift-report.ts';
import { restoreDrifted } from './drift-restore.ts';
import { nameNow } from './ending-look.ts';
import type { EngineParts } from './engine-parts.ts';
import { witnessOfGroup } from './gone-proofs.ts';
import { leadsNowhere } from './namesakes.ts';
import { type Attempted, DONE } from './pursuits.ts';
import { sameValue } from './same-value.ts';
import { viewOf } from './views.ts';

/** What follows from a look, and is others' to do. */
export interface DriftSteps {
  /** The grant has begun to end. */
  onEnding(grant: Pick<LiveGrant, 'grantId' | 'pair'>): void;
  /** A restoring write whose outcome is unknown: it is pursued until it is known. */
  settle(intent: Intent): void;
}

interface Gone {
  readonly cause: 'user_gone' | 'group_gone';
  readonly missing: Missing;
}

/** One look at a grant that a sync suspects: the engine's own probe decides, whatever the sync has read. */
export async function lookForDrift(
  parts: EngineParts,
  { grantId, steps }: { grantId: GrantId; steps: DriftSteps },
): Promise<Attempted> {
  const looked = await whileActive(parts, grantId, (grant) => look(parts, grant, steps));
  if (!('missing' in looked)) return looked;
  // Outside the locks: each sighting opens a session, and no ending waits for it.
  const verdict = await parts.goneProofs.ask(looked.missing, parts.signal);
  switch (verdict.kind) {
    case 'found':
      return AGAIN;
    case 'unproven':
      return { done: false, afterMs: verdict.againInMs };
    case 'proven':
      return await whileActive(parts, grantId, (grant) => endGone(parts, grant, { cause: looked.cause, steps }));
    default:
      return verdict satisfies never;
  }
}

/** A grant that ends, or is due, is its ending's alone. A job that waits to change it looks itself. */
function whileActive<Looked>(
  { ledger, locks, time }: EngineParts,
  grantId: GrantId,
  work: (grant: ActiveGrant) => Promise<Looked>,
): Promise<Looked | Attempted> {
  return locks.run(`grant:${grantId}`, 'grant', async () => {
    const { grant } = await ledger.known(grantId);
    if (grant?.state !== 'active' || grant.expiresAt <= time.now()) return DONE;
    if ((await ledger.attachedJobs(grantId)).length > 0) return AGAIN;
    return await locks.run(`pair:${pairKey(grant.pair)}`, 'grant', () => work(grant));
  });
}

async function look(parts: EngineParts, grant: ActiveGrant, steps: DriftSteps): Promise<Attempted | Gone> {
  const { ledger, directory, signal } = parts;
  const state = await ledger.pairState(grant.pair);
  if (state.period === null) return DONE;
  if (state.intent !== null || !isSettled(parts, grant.pair)) return AGAIN;
  const group = await directory.locateGroup(grant.pair.group.id, signal);
  const user = await directory.locateUser(grant.pair.user.id, signal);
  if (group === null) {
    const witness = await witnessOfGroup(parts, { pair: grant.pair, user });
    return { cause: 'group_gone', missing: { entry: grant.pair.group, witness } };
  }
  if (user === null) return { cause: 'user_gone', missing: { entry: grant.pair.user, witness: { id: group.id, dn: group.dn } } };
  const found = await probed(parts, { grant, state, period: state.period, user, group });
  if (found === null) return AGAIN;
  if (found.isThere) return met(parts, found);
  return parts.policy.drift === 'restore' ? restoreDrifted(parts, found, steps.settle) : reportAbsent(parts, found);
}

/** False while a write of ours, or a change of servers, may still change what a probe sees. */
function isSettled({ lateWrites, lateRemovals, doubtedAdditions, doubtedRemovals }: EngineParts, pair: Pair): boolean {
  if (doubtedAdditions.isFinding() || doubtedRemovals.has(pair)) return false;
  return lateWrites.remainingMs(pair) === 0 && lateRemovals.remainingMs(pair) === 0;
}

/** Null where nothing is known. What follows its user goes from an earlier name to the one of now, so this order misses it in neither. */
async function probed(
  parts: EngineParts,
  entries: Pick<DriftFound, 'grant' | 'state' | 'period' | 'user' | 'group'>,
): Promise<DriftFound | null> {
  const { directory, signal } = parts;
  const { period, user, group } = entries;
  const attribute = period.memberAttribute;
  const current = nameNow(user, attribute);
  const earlier = [...period.values, ...period.metValues].filter(
    (value) => current === null || !sameValue(attribute, value, current),
  );
  const before =
    earlier.length === 0 ? [] : await directory.probe({ group: group.dn, attribute, values: earlier, likely: 'absent' }, signal);
  const [presence] =
    current === null
      ? (['absent'] as const)
      : await directory.probe({ group: group.dn, attribute, values: [current], likely: 'member' }, signal);
  // Under a name that changed meanwhile, a probe may have met another group, or another user.
  if (nameNow(await directory.locateUser(user.id, signal), attribute) !== current) return null;
  if ((await directory.locateGroup(group.id, signal))?.dn !== group.dn) return null;
  if (presence !== 'member' && presence !== 'absent') return null;
  let isNamedBefore = false;
  for (const [i, value] of earlier.entries()) {
    if (before[i] === 'unknown' && !(await leadsNowhere(parts, { group, attribute, value, current }))) return null;
    if (before[i] !== 'member') continue;
    // A link is a membership of whom it leads to, by whatever name; of whom, where that cannot be seen, is not known.
    const occupant = group.linksMembers ? await directory.occupant(attribute, value, signal) : user.id;
    if (occupant === null) return null;
    isNamedBefore ||= occupant === user.id;
  }
  return {
    ...entries,
    gone: earlier.filter((_, i) => before[i] === 'absent'),
    pair: { user: { id: user.id, dn: user.dn }, group: { id: group.id, dn: group.dn } },
    current: presence === 'member' ? current : null,
    isThere: presence === 'member' || isPrimaryGroup(user, group),
    isNamedBefore,
  };
}

/** Who is gone is no member any more, or by a value that leads nowhere, which the ending takes out. */
async function endGone(
  { ledger, time, log }: EngineParts,
  grant: ActiveGrant,
  { cause, steps }: { cause: Gone['cause']; steps: DriftSteps },
): Promise<Attempted> {
  const at = time.now();
  const { grantId, pair } = grant;
  const ending = endGrant(grant, cause, at);
  const facts = { observed: cause, action: 'ended', evidence: 'two sightings on two sessions' };
  await ledger.beginEnding(ending, [], {
    at,
    events: [{ kind: 'grant.drifted', grant: viewOf(ending), observed: cause, action: 'ended' }],
    audit: [
      { kind: 'grant.drifted', at, grantId, pair, facts },
      { kind: 'grant.ending', at, grantId, pair, facts: { cause, since: at } },
    ],
  });
  log.warn(
    { event: 'grant.drifted', grantId, observed: cause, action: 'ended', user: pair.user, group: pair.group },
    'the user or the group of a grant is gone, so it ends',
  );
  steps.onEnding(grant);
  return DONE;
}
