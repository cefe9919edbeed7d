import type { GrantId } from '../access/ids.ts';
import { pairKey } from '../access/reference.ts';
import type { StoredJob } from '../ledger/ledger.ts';
import type { EngineParts } from './engine-parts.ts';

/** What a start does with what it finds unfinished. */
interface RecoverySteps {
  pursueGrant(grantId: GrantId): void;
  pursueEnding(grantId: GrantId): void;
  decide(stored: StoredJob): Promise<void>;
}

export interface Recovery {
  /** Takes up everything that is unfinished; resolves when it is under way. */
  begin(parts: EngineParts, steps: RecoverySteps): Promise<void>;
  /** The pair was looked at. */
  probed(pair: string): void;
  /** Runs `work` once every open intent that the start found has been probed; at once where it belongs to one of them. */
  after(grantId: GrantId, work: () => void): void;
}

/**
 * Start-up: every open intent is probed before new grants are written, so that nothing is judged while the outcome of
 * an earlier write is unknown. Endings wait for nothing.
 */
export function recovery(): Recovery {
  const unprobed = new Set<string>();
  const owners = new Set<GrantId>();
  const waiting: (() => void)[] = [];
  let begun = false;

  function isOpen(): boolean {
    return begun && unprobed.size === 0;
  }

  function release(): void {
    if (!isOpen()) return;
    for (const work of waiting.splice(0)) work();
  }

  function after(grantId: GrantId, work: () => void): void {
    if (isOpen() || owners.has(grantId)) work();
    else waiting.push(work);
  }

  return {
    after,
    async begin(parts, steps) {
      const { ledger, log, lateWrites } = parts;
      const { jobs, pending, ending, intents } = await ledger.unfinished();
      for (const { pair, grantId, kind } of intents) {
        unprobed.add(pairKey(pair));
        owners.add(grantId);
        // Nobody knows when the write was sent: it may still take effect.
        if (kind === 'add') lateWrites.lost(grantId);
      }
      begun = true;
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
      for (const { grantId } of ending) steps.pursueEnding(grantId);
      for (const { grantId } of pending) {
        if (owners.has(grantId)) steps.pursueGrant(grantId);
        else after(grantId, () => steps.pursueGrant(grantId));
      }
      await takeUpJobs(parts, jobs, steps);
      release();
    },
    probed(pair) {
      if (unprobed.delete(pair)) release();
    },
  };
}

/**
 * Jobs that are not attached to a grant are decided, as if they came now. Attached ones share the fate of a pending or
 * ending grant; those of an active grant are decided again, revokes first.
 */
async function takeUpJobs({ ledger }: EngineParts, jobs: readonly StoredJob[], { decide }: RecoverySteps): Promise<void> {
  const ofActive: StoredJob[] = [];
  for (const stored of jobs) {
    if (stored.grantId === null) {
      await decide(stored);
      continue;
    }
    const { grant } = await ledger.known(stored.grantId);
    if (grant?.state === 'active') ofActive.push(stored);
  }
  for (const stored of ofActive.filter(({ job }) => job?.kind === 'revoke')) await decide(stored);
  for (const stored of ofActive.filter(({ job }) => job?.kind === 'grant')) await decide(stored);
}
