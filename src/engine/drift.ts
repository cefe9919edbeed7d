import type { GrantId } from '../access/ids.ts';
import { DirectoryError } from '../directory/directory.ts';
import { type DriftSteps, lookForDrift } from './drift-look.ts';
import type { EngineParts } from './engine-parts.ts';
import { type Attempted, DONE } from './pursuits.ts';

/** Looks at grants of which a sync read something else than the ledger believes. */
export interface Drift {
  /** Each is looked at, unless it waits for that already. */
  suspect(grantIds: readonly GrantId[]): void;
  /** Begins no further look; resolves when those begun are over. */
  stop(): Promise<void>;
}

/** However many have drifted: endings and grants have the directory nearly to themselves. */
const LOOKS_AT_A_TIME = 4;

/** What then is still not known is left to the next sync, which suspects it again. */
const MOST_LOOKS = 5;

/** Until the next look, where something is under way, or the directory has no answer. */
const AGAIN_AFTER_MS = 60_000;

/**
 * A sync reads for minutes what changes meanwhile, so it only suspects; what counts is a look of the engine's own. Bounded by the
 * grants that are active.
 */
export function drift(parts: EngineParts, steps: DriftSteps & { told(look: Promise<Attempted>): Promise<Attempted> }): Drift {
  const { clock, log } = parts;
  /** With how many looks are left, in the order in which they were suspected. */
  const waiting = new Map<GrantId, number>();
  const atWork = new Map<GrantId, Promise<void>>();
  const resting = new Map<GrantId, () => void>();
  let stopped = false;

  function begin(): void {
    for (const [grantId, left] of waiting) {
      if (stopped || atWork.size >= LOOKS_AT_A_TIME) return;
      waiting.delete(grantId);
      atWork.set(grantId, work(grantId, left));
    }
  }

  async function work(grantId: GrantId, left: number): Promise<void> {
    const looked = await safely(grantId);
    atWork.delete(grantId);
    if (stopped) return;
    if (!looked.done && left > 1) {
      const wake = clock.timer(looked.afterMs ?? AGAIN_AFTER_MS, () => {
        resting.delete(grantId);
        waiting.set(grantId, left - 1);
        begin();
      });
      resting.set(grantId, wake);
    }
    begin();
  }

  async function safely(grantId: GrantId): Promise<Attempted> {
    try {
      return await steps.told(lookForDrift(parts, { grantId, steps }));
    } catch (error) {
      if (stopped) return DONE;
      const level = error instanceof DirectoryError ? 'debug' : 'error';
      log[level]({ event: 'drift.look-failed', grantId, error }, 'whether a grant has drifted could not be looked at');
      return { done: false };
    }
  }

  return {
    suspect(grantIds) {
      for (const id of grantIds) if (!atWork.has(id) && !resting.has(id) && !waiting.has(id)) waiting.set(id, MOST_LOOKS);
      begin();
    },
    async stop() {
      stopped = true;
      for (const wake of resting.values()) wake();
      await Promise.all(atWork.values());
    },
  };
}
