import type { AuditEntry } from '../access/audit.ts';
import { type Grant, isLive } from '../access/grant.ts';
import { grantStory } from '../access/grant-story.ts';
import type { GrantId } from '../access/ids.ts';
import { formatInstant, instant } from '../access/instant.ts';
import type { OperatorNews, OperatorRequest, OperatorResult, ShownGrant } from '../access/operator.ts';
import { shownRef } from '../access/reference.ts';
import type { EngineParts } from './engine-parts.ts';
import { explainGrant } from './explain.ts';
import { splitJobs } from './grant-attempt.ts';
import { chooseGrants } from './operator-choice.ts';
import { type RevokeSteps, revokeChosen } from './operator-revoke.ts';
import { operatorCommand, shownGrant } from './operator-views.ts';

/** What a person on the machine may ask of the engine. */
export type EngineRequest = Exclude<OperatorRequest, { request: 'sync' | 'health' }>;

/** Does what a person on the machine asks; `tell` is told on the way. Once the signal is aborted nobody waits any more. */
export type Operate = (
  request: EngineRequest,
  tell: (news: OperatorNews) => void,
  signal: AbortSignal,
) => Promise<OperatorResult>;

/** Grants read from the ledger at a time. */
const PAGE = 500;

/** What a person on the machine may ask, done by the parts that do what the control plane asks. */
export function operatorCommands(parts: EngineParts, steps: RevokeSteps): Operate {
  const { ledger, time, log, pause } = parts;

  async function list(isEndedToo: boolean, tell: (news: OperatorNews) => void): Promise<OperatorResult> {
    let after: Grant['grantId'] | null = null;
    // Ends: each page begins after the one before, and ids are not reused.
    for (;;) {
      const page: readonly Grant[] = await ledger.listGrants({ endedSince: isEndedToo ? instant(0) : null, after, limit: PAGE });
      for (const grant of page) tell({ answer: 'grant', grant: await shown(grant) });
      after = page.at(-1)?.grantId ?? null;
      if (page.length < PAGE) return { answer: 'done' };
    }
  }

  async function shown(grant: Grant): Promise<ShownGrant> {
    const view = shownGrant(grant, parts.overs.trouble(grant.grantId));
    if (grant.state !== 'pending' || grant.pair !== null) return view;
    const [first] = splitJobs(await ledger.attachedJobs(grant.grantId)).waiting;
    if (first === undefined) return view;
    return { ...view, asked: { user: shownRef(first.job.user), group: shownRef(first.job.group) } };
  }

  async function recordsOf(grantId: GrantId): Promise<readonly AuditEntry[]> {
    const all: AuditEntry[] = [];
    // Ends: records are numbered, and each page begins after the one before.
    for (;;) {
      const page = await ledger.auditOf({ grantId, after: all.at(-1)?.seq ?? 0, limit: PAGE });
      all.push(...page);
      if (page.length < PAGE) return all;
    }
  }

  async function show({ grantId }: Of<'show'>, tell: (news: OperatorNews) => void): Promise<OperatorResult> {
    const { grant } = await ledger.known(grantId);
    const entries = await recordsOf(grantId);
    if (grant === null && entries.length === 0) return { answer: 'refused', message: `the ledger knows no grant "${grantId}"` };
    if (grant !== null) tell({ answer: 'grant', grant: await shown(grant) });
    for (const line of grantStory(entries)) tell({ answer: 'told', line });
    return { answer: 'done' };
  }

  async function choose(
    { choice }: Of<'choose'>,
    tell: (news: OperatorNews) => void,
    signal: AbortSignal,
  ): Promise<OperatorResult> {
    const chosen = await chooseGrants(parts, choice, signal);
    if (!chosen.ok) return { answer: 'refused', message: chosen.message };
    for (const grant of chosen.grants) tell({ answer: 'grant', grant: await shown(grant) });
    return { answer: 'chosen', choice: chosen.choice };
  }

  async function adopt(request: Of<'adopt'>): Promise<OperatorResult> {
    const { grantId, isStanding } = request;
    return parts.locks.run(`grant:${grantId}`, 'ending', async () => {
      const { grant } = await ledger.known(grantId);
      if (grant === null) return { answer: 'refused', message: `the ledger knows no grant "${grantId}"` };
      if (!isLive(grant)) return { answer: 'refused', message: `grant "${grantId}" is ${grant.state}: it holds no membership` };
      const { pair } = grant;
      return parts.locks.run(`pair:${pair.user.id}/${pair.group.id}`, 'ending', async () => {
        const { period, grants } = await ledger.pairState(pair);
        if (period?.standing !== 'unknown')
          return {
            answer: 'refused',
            message: `whose the membership of grant "${grantId}" is, is known: ${WHOSE[String(period?.standing ?? grant.standing)] ?? 'ours'}`,
          };
        const at = time.now();
        const facts = { standing: isStanding };
        await ledger.savePeriod(
          { ...period, standing: isStanding },
          { at, audit: [operatorCommand(request, { command: 'adopt', at, grantId, pair, facts })] },
        );
        log.warn(
          { event: 'grant.adopted', grantId, by: request.by, standing: isStanding },
          isStanding
            ? 'a membership of unknown ownership was there before us, a person says'
            : 'a membership of unknown ownership is ours, a person says',
        );
        for (const one of grants) if (one.state === 'ending') steps.pursueEnding(one);
        return { answer: 'done' };
      });
    });
  }

  async function setPause(request: Of<'pause' | 'resume'>): Promise<OperatorResult> {
    const isPause = request.request === 'pause';
    const since = pause.since();
    if (isPause && since !== null)
      return { answer: 'done', message: `no new grants are made since ${formatInstant(since)} already` };
    if (!isPause && since === null) return { answer: 'done', message: 'new grants are made already' };
    const at = time.now();
    // Before it is on disk: no grant may be begun after this was answered.
    if (isPause) pause.set(at);
    try {
      await ledger.pause(isPause ? at : null, { at, audit: [operatorCommand(request, { command: request.request, at })] });
    } catch (error) {
      pause.set(since);
      throw error;
    }
    pause.set(isPause ? at : null);
    log.warn(
      { event: isPause ? 'operator.paused' : 'operator.resumed', by: request.by, reason: request.reason },
      isPause ? 'new grants are refused as "paused" until "latchkey resume"; endings go on' : 'new grants are made again',
    );
    return { answer: 'done' };
  }

  async function acceptClock(request: Of<'accept_clock'>): Promise<OperatorResult> {
    const aheadMs = time.aheadMs();
    if (time.trusted()) return { answer: 'done', message: 'the clock is believed already' };
    const at = time.accept();
    await ledger.acceptClock(at, { at, audit: [operatorCommand(request, { command: 'clock accept', at, facts: { aheadMs } })] });
    log.warn(
      { event: 'clock.accepted', by: request.by, aheadMs },
      'a person says that the clock of this machine is right: the trusted time goes back to it',
    );
    return { answer: 'done' };
  }

  return async (request, tell, signal) => {
    switch (request.request) {
      case 'grants':
        return list(request.isEndedToo, tell);
      case 'show':
        return show(request, tell);
      case 'choose':
        return choose(request, tell, signal);
      case 'revoke':
        log.warn(
          { event: 'operator.revoke', choice: request.choice, by: request.by, reason: request.reason },
          'a person on this machine ends grants',
        );
        return revokeChosen(parts, { request, steps, tell }, signal);
      case 'adopt':
        return adopt(request);
      case 'pause':
      case 'resume':
        return setPause(request);
      case 'accept_clock':
        return acceptClock(request);
      case 'explain':
        return { answer: 'explained', explained: await explainGrant(parts, request.asked, signal) };
      default:
        return request satisfies never;
    }
  };
}

type Of<Kind extends EngineRequest['request']> = Extract<EngineRequest, { request: Kind }>;

const WHOSE: Readonly<Record<string, string>> = { true: 'it was there before us, and stays', false: 'it is ours' };
