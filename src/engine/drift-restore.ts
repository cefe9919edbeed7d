import type { Intent } from '../access/intent.ts';
import { isPrimaryGroup } from '../directory/directory.ts';
import { driftEvents, type Member } from './claim-membership.ts';
import { AGAIN, type DriftFound, namesOf, reportAbsent } from './drift-report.ts';
import type { EngineParts } from './engine-parts.ts';
import { type Attempted, DONE } from './pursuits.ts';
import { putIn } from './put-in.ts';
import { endRefusal, refusal } from './refusals.ts';
import { writableValue } from './resolve-pair.ts';
import { viewOf } from './views.ts';

/**
 * Writes a membership again that vanished under an active grant, by the path of every addition: intent, modify, probe. What binds a
 * new grant binds this one; where it is denied, the vanishing is told instead. Called with grant and pair locked.
 */
export async function restoreDrifted(
  parts: EngineParts,
  found: DriftFound,
  settle: (intent: Intent) => void,
): Promise<Attempted> {
  const { ledger, protectedGroups, signal } = parts;
  const { grant, state, user, group, pair } = found;
  // What is left of a full disk is for what was begun, and for what ends.
  if (!parts.mayWrite(grant.grantId) || (await ledger.space()) !== 'ok') return AGAIN;
  await protectedGroups.resolve(signal);
  await parts.groupRules.resolve(signal);
  const named = writableValue({ user, group }, state);
  const denied = (await refusal(parts, { user, group })) ?? (named.ok ? null : named.error);
  if (denied !== null || !named.ok) return notRestored(parts, found, denied?.message ?? '');
  const put = await putIn(parts, {
    grantId: grant.grantId,
    pair,
    attribute: named.attribute,
    value: named.value,
    state,
    unsettled: null,
    isPrimary: isPrimaryGroup(user, group),
    askedAt: grant.activatedAt,
    mayBeLost: false,
    judge: ({ at, heldSince }) => endRefusal(parts, { group, heldSince, expiresAt: grant.expiresAt, at }),
  });
  switch (put.kind) {
    case 'member':
      return put.finding === 'granted' ? claimRestored(parts, found, put) : AGAIN;
    case 'found':
      return AGAIN;
    case 'denied':
      return notRestored(parts, found, put.error.message);
    case 'retry': {
      const { intent } = await ledger.pairState(pair);
      if (intent?.kind !== 'add') return put.afterMs === undefined ? AGAIN : { done: false, afterMs: put.afterMs };
      settle(intent);
      return DONE;
    }
    default:
      return put satisfies never;
  }
}

async function claimRestored(parts: EngineParts, found: DriftFound, member: Member): Promise<Attempted> {
  const { ledger, time, log, failPoints, onProbed } = parts;
  const at = time.now();
  const { period, intentId, placeholder } = member;
  const { pair } = period;
  const active = { ...found.grant, pair, standing: period.standing };
  const { grantId } = active;
  const drifted = member.drifted.filter(({ state }) => state === 'active');
  const names = namesOf(found, 'followed').map(
    ({ observed, action }) => ({ kind: 'grant.drifted', grant: viewOf(active), observed, action }) as const,
  );
  const facts = { observed: 'absent', action: 'restored', evidence: 'probe: member', intentId };
  await ledger.activate(
    { grant: active, period, intentId, placeholder },
    {
      at,
      events: [...names, ...driftEvents(active, { ...member, drifted })],
      audit: [{ kind: 'grant.drifted', at, grantId, pair, facts }],
    },
  );
  onProbed(pair);
  failPoints('grant.claimed');
  log.warn(
    { event: 'grant.drifted', grantId, observed: 'absent', action: 'restored', user: pair.user, group: pair.group },
    'a membership that had vanished under an active grant is written again',
  );
  return DONE;
}

/** Told once, as any vanishing; each sync tries again. */
async function notRestored(parts: EngineParts, found: DriftFound, why: string): Promise<Attempted> {
  const { grant, pair } = found;
  parts.log.warn(
    { event: 'grant.not-restored', grantId: grant.grantId, user: pair.user, group: pair.group },
    `a membership that vanished is not written again: ${why}`,
  );
  const state = await parts.ledger.pairState(pair);
  return state.period === null ? DONE : reportAbsent(parts, { ...found, state, period: state.period });
}
