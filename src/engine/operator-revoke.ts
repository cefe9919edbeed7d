import type { AuditRecord } from '../access/audit.ts';
import { endGrant, type Grant, type LiveGrant } from '../access/grant.ts';
import type { GrantId } from '../access/ids.ts';
import type { OperatorNews, OperatorRequest, OperatorResult } from '../access/operator.ts';
import type { EngineParts } from './engine-parts.ts';
import { chooseGrants } from './operator-choice.ts';
import { operatorCommand, shownGrant } from './operator-views.ts';

/** What a revoke asks to be done next. */
export interface RevokeSteps {
  pursueGrant(grant: Pick<LiveGrant, 'grantId'>): void;
  pursueEnding(grant: Pick<LiveGrant, 'grantId' | 'pair'>): void;
}

type Revoke = Extract<OperatorRequest, { request: 'revoke' }>;

/**
 * Ends what a person means, by the one path on which access is taken away. It is accepted once the ledger has it; then the endings go
 * on whether or not anybody waits, and this waits until all are over or none has ended for `waitMs`.
 */
export async function revokeChosen(
  parts: EngineParts,
  { request, steps, tell }: { request: Revoke; steps: RevokeSteps; tell: (news: OperatorNews) => void },
  signal: AbortSignal,
): Promise<OperatorResult> {
  const chosen = await chooseGrants(parts, request.choice, signal);
  if (!chosen.ok) return { answer: 'refused', message: chosen.message };
  const open = new Set<GrantId>();
  const turns = waitingTurns();
  const unwatch = parts.overs.watch((grant) => {
    if (!open.delete(grant.grantId)) return;
    tell({ answer: 'ended', grant: shownGrant(grant) });
    turns.next();
  });
  try {
    for (const { grantId, state } of chosen.grants) if (state !== 'ended' && state !== 'failed') open.add(grantId);
    for (const grant of chosen.grants) if (!open.has(grant.grantId)) tell({ answer: 'ended', grant: shownGrant(grant) });
    const accepted = open.size;
    await Promise.all([...open].map((grantId) => accept(parts, { grantId, request, steps })));
    tell({ answer: 'accepted', grants: accepted });
    while (open.size > 0 && !signal.aborted) if (!(await turns.comes(parts, { waitMs: request.waitMs, signal }))) break;
    for (const grantId of open) await tellLeft(parts, { grantId, tell });
    return { answer: 'done' };
  } finally {
    unwatch();
  }
}

/** Begins to end one grant, whatever became of it since it was chosen. Resolves when that is on disk. */
async function accept(
  parts: EngineParts,
  { grantId, request, steps }: { grantId: GrantId; request: Revoke; steps: RevokeSteps },
): Promise<void> {
  const { ledger, time, locks, failPoints } = parts;
  await locks.run(`grant:${grantId}`, 'ending', async () => {
    const { grant } = await ledger.known(grantId);
    if (grant === null || grant.state === 'ended' || grant.state === 'failed') return;
    const at = time.now();
    const { pair } = grant;
    const facts = { cause: 'operator', reason: request.reason ?? undefined, by: request.by };
    const asked = operatorCommand(request, { command: 'revoke', at, grantId, pair });
    const ending: AuditRecord = { kind: 'grant.ending', at, grantId, pair, facts };
    switch (grant.state) {
      case 'active':
        await ledger.beginEnding(endGrant(grant, 'operator', at), [], { at, audit: [asked, ending] });
        failPoints('end.stored');
        return steps.pursueEnding(grant);
      case 'pending':
        if (grant.cancelledAt === undefined)
          await ledger.savePending({ ...grant, cancelledAt: at }, [], { at, audit: [asked, ending] });
        return steps.pursueGrant(grant);
      case 'ending':
        await ledger.tell({ at, audit: [asked] });
        return steps.pursueEnding(grant);
      default:
        return grant satisfies never;
    }
  });
}

/** One that is over by now is told as that. */
async function tellLeft(
  { ledger, overs }: EngineParts,
  { grantId, tell }: { grantId: GrantId; tell: (news: OperatorNews) => void },
): Promise<void> {
  const { grant } = await ledger.known(grantId);
  if (grant === null) return;
  const isOver = isOverNow(grant);
  tell({ answer: isOver ? 'ended' : 'left', grant: shownGrant(grant, overs.trouble(grantId)) });
}

function isOverNow({ state }: Grant): boolean {
  return state === 'ended' || state === 'failed';
}

/** Waits from one ending to the next. */
function waitingTurns() {
  let came = 0;
  let seen = 0;
  let wake = (): void => undefined;
  return {
    next() {
      came += 1;
      wake();
    },
    /** False where none came within the time, or nobody waits any more. */
    async comes({ clock }: EngineParts, { waitMs, signal }: { waitMs: number; signal: AbortSignal }): Promise<boolean> {
      if (came > seen) {
        seen = came;
        return true;
      }
      const { promise, resolve } = Promise.withResolvers<boolean>();
      wake = () => resolve(true);
      const stop = (): void => resolve(false);
      const cancel = clock.timer(waitMs, stop);
      signal.addEventListener('abort', stop, { once: true });
      const comes = await promise;
      cancel();
      signal.removeEventListener('abort', stop);
      seen = came;
      return comes;
    },
  };
}
