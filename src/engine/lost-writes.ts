import type { AuditRecord } from '../access/audit.ts';
import type { ActiveGrant, EndedGrant, EndingGrant } from '../access/grant.ts';
import type { GrantId } from '../access/ids.ts';
import type { Intent } from '../access/intent.ts';
import { isOurs, type Period } from '../access/membership.ts';
import type { JobError } from '../access/outcome.ts';
import { type Pair, pairKey } from '../access/reference.ts';
import { DirectoryError, type GroupEntry, isPrimaryGroup, type UserEntry } from '../directory/directory.ts';
import { driftEvents, type Member } from './claim-membership.ts';
import { nameNow } from './ending-look.ts';
import type { EngineParts } from './engine-parts.ts';
import { onServer } from './evidence.ts';
import { witnessOfGroup } from './gone-proofs.ts';
import { splitJobs } from './grant-attempt.ts';
import { type Attempted, DONE } from './pursuits.ts';
import { putIn } from './put-in.ts';
import { endRefusal, refusal } from './refusals.ts';
import { entriesNow, writableValue } from './resolve-pair.ts';
import { sameValue } from './same-value.ts';
import { foundApplied } from './written-period.ts';

/** The active grant that the membership of an intent is held by: its own, or one that came to share it. */
async function holderOf({ ledger }: EngineParts, { grantId, pair }: Intent): Promise<GrantId | null> {
  const { grant } = await ledger.known(grantId);
  if (grant?.state === 'active') return grantId;
  const { grants } = await ledger.pairState(pair);
  return grants.find(({ state }) => state === 'active')?.grantId ?? null;
}

/** One look at a membership that was written for an active grant of ours; where it is not there, it is written again. */
export async function attemptRestore(parts: EngineParts, { intent }: { intent: Intent }): Promise<Attempted> {
  const { ledger, locks } = parts;
  const grantId = await holderOf(parts, intent);
  if (grantId === null) return DONE;
  return locks.run(`grant:${grantId}`, 'grant', async () => {
    const { grant } = await ledger.known(grantId);
    // A job that waits to change the grant restores its membership itself.
    if (grant?.state !== 'active' || splitJobs(await ledger.attachedJobs(grantId)).waiting.length > 0) return DONE;
    return await unlessAway(() => locks.run(`pair:${pairKey(grant.pair)}`, 'grant', async () => await restore(parts, grant)));
  });
}

async function restore(parts: EngineParts, grant: ActiveGrant): Promise<Attempted> {
  const { ledger, directory, signal, protectedGroups } = parts;
  const state = await ledger.pairState(grant.pair);
  const unsettled = state.intent?.kind === 'add' && state.intent.grantId === grant.grantId ? state.intent : null;
  if (state.intent !== null && unsettled === null) return AGAIN;
  if (unsettled === null && (state.period === null || !isOurs(state.period))) return DONE;
  if (!parts.mayWrite(grant.grantId)) return AGAIN;
  const [user, group] = [
    await directory.locateUser(grant.pair.user.id, signal),
    await directory.locateGroup(grant.pair.group.id, signal),
  ];
  // Who is gone cannot be put in; its ending will say so.
  if (user === null || group === null)
    return (await notThereYet(parts, grant.pair, { user, group })) ?? reported(parts, grant, 'the user or the group is gone');
  const now = await entriesNow(parts, { user, group });
  if (now === null) return AGAIN;
  await protectedGroups.resolve(signal);
  await parts.groupRules.resolve(signal);
  const denied = await refusal(parts, now);
  if (denied !== null) return reported(parts, grant, denied.message);
  const named = writableValue(now, state);
  if (!named.ok) return reported(parts, grant, named.error.message);
  const put = await putIn(parts, {
    grantId: grant.grantId,
    pair: now.pair,
    attribute: named.attribute,
    value: named.value,
    state,
    unsettled,
    isPrimary: isPrimaryGroup(now.user, now.group),
    askedAt: grant.activatedAt,
    mayBeLost: false,
    judge: ({ at, heldSince }): JobError | null =>
      endRefusal(parts, { group: now.group, heldSince, expiresAt: grant.expiresAt, at }),
  });
  switch (put.kind) {
    case 'member':
      return put.finding === 'granted' ? claimRestored(parts, grant, put) : DONE;
    case 'found':
      return claimRestored(parts, grant, foundApplied(put.intent, state));
    case 'denied':
      return reported(parts, grant, put.error.message);
    case 'retry':
      return put.afterMs === undefined ? AGAIN : { done: false, afterMs: put.afterMs };
    default:
      return put satisfies never;
  }
}

async function claimRestored(parts: EngineParts, grant: ActiveGrant, member: Member) {
  const { ledger, time, log, failPoints, onProbed } = parts;
  const at = time.now();
  const active: ActiveGrant = { ...grant, pair: member.period.pair, standing: member.period.standing };
  const { grantId, pair } = active;
  const facts = {
    observed: 'absent',
    action: 'restored',
    evidence: 'probe: member',
    intentId: member.intentId,
    ...onServer(parts),
  };
  await ledger.activate(
    { grant: active, period: member.period, intentId: member.intentId, placeholder: member.placeholder },
    { at, events: driftEvents(active, member), audit: [{ kind: 'grant.drifted', at, grantId, pair, facts }] },
  );
  onProbed(pair);
  failPoints('grant.claimed');
  log.warn(
    { event: 'grant.restored', grantId, user: pair.user, group: pair.group },
    'the directory server that took over did not have this membership of ours; it is written again',
  );
  return DONE;
}

function reported({ log }: EngineParts, { grantId, pair }: ActiveGrant, why: string): Attempted {
  log.warn(
    { event: 'grant.not-restored', grantId, user: pair.user, group: pair.group },
    `a membership that may have been lost with a directory server is not written again: ${why}`,
  );
  return DONE;
}

/**
 * A membership of a live grant that had vanished, by the doing of somebody else, and is there on the server that took over: what we
 * wrote, since who took it out may not have been heard there yet. It is ours again, and leaves with its grant.
 */
async function reclaim(parts: EngineParts, intent: Intent): Promise<Attempted> {
  const { ledger, time, log } = parts;
  const { period, intent: open } = await ledger.pairState(intent.pair);
  if (period === null || period.standing !== false || isOurs(period)) return DONE;
  if (open !== null) return AGAIN;
  const back = await backAgain(parts, intent);
  if ('done' in back) return back;
  // An earlier name of the user that another goes by now was seen absent before: that membership is theirs.
  const values = back.values.filter((value) => !back.others.includes(value));
  if (values.length === 0) return DONE;
  const at = time.now();
  const { grantId, pair } = intent;
  const facts = { standing: false, evidence: 'probe: member where it had vanished; a directory server took over' };
  await ledger.savePeriod(
    { ...period, memberAttribute: intent.memberAttribute, values },
    { at, audit: [{ kind: 'grant.drifted', at, grantId, pair, facts }] },
  );
  log.warn(
    { event: 'grant.met-again', grantId, user: pair.user, group: pair.group },
    'the directory server that took over still has a membership of ours that had vanished; it ends with its grant',
  );
  return DONE;
}

/** One look at a membership that has ended; where its user is a member again, its grant is ending once more. */
export async function attemptTakeOut(
  parts: EngineParts,
  { intent, onEnding }: { intent: Intent; onEnding: (grant: EndingGrant) => void },
): Promise<Attempted> {
  const { ledger, locks } = parts;
  const pairLock = `pair:${pairKey(intent.pair)}`;
  const reclaimed = await unlessAway(() => locks.run(pairLock, 'ending', () => reclaim(parts, intent)));
  if (!reclaimed.done) return reclaimed;
  // What another grant held longer ended with that one, whoever wrote it. An end that is being claimed is waited for.
  const ended = await locks.run(pairLock, 'ending', () => ledger.lastEnded(intent.pair));
  if (ended === null) return DONE;
  return locks.run(`grant:${ended.grantId}`, 'ending', () =>
    unlessAway(() => locks.run(pairLock, 'ending', () => takeOut(parts, { intent, ended, onEnding }))),
  );
}

async function takeOut(
  parts: EngineParts,
  { intent, ended, onEnding }: { intent: Intent; ended: EndedGrant; onEnding: (grant: EndingGrant) => void },
): Promise<Attempted> {
  const { ledger } = parts;
  const [grant, state] = [await ledger.lastEnded(intent.pair), await ledger.pairState(intent.pair)];
  // Another has ended since, in its own time.
  if (grant?.grantId !== ended.grantId) return AGAIN;
  // Standing access was there before us, or since.
  if (grant.standing !== false) return DONE;
  if (grant.membership !== 'removed' && grant.membership !== 'already_absent') return DONE;
  // Another grant has held it since, or another ending is at it: that one knows what to do.
  if (state.grants.length > 0 || state.period !== null || state.intent !== null) return DONE;
  const back = await backAgain(parts, intent);
  if ('done' in back) return back;
  if (back.values.length > 0) onEnding(await reopen(parts, grant, { intent, back }));
  return DONE;
}

/** Under which values a user is a member again, and by which of them another person goes. */
interface Back {
  readonly values: readonly string[];
  readonly others: readonly string[];
}

/** Nothing of ours is there. */
const NOT_BACK: Back = { values: [], others: [] };

/** Looks for the name of now and, where values are no links, for those that were written. Not done where nothing is known yet. */
async function backAgain(
  parts: EngineParts,
  { pair, memberAttribute: attribute, values: written }: Intent,
): Promise<Back | Attempted> {
  const { directory, signal } = parts;
  const [user, group] = [await directory.locateUser(pair.user.id, signal), await directory.locateGroup(pair.group.id, signal)];
  if (group === null) return (await notThereYet(parts, pair, { user, group })) ?? NOT_BACK;
  const current = nameNow(user, attribute);
  const earlier = group.linksMembers ? [] : written.filter((value) => current === null || !sameValue(attribute, value, current));
  const values = [...(current === null ? [] : [current]), ...earlier];
  const absent = async (): Promise<Back | Attempted> =>
    (user === null ? await notThereYet(parts, pair, { user, group }) : null) ?? NOT_BACK;
  if (values.length === 0) return absent();
  const presences = await directory.probe({ group: group.dn, attribute, values, likely: 'absent' }, signal);
  if (presences.includes('unknown')) return AGAIN;
  const found = values.filter((_, i) => presences[i] === 'member');
  if (found.length === 0) return absent();
  const others: string[] = [];
  for (const value of found) {
    const occupant = value === current ? null : await directory.occupant(attribute, value, signal);
    if (occupant !== null && occupant !== pair.user.id) others.push(value);
  }
  return { values: found, others };
}

async function reopen(
  parts: EngineParts,
  ended: EndedGrant,
  { intent, back }: { intent: Intent; back: Back },
): Promise<EndingGrant> {
  const { ledger, time, log } = parts;
  const at = time.now();
  const { grantId, pair, standing, activatedAt, expiresAt, cause, endedAt: endedBefore } = ended;
  const grant: EndingGrant = { state: 'ending', grantId, pair, standing, activatedAt, expiresAt, cause, since: at, endedBefore };
  const period: Period = {
    pair,
    standing: false,
    heldSince: activatedAt,
    memberAttribute: intent.memberAttribute,
    values: back.values,
    metValues: [],
    // It was seen absent, on another server: what another person goes by may be theirs, and is reported.
    seenAbsent: back.others.length > 0,
    deleteSent: true,
  };
  const facts = { cause, since: at, evidence: 'probe: member after the end; a directory server took over', ...onServer(parts) };
  const audit: AuditRecord = { kind: 'grant.ending', at, grantId, pair, facts };
  await ledger.endAgain({ grant, period }, { at, audit: [audit] });
  log.warn(
    { event: 'grant.ending-again', grantId, user: pair.user, group: pair.group },
    'the directory server that took over still has a membership that had ended; it is taken out again',
  );
  return grant;
}

const AGAIN: Attempted = { done: false };

/**
 * A server that lags may not have an entry yet, so one that is not found is looked for until it is, or is proven to be gone (null):
 * with it may come what is doubted.
 */
async function notThereYet(
  parts: EngineParts,
  pair: Pair,
  { user, group }: { user: UserEntry | null; group: GroupEntry | null },
): Promise<Attempted | null> {
  const missing =
    group === null
      ? { entry: pair.group, witness: await witnessOfGroup(parts, { pair, user }) }
      : { entry: pair.user, witness: { id: group.id, dn: group.dn } };
  const verdict = await parts.goneProofs.ask(missing, parts.signal);
  return verdict.kind === 'proven' ? null : AGAIN;
}

/** Without the directory it is tried again when that is back; anything else is a fault of ours. */
async function unlessAway(work: () => Promise<Attempted>): Promise<Attempted> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DirectoryError) return AGAIN;
    throw error;
  }
}
