import type { EndingGrant } from '../access/grant.ts';
import type { GrantId } from '../access/ids.ts';
import type { Instant } from '../access/instant.ts';
import { type Pair, pairKey } from '../access/reference.ts';
import type { StoredJob, Unfinished } from '../ledger/ledger.ts';
import type { EngineParts } from './engine-parts.ts';

/** What a start does with what it finds unfinished. */
interface RecoverySteps {
  pursueGrant(grantId: GrantId): void;
  pursueEnding(grant: EndingGrant): void;
  /** Never rejects: what fails is tried again. */
  decide(stored: StoredJob): Promise<void>;
  /** The same, only while the job's grant is active. */
  decideIfActive(stored: StoredJob): Promise<void>;
}

export interface Recovery {
  /** Reads what is unfinished, and holds new writes back until every open intent has been probed. */
  find(parts: EngineParts): Promise<Unfinished>;
  /** Takes up everything that is unfinished; resolves when it is under way. */
  takeUp(parts: EngineParts, unfinished: Unfinished, steps: RecoverySteps): Promise<void>;
  /** The pair was looked at. */
  probed(pair: Pair): void;
  /** True once every open intent that the start found has been probed; before that for the grants that own one. */
  mayWrite(grantId: GrantId): boolean;
}

/**
 * Start-up: every open intent is probed before new grants are written, so that nothing is judged while the outcome of
 * an earlier write is unknown. Endings wait for nothing. `onReleased` is called when new grants may be written.
 */
export function recovery(onReleased: () => void): Recovery {
  const unprobed = new Set<string>();
  const owners = new Set<GrantId>();
  let found = false;

  return {
    mayWrite: (grantId) => (found && unprobed.size === 0) || owners.has(grantId),
    async find(parts) {
      const { ledger, log, time, timings, failPoints } = parts;
      const lateOf = { add: parts.lateWrites, remove: parts.lateRemovals };
      const now = time.now();
      for (const { kind, pair, replacedAt } of await ledger.replacedIntents((now - timings.lateWriteMs) as Instant))
        lateOf[kind].lost(pair, Math.max(0, now - replacedAt));
      const unfinished = await ledger.unfinished();
      failPoints('recovery.found');
      const { jobs, pending, ending, intents } = unfinished;
      for (const { pair, grantId, kind } of intents) {
        unprobed.add(pairKey(pair));
        owners.add(grantId);
        // Nobody knows when the write was sent: it may still take effect.
        lateOf[kind].lost(pair);
      }
      found = true;
      if (jobs.length + pending.length + ending.length + intents.length > 0) {
        log.info(
          {
            event: 'engine.recovering',
            jobs: jobs.length,
            pending: pending.length,
            ending: ending.length,
            intents: intents.length,
          },
          'taking up what was unfinished',
        );
      }
      return unfinished;
    },
    async takeUp(parts, { jobs, pending, ending }, steps) {
      // Those that are due longest are tried first, now and whenever the directory returns.
      for (const grant of ending.toSorted((one, other) => one.since - other.since)) steps.pursueEnding(grant);
      for (const { grantId } of pending) steps.pursueGrant(grantId);
      await takeUpJobs(jobs, steps);
      parts.failPoints('recovery.taken-up');
    },
    probed(pair) {
      if (unprobed.delete(pairKey(pair)) && unprobed.size === 0) onReleased();
    },
  };
}

/** Of what is unfinished, what takes access away. */
export function endingsOf({ jobs, pending, ending, intents }: Unfinished): Unfinished {
  const revokes = jobs.filter(({ job }) => job?.kind === 'revoke');
  const revoked = new Set(revokes.map(({ grantId }) => grantId));
  return {
    jobs: revokes,
    pending: pending.filter(({ grantId, cancelledAt }) => cancelledAt !== undefined || revoked.has(grantId)),
    ending,
    intents,
  };
}

/**
 * Jobs that are not attached to a grant are decided, as if they came now. Attached ones share the fate of a pending or
 * ending grant; those of an active grant are decided again, revokes first: a grant job that one of them ends is told by the ending.
 */
async function takeUpJobs(jobs: readonly StoredJob[], { decide, decideIfActive }: RecoverySteps): Promise<void> {
  const attached = jobs.filter(({ grantId }) => grantId !== null);
  for (const stored of jobs) if (stored.grantId === null) await decide(stored);
  for (const stored of attached) if (stored.job?.kind === 'revoke') await decideIfActive(stored);
  for (const stored of attached) if (stored.job?.kind === 'grant') await decideIfActive(stored);
}
